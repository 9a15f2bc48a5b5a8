"""Plain pushes that came twice: meters send again what they believe was lost, under no number."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from osgp.alarms.models import ReceivedPush

WITHIN = timedelta(minutes=1)
"""The same octets from the same address in this time are one push."""


@dataclass
class Doubles:
    """When the same came before, by digest."""

    _seen: dict[int, list[datetime]] = field(default_factory=dict)

    @classmethod
    def find(cls, pushes: Sequence[ReceivedPush]) -> "Doubles":
        """Look up what was used shortly before these, given in the order in which they came."""
        doubles = cls()
        if not pushes:
            return doubles
        before = ReceivedPush.objects.filter(
            digest__in={compute_digest(push) for push in pushes},
            received_at__gt=min(push.received_at for push in pushes) - WITHIN,
        )
        for digest, moment in before.order_by().values_list("digest", "received_at"):
            if digest is not None:
                doubles._seen.setdefault(digest, []).append(moment)
        return doubles

    def is_double(self, push: ReceivedPush) -> bool:
        """Return whether the same came within a minute before; from now on this one did."""
        seen = self._seen.setdefault(compute_digest(push), [])
        is_double = any(timedelta() <= push.received_at - moment < WITHIN for moment in seen)
        seen.append(push.received_at)
        return is_double


def compute_digest(push: ReceivedPush) -> int:
    """Return 64 bits, signed, that tell the octets and the address of a push from all others."""
    hashed = hashlib.blake2b(push.source_address.encode() + b" " + bytes(push.octets), digest_size=8)
    return int.from_bytes(hashed.digest(), "big", signed=True)
