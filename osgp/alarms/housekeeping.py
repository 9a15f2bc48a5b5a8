"""How long alarms, their groups, pushes and their counts are kept."""

from collections import Counter

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Greatest

from osgp.alarms.group_order import put_in_order
from osgp.alarms.models import Alarm, AlarmGroup, PushCount, ReceivedPush
from osgp.processes import retention
from osgp.processes.retention import Kind, delete_oldest, find_end, make_kind


def register() -> None:
    """Register what is deleted; called at start-up."""
    retention.register(Kind("alarms", lambda: [_find_expired_alarms()], delete_alarms))
    retention.register(Kind("alarm groups", lambda: [_find_empty_groups()], delete_groups))
    retention.register(make_kind("pushes", ReceivedPush, "received_at", "PUSH_RETENTION"))
    retention.register(make_kind("push counts", PushCount, "hour", "ALARM_RETENTION"))


@transaction.atomic
def delete_alarms() -> int:
    """Delete a slice of the alarms past ALARM_RETENTION; return how many.

    A group may go on for longer than that. It counts the alarms that it still has: else it would stay open
    for the sake of some that nobody can acknowledge any more.
    """
    oldest = _find_expired_alarms().order_by("received_at").select_for_update(skip_locked=True, of=("self",))
    rows = list(oldest.values_list("pk", "group", "acknowledged_at")[: retention.SLICE])
    numbers = Counter(group for _, group, _ in rows if group is not None)
    still_open = Counter(group for _, group, seen_at in rows if group is not None and seen_at is None)
    # As storing and acknowledging do, so that none waits for another in a circle.
    for group in put_in_order(numbers):
        AlarmGroup.objects.filter(pk=group).update(
            number=Greatest(F("number") - numbers[group], 0),
            unacknowledged=Greatest(F("unacknowledged") - still_open[group], 0),
        )
    Alarm.objects.filter(pk__in=[key for key, _, _ in rows]).delete()
    return len(rows)


def delete_groups() -> int:
    """Delete a slice of the groups past ALARM_RETENTION that have no alarms left; return how many.

    With its alarms, one group alone might mean changing a million rows in one transaction.
    """
    return delete_oldest(_find_empty_groups(), "last_at")


def _find_expired_alarms() -> QuerySet[Alarm]:
    return Alarm.objects.filter(received_at__lt=find_end("ALARM_RETENTION"))


def _find_empty_groups() -> QuerySet[AlarmGroup]:
    alarms = Alarm.objects.filter(group=OuterRef("pk"))
    return AlarmGroup.objects.filter(~Exists(alarms), last_at__lt=find_end("ALARM_RETENTION"))
