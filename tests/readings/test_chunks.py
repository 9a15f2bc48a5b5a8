"""Merging of chunks: whatever the order, and however often, the outcome is the same."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.readings import chunks
from osgp.readings.chunks import NO_STATUS, Chunk, Claim, DeliveryRange

OFFSETS = st.integers(0, 8).map(lambda place: place * 900)
EXPONENTS = st.sampled_from([-6, -3, -2, 0])


@st.composite
def deliveries(draw: st.DrawFn) -> list[Chunk]:
    """Chunks of some deliveries, few values so that they often agree and often do not."""
    made = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        offsets = sorted(draw(st.sets(OFFSETS, min_size=1)))
        exponent = draw(EXPONENTS)
        amounts = [draw(st.integers(1, 2)) * 10 ** (0 - exponent) for _ in offsets]
        statuses = [draw(st.sampled_from([NO_STATUS, 0, 128])) for _ in offsets]
        seen = [number] * len(offsets)
        made.append(chunks.make_chunk(exponent, offsets, amounts, statuses, seen, seen))
    return made


State = tuple[Chunk, dict[int, dict[Claim, DeliveryRange]]]


def stored(delivered: list[Chunk]) -> State:
    """What storing does with them, in this order."""
    chunk, former = delivered[0], {}
    for new in delivered[1:]:
        chunk, disputed = chunks.merge(chunk, new)
        if disputed:
            chunk, left = chunks.settle(chunk, disputed, former)
            former |= left
    return chunk, {offset: claims for offset, claims in former.items() if claims}


def values(chunk: Chunk) -> list[tuple[int, ...]]:
    """Comparable: how columns are folded up does not count, neither do zeros behind the point."""
    count = chunk.count
    return list(
        zip(
            chunk.list_offsets(),
            (chunks.to_millionths(amount, chunk.exponent) for amount in chunk.amounts),
            chunk.list_statuses(),
            chunks.spread(chunk.received, count),
            chunks.spread(chunk.confirmed, count),
            strict=True,
        )
    )


@given(deliveries(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same(delivered: list[Chunk], chance: random.Random) -> None:
    chunk, former = stored(delivered)
    again = delivered + chance.choices(delivered, k=3)
    chance.shuffle(again)
    other_chunk, other_former = stored(again)
    assert values(other_chunk) == values(chunk)
    assert other_chunk.exponent == chunk.exponent
    assert other_former == former


@given(deliveries())
def test_the_last_claim_counts_and_the_others_stay_visible(delivered: list[Chunk]) -> None:
    chunk, former = stored(delivered)
    claims: dict[int, dict[Claim, list[int]]] = {}
    for number, new in enumerate(delivered, 1):
        for offset, amount, status, *_ in values(new):
            claims.setdefault(offset, {}).setdefault(Claim(amount, status), []).append(number)
    assert set(claims) == set(chunk.list_offsets())
    for offset, amount, status, received, confirmed in values(chunk):
        known = claims[offset]
        current = Claim(amount, status)
        assert DeliveryRange(received, confirmed) == DeliveryRange(min(known[current]), max(known[current]))
        assert confirmed == max(map(max, known.values()))
        others = {
            claim: DeliveryRange(min(seen), max(seen)) for claim, seen in known.items() if claim != current
        }
        assert former.get(offset, {}) == others


def test_columns_that_are_all_the_same_take_one_element() -> None:
    chunk = chunks.make_chunk(-3, [900, 1800, 2700], [5, 6, 7], [0, 0, 0], [4, 4, 4], [4, 4, 4])
    assert chunk == Chunk(-3, 900, [900], [5, 6, 7], [0], [4], [4])
    assert list(chunk.list_offsets()) == [900, 1800, 2700]


@pytest.mark.parametrize("offsets", [[900], [900, 1800], [900, 1800, 3600], [7, 900, 1800]])
def test_offsets_that_are_not_evenly_apart_are_kept_as_they_are(offsets: list[int]) -> None:
    chunk = chunks.make_chunk(0, offsets, offsets, offsets, offsets, offsets)
    assert (chunk.step, list(chunk.list_offsets())) == (None, offsets)


def test_a_day_is_full_when_every_capture_period_has_its_value() -> None:
    full = list(range(900, 86_401, 900))
    assert _chunk(full).is_full(86_400, 900)
    assert not _chunk(full[:-1]).is_full(86_400, 900)
    assert not _chunk(full[:40] + full[41:]).is_full(86_400, 900)
    assert _chunk(sorted([*full, 1234])).is_full(86_400, 900)
    assert not _chunk(sorted([*full[1:], 1234])).is_full(86_400, 900)
    assert not _chunk(list(range(3600, 86_401, 3600))).is_full(86_400, 900)
    assert _chunk(list(range(900, 90_001, 900))).is_full(90_000, 900)


def _chunk(offsets: list[int]) -> Chunk:
    return chunks.make_chunk(0, offsets, offsets, [0], [1], [1])


@pytest.mark.parametrize(
    ("amount", "exponent", "text"), [(1234567, -3, "1234.567"), (1234500, -3, "1234.500"), (5, 2, "500")]
)
def test_values_are_exact_with_the_decimals_that_the_meter_has(amount: int, exponent: int, text: str) -> None:
    assert format(chunks.to_decimal(amount, exponent), "f") == text
    assert chunks.to_millionths(amount, exponent) == int(Decimal(text) * 10**6)
