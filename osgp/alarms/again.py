"""Decoding pushes once more: after a profile or a release learned what they mean, or a device was added."""

from collections import Counter
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from osgp.alarms import counting
from osgp.alarms.counting import make_key
from osgp.alarms.gains import name_alarms
from osgp.alarms.models import Alarm, PushOutcome, ReceivedPush, Transport
from osgp.protocol_dlms.push.errors import PushFault

SLICE = 5000
USED = (PushOutcome.WAITING, PushOutcome.ALARM, PushOutcome.READINGS, PushOutcome.ADDRESS)
"""What brought something is not decoded again: it would bring it twice."""
REFUSED = (PushFault.REPLAYED.name, PushOutcome.DOUBLED)
"""Likewise what had come before."""
MAY_BRING_MORE = ~Q(outcome__in=(*USED, *REFUSED))
FRESH: dict[str, Any] = {"outcome": PushOutcome.WAITING, "details": {}, "digest": None}
"""Columns of a push that waits. With its digest, it would be found to have come before: itself."""


def list_undecoded() -> QuerySet[ReceivedPush]:
    """Return the pushes that may bring something when they are decoded again."""
    return ReceivedPush.objects.filter(MAY_BRING_MORE)


def decode_again(pushes: QuerySet[ReceivedPush], *, most: int | None = None) -> int:
    """Have those of ``pushes`` decoded again that brought nothing; return how many.

    ``most``, in full slices, is where it stops if there are more.
    """
    without_alarm = ~Exists(Alarm.objects.filter(push=OuterRef("pk")))
    chosen = pushes.filter(MAY_BRING_MORE, without_alarm).order_by("pk")
    total = 0
    while (most is None or total < most) and (number := _refresh_slice(chosen)):
        total += number
    return total


@transaction.atomic
def _refresh_slice(chosen: QuerySet[ReceivedPush]) -> int:
    """Have a slice wait once more. Hours no longer count them: they count what is made of them now."""
    rows = list(
        chosen.select_for_update(of=("self",)).values_list("pk", "transport", "outcome", "received_at")[
            :SLICE
        ]
    )
    counting.take_back(
        Counter(make_key(Transport(transport), outcome, at) for _, transport, outcome, at in rows)
    )
    return ReceivedPush.objects.filter(pk__in=[key for key, *_ in rows]).update(**FRESH)


def name_again(alarms: QuerySet[Alarm]) -> int:
    """Name the bits of alarms once more, as the profiles of their devices know them now.

    Return how many alarms have other names than before. Their groups, and what was told of them, stay.
    """
    changed = 0
    for alarm in alarms.exclude(unknown_bits=[]).select_related("device__gateway").iterator(SLICE):
        registers = {int(number): value for number, value in alarm.registers.items()}
        names, unknown = name_alarms(alarm.device, registers, alarm.trigger)
        if unknown != alarm.unknown_bits:
            Alarm.objects.filter(pk=alarm.pk).update(alarm_types=names, unknown_bits=unknown)
            changed += 1
    return changed
