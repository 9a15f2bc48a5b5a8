"""Plain pushes that came twice: meters send again what they believe was lost, under no number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from osgp.alarms.models import PushOutcome, ReceivedPush

WITHIN = timedelta(minutes=1)
"""The same octets from the same address in this time are one push."""
USED = (PushOutcome.ALARM, PushOutcome.READINGS, PushOutcome.VALUES, PushOutcome.ADDRESS)

Key = tuple[str, bytes]


@dataclass
class Doubles:
    """When the same came before."""

    _seen: dict[Key, list[datetime]] = field(default_factory=dict)

    @classmethod
    def find(cls, pushes: Sequence[ReceivedPush]) -> "Doubles":
        """Look up what came shortly before these, given in the order in which they came."""
        doubles = cls()
        if not pushes:
            return doubles
        before = ReceivedPush.objects.filter(
            outcome__in=USED,
            source_address__in={push.source_address for push in pushes},
            received_at__gt=min(push.received_at for push in pushes) - WITHIN,
            received_at__lte=max(push.received_at for push in pushes),
        )
        doubles._note(before.only("source_address", "octets", "received_at"))
        return doubles

    def is_double(self, push: ReceivedPush) -> bool:
        """Return whether the same came within a minute before; from now on this one did."""
        seen = self._seen.get(_make_key(push), [])
        is_double = any(timedelta() <= push.received_at - moment < WITHIN for moment in seen)
        self._note([push])
        return is_double

    def _note(self, pushes: Iterable[ReceivedPush]) -> None:
        for push in pushes:
            self._seen.setdefault(_make_key(push), []).append(push.received_at)


def _make_key(push: ReceivedPush) -> Key:
    return push.source_address, bytes(push.octets)
