"""A chunk: the values of one series in one day or month, as columns; and what becomes of two of them.

Merging is commutative, associative and idempotent, so that deliveries may be stored in any order, more than
once and by several writers. For that, each claim that a meter made about an interval (a value with its
status) carries the first and the last delivery that made it. The claim that was made last is the value;
the others are its former ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from osgp.messages.readings import DECIMALS

NO_STATUS = -1


class Claim(NamedTuple):
    """What a meter said about one interval: a value in millionths and its status (NO_STATUS: none)."""

    millionths: int
    status: int


class Seen(NamedTuple):
    """The first and the last delivery with a claim, by their numbers."""

    first: int
    last: int

    def and_(self, other: "Seen") -> "Seen":
        """The first and last of both."""
        return Seen(min(self.first, other.first), max(self.last, other.last))


Former = Mapping[int, Mapping[Claim, Seen]]
"""Claims that are not the current ones, by their offset in the chunk."""


@dataclass(frozen=True)
class Chunk:
    """Values by their offsets, seconds from the chunk's begin (exclusive) to the interval's end.

    A column that is the same for all values has one element. Offsets that are ``step`` apart are told by the
    first one. ``statuses`` is None if there are none at all.
    """

    exponent: int
    step: int | None
    offsets: Sequence[int]
    amounts: Sequence[int]
    statuses: Sequence[int] | None
    received: Sequence[int]
    """The delivery that first had the value."""
    confirmed: Sequence[int]
    """The last one that had it."""

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.amounts)

    def all_offsets(self) -> Sequence[int]:
        """The offset of each value, ascending."""
        if self.step is None:
            return self.offsets
        first = self.offsets[0]
        return range(first, first + self.step * self.count, self.step)

    def all_statuses(self) -> Sequence[int]:
        """The status of each value; NO_STATUS where there is none."""
        return spread((NO_STATUS,) if self.statuses is None else self.statuses, self.count)

    def is_full(self, length: int, capture_period: int) -> bool:
        """Whether every capture period of ``length`` seconds has its value."""
        if self.step == capture_period and self.offsets[0] == capture_period:
            return self.count * capture_period == length
        on_time = sum(1 for offset in self.all_offsets() if offset % capture_period == 0)
        return on_time * capture_period == length


def make(
    exponent: int,
    offsets: Sequence[int],
    amounts: Sequence[int],
    statuses: Sequence[int],
    received: Sequence[int],
    confirmed: Sequence[int],
) -> Chunk:
    """A chunk of full columns, offsets ascending."""
    step, kept_offsets = regular(offsets)
    one_status = collapsed(statuses)
    return Chunk(
        exponent,
        step,
        kept_offsets,
        amounts,
        None if list(one_status) == [NO_STATUS] else one_status,
        collapsed(received),
        collapsed(confirmed),
    )


def merge(one: Chunk, other: Chunk) -> tuple[Chunk, dict[int, dict[Claim, Seen]]]:
    """All values of both; and by offset the claims of both where they differ (the later is the value)."""
    exponent = min(one.exponent, other.exponent)
    if one.exponent == other.exponent and _same_claims(one, other):
        received = collapsed(_pairwise(min, one.received, other.received, one.count))
        confirmed = collapsed(_pairwise(max, one.confirmed, other.confirmed, one.count))
        merged = Chunk(exponent, one.step, one.offsets, one.amounts, one.statuses, received, confirmed)
        return merged, {}
    values = _by_offset(one, exponent)
    disputed: dict[int, dict[Claim, Seen]] = {}
    for offset, (amount, status, first, last) in _by_offset(other, exponent).items():
        known = values.get(offset)
        if known is None:
            values[offset] = (amount, status, first, last)
        elif known[:2] == (amount, status):
            values[offset] = (amount, status, min(first, known[2]), max(last, known[3]))
        else:
            claims = {
                Claim(millionths(claimed, exponent), said): Seen(since, until)
                for claimed, said, since, until in (known, (amount, status, first, last))
            }
            disputed[offset] = claims
            values[offset] = max(known, (amount, status, first, last), key=lambda value: (value[3], value))
    return _from_offsets(values, exponent), disputed


def settle(chunk: Chunk, disputed: Former, former: Former) -> tuple[Chunk, dict[int, dict[Claim, Seen]]]:
    """Decide disputes, looking at the ``former`` claims about the same intervals as well.

    Returns the chunk with its values, and all former claims about these intervals by now.
    """
    values = _by_offset(chunk, chunk.exponent)
    left: dict[int, dict[Claim, Seen]] = {}
    for offset, claims in disputed.items():
        everything = dict(former.get(offset, {}))
        for claim, seen in claims.items():
            everything[claim] = everything[claim].and_(seen) if claim in everything else seen
        current = max(everything, key=lambda claim: (everything[claim].last, claim))
        seen = everything.pop(current)
        amount = current.millionths // 10 ** (chunk.exponent + DECIMALS)
        values[offset] = (amount, current.status, seen.first, seen.last)
        left[offset] = everything
    return _from_offsets(values, chunk.exponent), left


def millionths(amount: int, exponent: int) -> int:
    """An amount with an exponent of -6 or more, in millionths."""
    return amount * int(10 ** (exponent + DECIMALS))


def decimal(amount: int, exponent: int) -> Decimal:
    """The value; a positive exponent gives an integer without one."""
    return Decimal(amount).scaleb(exponent) if exponent <= 0 else Decimal(amount * 10**exponent)


def spread(column: Sequence[int], count: int) -> Sequence[int]:
    """A column with one element for each value."""
    return column if len(column) == count else [column[0]] * count


def collapsed(column: Sequence[int]) -> Sequence[int]:
    """A column with one element if all are the same."""
    return column[:1] if column.count(column[0]) == len(column) else column


def regular(offsets: Sequence[int]) -> tuple[int | None, Sequence[int]]:
    """The step of three offsets or more that are evenly apart, and the first; or no step, and all of them."""
    if len(offsets) < 3:
        return None, offsets
    first, step = offsets[0], offsets[1] - offsets[0]
    if offsets[-1] - first == step * (len(offsets) - 1) and list(offsets) == list(
        range(first, offsets[-1] + 1, step)
    ):
        return step, [first]
    return None, offsets


def _same_claims(one: Chunk, other: Chunk) -> bool:
    return (
        one.step == other.step
        and list(one.offsets) == list(other.offsets)
        and list(one.amounts) == list(other.amounts)
        and (one.statuses is None) == (other.statuses is None)
        and (one.statuses is None or list(one.statuses) == list(other.statuses or ()))
    )


def _pairwise(choose: type | object, one: Sequence[int], other: Sequence[int], count: int) -> Sequence[int]:
    if len(one) == len(other) == 1:
        return [choose(one[0], other[0])]  # type: ignore[operator]
    return list(map(choose, spread(one, count), spread(other, count)))  # type: ignore[arg-type]


_Value = tuple[int, int, int, int]


def _by_offset(chunk: Chunk, exponent: int) -> dict[int, _Value]:
    count = chunk.count
    factor = 10 ** (chunk.exponent - exponent)
    amounts: Iterable[int] = chunk.amounts if factor == 1 else (amount * factor for amount in chunk.amounts)
    return dict(
        zip(
            chunk.all_offsets(),
            zip(
                amounts,
                chunk.all_statuses(),
                spread(chunk.received, count),
                spread(chunk.confirmed, count),
                strict=True,
            ),
            strict=True,
        )
    )


def _from_offsets(values: Mapping[int, _Value], exponent: int) -> Chunk:
    offsets = sorted(values)
    amounts, statuses, received, confirmed = zip(*(values[offset] for offset in offsets), strict=True)
    return make(exponent, offsets, list(amounts), statuses, received, confirmed)
