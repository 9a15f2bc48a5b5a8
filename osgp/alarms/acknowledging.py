"""Acknowledging alarms: somebody has seen them, and says so."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now

from osgp.accounts.models import Organisation
from osgp.alarms.finding import MAY_ACKNOWLEDGE, list_alarms
from osgp.alarms.group_order import put_in_order
from osgp.alarms.models import Alarm, AlarmGroup

SLICE = 5000
"""Alarms that are acknowledged in one transaction."""


def acknowledge(alarms: QuerySet[Alarm], by: str, note: str = "", *, most: int | None = None) -> int:
    """Acknowledge those of ``alarms`` that nobody has acknowledged; return how many, slice by slice.

    ``by`` is the person or the application. ``most``, in full slices, is where it stops if there are more.
    """
    total = 0
    after: int | None = 0
    while after is not None and (most is None or total < most):
        number, after = _acknowledge_slice(alarms, by, note, after)
        total += number
    return total


def list_alarms_to_acknowledge(
    organisation: Organisation | None, groups: Sequence[int], last: int
) -> QuerySet[Alarm]:
    """Return the alarms of groups that an organisation may acknowledge (None: all of them).

    ``last`` is the highest primary key among them: those that come later were not seen.
    """
    return list_alarms(organisation, MAY_ACKNOWLEDGE).filter(group__in=groups, pk__lte=last)


@transaction.atomic
def _acknowledge_slice(alarms: QuerySet[Alarm], by: str, note: str, after: int) -> tuple[int, int | None]:
    """Acknowledge the next ones after a primary key; return how many, and after which key others follow."""
    waiting = alarms.filter(acknowledged_at__isnull=True, pk__gt=after).order_by("pk")
    keys = list(waiting.values_list("pk", flat=True)[:SLICE])
    if not keys:
        return 0, None
    chosen = Alarm.objects.filter(pk__in=keys, acknowledged_at__isnull=True)
    # Locked, so that each is counted once when two people acknowledge the same alarms.
    locked = list(chosen.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    changed = Alarm.objects.filter(pk__in=locked)
    numbers = dict(
        changed.filter(group__isnull=False).order_by().values_list("group").annotate(number=Count("pk"))
    )
    changed.update(acknowledged_at=Now(), acknowledged_by=by[:160], note=note[:500])
    for group in put_in_order(numbers):
        AlarmGroup.objects.filter(pk=group).update(unacknowledged=F("unacknowledged") - numbers[group])
    return len(locked), keys[-1] if len(keys) == SLICE else None
