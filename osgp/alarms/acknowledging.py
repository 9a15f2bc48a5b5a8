"""Acknowledging alarms: somebody has seen them, and says so."""

from django.db import transaction
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now

from osgp.alarms.models import Alarm, AlarmGroup

SLICE = 5000
"""Alarms that are acknowledged in one transaction."""


def acknowledge(alarms: QuerySet[Alarm], by: str, note: str = "") -> int:
    """Acknowledge those of ``alarms`` that nobody has acknowledged; return how many, slice by slice.

    ``by`` is the person or the application.
    """
    total = 0
    while number := _acknowledge_slice(alarms, by, note):
        total += number
    return total


@transaction.atomic
def _acknowledge_slice(alarms: QuerySet[Alarm], by: str, note: str) -> int:
    waiting = alarms.filter(acknowledged_at__isnull=True).order_by("pk").values_list("pk", flat=True)
    chosen = Alarm.objects.filter(pk__in=list(waiting[:SLICE]), acknowledged_at__isnull=True)
    # Locked, so that each is counted once when two people acknowledge the same alarms.
    locked = list(chosen.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    changed = Alarm.objects.filter(pk__in=locked)
    groups = list(
        changed.filter(group__isnull=False)
        .order_by("group")
        .values_list("group")
        .annotate(number=Count("pk"))
    )
    changed.update(acknowledged_at=Now(), acknowledged_by=by[:160], note=note[:500])
    for group, number in groups:
        AlarmGroup.objects.filter(pk=group).update(unacknowledged=F("unacknowledged") - number)
    return len(locked)
