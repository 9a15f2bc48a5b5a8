"""A chunk: the values of one series in one day or month, as columns; and merging two of them.

Merging is commutative, associative and idempotent, so that deliveries may be stored in any order, more than
once and by several writers. For that, each claim that a meter made about an interval (a value with its
status) carries the first and the last delivery that made it. The claim that was made last is the value; the
others are its former claims.
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


class DeliveryRange(NamedTuple):
    """The numbers of the first and the last delivery with a claim."""

    first: int
    last: int

    def union(self, other: "DeliveryRange") -> "DeliveryRange":
        """Return the first and the last delivery of both."""
        return DeliveryRange(min(self.first, other.first), max(self.last, other.last))


FormerClaims = Mapping[int, Mapping[Claim, DeliveryRange]]
"""Claims other than the current ones, by their offset in the chunk."""


@dataclass(frozen=True)
class Chunk:
    """Values by their offsets, seconds from the chunk's begin (exclusive) to the interval's end.

    A column whose values are all the same has one element. Of offsets that are ``step`` apart, only the first
    one is stored. ``statuses`` is None if no value has a status.
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
        """Number of values."""
        return len(self.amounts)

    def list_offsets(self) -> Sequence[int]:
        """Return the offset of each value, ascending."""
        if self.step is None:
            return self.offsets
        first = self.offsets[0]
        return range(first, first + self.step * self.count, self.step)

    def list_statuses(self) -> Sequence[int]:
        """Return the status of each value; NO_STATUS for values without one."""
        return spread((NO_STATUS,) if self.statuses is None else self.statuses, self.count)

    def is_full(self, length: int, capture_period: int) -> bool:
        """Return whether every capture period of ``length`` seconds has its value."""
        if self.step == capture_period and self.offsets[0] == capture_period:
            return self.count * capture_period == length
        on_time = sum(1 for offset in self.list_offsets() if offset % capture_period == 0)
        return on_time * capture_period == length


def make_chunk(
    exponent: int,
    offsets: Sequence[int],
    amounts: Sequence[int],
    statuses: Sequence[int],
    received: Sequence[int],
    confirmed: Sequence[int],
) -> Chunk:
    """Make a chunk of full columns, offsets ascending."""
    step, kept_offsets = find_step(offsets)
    one_status = collapse(statuses)
    return Chunk(
        exponent,
        step,
        kept_offsets,
        amounts,
        None if list(one_status) == [NO_STATUS] else one_status,
        collapse(received),
        collapse(confirmed),
    )


def merge(one: Chunk, other: Chunk) -> tuple[Chunk, dict[int, dict[Claim, DeliveryRange]]]:
    """Return all values of both, and by offset the claims where they differ (the later one is the value)."""
    exponent = min(one.exponent, other.exponent)
    if one.exponent == other.exponent and _has_same_claims(one, other):
        received = collapse(_map_pairs(min, one.received, other.received, one.count))
        confirmed = collapse(_map_pairs(max, one.confirmed, other.confirmed, one.count))
        merged = Chunk(exponent, one.step, one.offsets, one.amounts, one.statuses, received, confirmed)
        return merged, {}
    values = _index_by_offset(one, exponent)
    disputed: dict[int, dict[Claim, DeliveryRange]] = {}
    for offset, (amount, status, first, last) in _index_by_offset(other, exponent).items():
        known = values.get(offset)
        if known is None:
            values[offset] = (amount, status, first, last)
        elif known[:2] == (amount, status):
            values[offset] = (amount, status, min(first, known[2]), max(last, known[3]))
        else:
            claims = {
                Claim(to_millionths(claimed, exponent), said): DeliveryRange(since, until)
                for claimed, said, since, until in (known, (amount, status, first, last))
            }
            disputed[offset] = claims
            values[offset] = max(known, (amount, status, first, last), key=lambda value: (value[3], value))
    return _from_offsets(values, exponent), disputed


def settle(
    chunk: Chunk, disputed: FormerClaims, former: FormerClaims
) -> tuple[Chunk, dict[int, dict[Claim, DeliveryRange]]]:
    """Decide disputes, considering the ``former`` claims about the same intervals as well.

    Returns the chunk with its values, and all former claims about these intervals by now.
    """
    values = _index_by_offset(chunk, chunk.exponent)
    left: dict[int, dict[Claim, DeliveryRange]] = {}
    for offset, claims in disputed.items():
        everything = dict(former.get(offset, {}))
        for claim, seen in claims.items():
            everything[claim] = everything[claim].union(seen) if claim in everything else seen
        current = max(everything, key=lambda claim: (everything[claim].last, claim))
        seen = everything.pop(current)
        amount = current.millionths // 10 ** (chunk.exponent + DECIMALS)
        values[offset] = (amount, current.status, seen.first, seen.last)
        left[offset] = everything
    return _from_offsets(values, chunk.exponent), left


def leave_out(chunk: Chunk, first: int, last: int) -> Chunk | None:
    """Return the chunk without the values at offsets from ``first`` to ``last``; None if none are left."""
    values = _index_by_offset(chunk, chunk.exponent)
    left = {offset: value for offset, value in values.items() if not first <= offset <= last}
    return _from_offsets(left, chunk.exponent) if left else None


def to_millionths(amount: int, exponent: int) -> int:
    """Return an amount with an exponent of -6 or more in millionths."""
    return amount * int(10 ** (exponent + DECIMALS))


def to_decimal(amount: int, exponent: int) -> Decimal:
    """Return the value; with a positive exponent, as an integer without one."""
    return Decimal(amount).scaleb(exponent) if exponent <= 0 else Decimal(amount * 10**exponent)


def spread(column: Sequence[int], count: int) -> Sequence[int]:
    """Return a column with one element for each value."""
    return column if len(column) == count else [column[0]] * count


def collapse(column: Sequence[int]) -> Sequence[int]:
    """Return a column with one element if all are the same."""
    return column[:1] if column.count(column[0]) == len(column) else column


def find_step(offsets: Sequence[int]) -> tuple[int | None, Sequence[int]]:
    """Return the step of three or more evenly spaced offsets, and the first; or no step, and all offsets."""
    if len(offsets) < 3:
        return None, offsets
    first, step = offsets[0], offsets[1] - offsets[0]
    if offsets[-1] - first == step * (len(offsets) - 1) and list(offsets) == list(
        range(first, offsets[-1] + 1, step)
    ):
        return step, [first]
    return None, offsets


def _has_same_claims(one: Chunk, other: Chunk) -> bool:
    return (
        one.step == other.step
        and list(one.offsets) == list(other.offsets)
        and list(one.amounts) == list(other.amounts)
        and (one.statuses is None) == (other.statuses is None)
        and (one.statuses is None or list(one.statuses) == list(other.statuses or ()))
    )


def _map_pairs(choose: type | object, one: Sequence[int], other: Sequence[int], count: int) -> Sequence[int]:
    if len(one) == len(other) == 1:
        return [choose(one[0], other[0])]  # type: ignore[operator]
    return list(map(choose, spread(one, count), spread(other, count)))  # type: ignore[arg-type]


_Value = tuple[int, int, int, int]


def _index_by_offset(chunk: Chunk, exponent: int) -> dict[int, _Value]:
    count = chunk.count
    factor = 10 ** (chunk.exponent - exponent)
    amounts: Iterable[int] = chunk.amounts if factor == 1 else (amount * factor for amount in chunk.amounts)
    return dict(
        zip(
            chunk.list_offsets(),
            zip(
                amounts,
                chunk.list_statuses(),
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
    return make_chunk(exponent, offsets, list(amounts), statuses, received, confirmed)
