"""Which nonces have been used: none may ever come back with the same key.

The initialization vector of AES-GCM is a fixed field of 8 octets and an invocation field of 4 (Green Book
"Initialization vector"). The fixed field is the client's system title, or in keys for M-Bus devices what is
known of the device; the invocation field is the invocation counter, or the key change counter.
"""

from array import array
from bisect import bisect_right
from hashlib import blake2b
from typing import NamedTuple

MAXIMUM_INTERVALS = 4_096
MAXIMUM_REPEATED = 1_000
_KEY_ID_OCTETS = 6


class UsedCounters:
    """The counters (32 bits) that one key has protected something with, kept as intervals.

    Clients count upwards, so there are few intervals; beyond :data:`MAXIMUM_INTERVALS` the two oldest are
    joined.
    """

    __slots__ = ("_ends", "_starts", "repeated")

    def __init__(self) -> None:
        self._starts = array("I")
        self._ends = array("I")
        self.repeated: list[int] = []

    @property
    def highest(self) -> int:
        """The highest counter so far; -1 before the first."""
        return self._ends[-1] if self._ends else -1

    def use(self, counter: int) -> bool:
        """Note that ``counter`` was used; False, and noted in ``repeated``, if it had been used before."""
        starts, ends = self._starts, self._ends
        if ends and counter == ends[-1] + 1:
            ends[-1] = counter
            return True
        index = bisect_right(starts, counter)
        if index and counter <= ends[index - 1]:
            if len(self.repeated) < MAXIMUM_REPEATED:
                self.repeated.append(counter)
            return False
        starts.insert(index, counter)
        ends.insert(index, counter)
        if index + 1 < len(starts) and starts[index + 1] == counter + 1:
            ends[index] = ends.pop(index + 1)
            del starts[index + 1]
        if index and ends[index - 1] + 1 == counter:
            ends[index - 1] = ends.pop(index)
            del starts[index]
        if len(starts) > MAXIMUM_INTERVALS:
            del ends[0], starts[1]
        return True


class KeyUse(NamedTuple):
    """What one key was used with, under one fixed field: the ``highest`` counter, and those that came twice
    or more (``repeated``), in the order in which they came back.

    ``key_id`` tells keys apart without giving them away.
    """

    key_id: str
    fixed_field: bytes
    highest: int
    repeated: tuple[int, ...]


class Nonces:
    """The nonces that the meters of a fleet have seen, by key: whichever meter has the key, and since when.

    There is nothing of keys that no client has used yet.
    """

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: dict[tuple[bytes, bytes], UsedCounters] = {}

    def use(self, key: bytes, fixed_field: bytes, counter: int) -> bool:
        """Note that something came that was protected so; False if something had come before."""
        used = self._used.get((key, fixed_field))
        if used is None:
            used = self._used[key, fixed_field] = UsedCounters()
        return used.use(counter)

    def list_uses(self) -> list[KeyUse]:
        """All keys that were used, in the order in which they first were."""
        return [
            KeyUse(make_key_id(key), fixed_field, used.highest, tuple(used.repeated))
            for (key, fixed_field), used in list(self._used.items())
        ]

    def list_repeats(self) -> list[KeyUse]:
        """The keys with which a nonce came twice; none when all is well."""
        return [use for use in self.list_uses() if use.repeated]


def make_key_id(key: bytes) -> str:
    """12 hexadecimal digits that tell a key from others."""
    return blake2b(key, digest_size=_KEY_ID_OCTETS).hexdigest()
