"""Token buckets of source addresses."""

import pytest

from osgp.listener import rates
from osgp.listener.rates import LEAST_BURST, Rates


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only the test moves."""
    now = [1000.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    return now


def count_allowed(of: Rates, source: str, tries: int) -> int:
    return sum(of.allow(source) for _ in range(tries))


def test_a_burst_and_then_the_rate(clock: list[float]) -> None:
    limited = Rates(100, 1)
    assert count_allowed(limited, "192.0.2.1", 500) == 200
    clock[0] += 0.5
    assert count_allowed(limited, "192.0.2.1", 500) == 50
    clock[0] += 3600
    assert count_allowed(limited, "192.0.2.1", 500) == 200


def test_sources_do_not_share(clock: list[float]) -> None:
    limited = Rates(100, 1)
    count_allowed(limited, "192.0.2.1", 500)
    assert count_allowed(limited, "192.0.2.2", 500) == 200


def test_slow_sources(clock: list[float]) -> None:
    limited = Rates(100, 1)
    limited.set_slow(["192.0.2.1"])
    assert count_allowed(limited, "192.0.2.1", 500) == LEAST_BURST
    clock[0] += 2
    assert count_allowed(limited, "192.0.2.1", 500) == 2
    assert count_allowed(limited, "192.0.2.2", 500) == 200
    limited.set_slow([])
    clock[0] += 1
    assert count_allowed(limited, "192.0.2.1", 500) == 100


def test_a_slow_source_has_no_hoard(clock: list[float]) -> None:
    limited = Rates(100, 1)
    assert limited.allow("192.0.2.1")
    limited.set_slow(["192.0.2.1"])
    assert count_allowed(limited, "192.0.2.1", 500) == LEAST_BURST


def test_sources_are_forgotten_the_oldest_first(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_SOURCES", 2)
    limited = Rates(10, 1)
    for source in ("a", "b", "a", "c"):
        limited.allow(source)
    assert list(limited._buckets) == ["a", "c"]
