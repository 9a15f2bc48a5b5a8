"""Pushes without proof that came twice: meters send again what they believe was lost.

Plain ones have no number, so the same may come again later and be news. Ciphered ones have one. Without an
authentication tag it proves nothing, but the same octets under the same number are never news.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

from osgp.alarms.models import ReceivedPush

WITHIN = timedelta(minutes=1)
"""The same plain octets from the same address in this time are one push."""


@dataclass
class Doubles:
    """When the same came before, by digest."""

    _seen: dict[int, list[datetime]] = field(default_factory=dict)

    @classmethod
    def find(cls, plain: Sequence[ReceivedPush], numbered: Sequence[ReceivedPush] = ()) -> "Doubles":
        """Look up what was used shortly before plain pushes, and ever before numbered ones.

        Both are given in the order in which they came. ``numbered`` have an invocation counter and no tag.
        """
        doubles = cls()
        wanted = Q()
        if plain:
            wanted |= Q(
                digest__in={compute_digest(push) for push in plain},
                received_at__gt=min(push.received_at for push in plain) - WITHIN,
            )
        if numbered:
            wanted |= Q(digest__in={compute_digest(push, is_numbered=True) for push in numbered})
        if not wanted:
            return doubles
        before = ReceivedPush.objects.filter(wanted)
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

    def is_numbered_double(self, push: ReceivedPush) -> bool:
        """Return whether the same octets with an invocation counter came before, from wherever."""
        seen = self._seen.setdefault(compute_digest(push, is_numbered=True), [])
        is_double = bool(seen)
        seen.append(push.received_at)
        return is_double


def compute_digest(push: ReceivedPush, *, is_numbered: bool = False) -> int:
    """Return 64 bits, signed, that tell the octets and the address of a push from all others.

    Those of a numbered push are the same from any address.
    """
    address = b"" if is_numbered else push.source_address.encode()
    hashed = hashlib.blake2b(address + b" " + bytes(push.octets), digest_size=8)
    return int.from_bytes(hashed.digest(), "big", signed=True)
