"""The window of invocation counters: against a plain list of what was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms.push.replay import LARGEST_COUNTER, WINDOW, Accepted, accept


def feed(counters: list[int]) -> list[bool]:
    """Whether each is accepted, when the platform stores what it gets."""
    highest, window = None, 0
    verdicts = []
    for counter in counters:
        accepted = accept(highest, window, counter)
        verdicts.append(accepted is not None)
        if accepted is not None:
            highest, window = accepted
            assert -(2**63) <= window < 2**63
    return verdicts


@pytest.mark.parametrize(
    ("counters", "verdicts"),
    [
        ([0], [True]),
        ([5, 5], [True, False]),
        ([5, 6, 5, 6], [True, True, False, False]),
        ([5, 4, 4], [True, True, False]),
        ([100, 100 - WINDOW, 100 - WINDOW], [True, True, False]),
        ([100, 100 - WINDOW - 1], [True, False]),
        ([100, 100 + WINDOW, 100], [True, True, False]),
        ([100, 101 + WINDOW, 100, 101], [True, True, False, True]),
        ([1, LARGEST_COUNTER, 1, LARGEST_COUNTER - 1], [True, True, False, True]),
    ],
    ids=["first", "twice", "in-order", "overtaken", "edge", "too-old", "edge-after-a-jump", "jump", "ends"],
)
def test_counters(counters: list[int], verdicts: list[bool]) -> None:
    assert feed(counters) == verdicts


@given(st.lists(st.integers(0, 200) | st.integers(LARGEST_COUNTER - 100, LARGEST_COUNTER)))
def test_each_once_and_none_that_is_too_old(counters: list[int]) -> None:
    seen: set[int] = set()
    expected = []
    for counter in counters:
        new = counter not in seen and (not seen or counter >= max(seen) - WINDOW)
        expected.append(new)
        if new:
            seen.add(counter)
    assert feed(counters) == expected


def test_the_window_of_all_seen_is_what_a_database_holds() -> None:
    highest, window = 0, 0
    for counter in range(1, WINDOW + 1):
        accepted = accept(highest, window, counter)
        assert accepted is not None
        highest, window = accepted
    assert (highest, window) == Accepted(WINDOW, -1)


@pytest.mark.parametrize("counter", [-1, LARGEST_COUNTER + 1])
def test_no_counters(counter: int) -> None:
    with pytest.raises(ValueError, match="no invocation counter"):
        accept(5, 0, counter)
