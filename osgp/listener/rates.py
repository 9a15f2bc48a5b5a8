"""How many pushes each source address may send: a token bucket for each."""

import time
from collections import OrderedDict
from collections.abc import Collection

BURST = 2.0
"""Seconds' worth of pushes that may come at once."""
LEAST_BURST = 10.0
"""Pushes that may come at once, however low the rate is."""
MOST_SOURCES = 100_000
"""Source addresses that are remembered: some 20 MB. Forgotten ones begin anew."""


class Rates:
    """The buckets of all sources."""

    def __init__(self, rate: float, slow_rate: float) -> None:
        self._rate = rate
        self._slow_rate = slow_rate
        self._slow: frozenset[str] = frozenset()
        self._buckets: OrderedDict[str, list[float]] = OrderedDict()
        """Tokens, and when they were counted."""

    def set_slow(self, sources: Collection[str]) -> None:
        """Hold these sources to the slow rate, and no others."""
        self._slow = frozenset(sources)

    def allow(self, source: str) -> bool:
        """Take a token of a source. False if it has none."""
        rate = self._slow_rate if source in self._slow else self._rate
        most = max(rate * BURST, LEAST_BURST)
        now = time.monotonic()
        bucket = self._buckets.get(source)
        if bucket is None:
            if len(self._buckets) >= MOST_SOURCES:
                self._buckets.popitem(last=False)
            self._buckets[source] = [most - 1, now]
            return True
        self._buckets.move_to_end(source)
        tokens = min(most, bucket[0] + (now - bucket[1]) * rate)
        bucket[1] = now
        bucket[0] = tokens if tokens < 1 else tokens - 1
        return tokens >= 1
