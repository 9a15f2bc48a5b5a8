"""How long urgent requests wait behind a backlog; the peer is the same platform with nothing to do."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure, find_percentile
from scripts.benchmarks.reads import Reads, make_stored_reads, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes

PAUSE = 0.1
"""Seconds between urgent requests."""
URGENT, LEAST = 9, 0


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """First with nothing else to do, then in the midst of the backlog."""
    with head_end.meters(sizes.backlog + 2 * sizes.urgent) as fleet:
        names = register_meters(fleet)
        idle, busy, others = _divide(names, sizes.urgent)
        with head_end.running(workers=1):
            make_stored_reads(others[:1], held=False).wait()
            alone = _list_waits(_ask_one_by_one(idle))
            backlog = make_stored_reads(others, priority=LEAST)
            backlog.start()
            wait_for(lambda: backlog.requests.filter(started_at__isnull=False).exists(), "the first visit")
            submitted = _ask_one_by_one(busy)
            behind = sizes.backlog - backlog.requests.filter(started_at__isnull=False).count()
            waits = _list_waits(submitted)
            yield Figure(
                f"wait of priority {URGENT} behind {sizes.backlog:,} of priority {LEAST}, p95",
                find_percentile(waits, 0.95),
                "s",
                "< 1.5 s",
                find_percentile(alone, 0.95),
                "nothing else to do",
            )
            yield Figure(
                "the same, p50",
                find_percentile(waits, 0.5),
                "s",
                "",
                find_percentile(alone, 0.5),
                "nothing else to do",
            )
            yield Figure("of the backlog, not begun when the last urgent one was sent", behind, "")


def _divide(names: Sequence[str], urgent: int) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    return names[:urgent], names[urgent : 2 * urgent], names[2 * urgent :]


def _ask_one_by_one(names: Sequence[str]) -> list[Reads]:
    submitted = []
    for name in names:
        submitted.append(make_stored_reads([name], priority=URGENT, held=False))
        time.sleep(PAUSE)
    return submitted


def _list_waits(submitted: Sequence[Reads]) -> list[float]:
    """Seconds from storing a request until its visit began; waits for all of them."""
    waits = []
    for reads in submitted:
        wait_for(reads.requests.filter(started_at__isnull=False).exists, "urgent requests")
        request = reads.requests.get()
        waits.append((request.started_at - request.due_at).total_seconds())
    return waits
