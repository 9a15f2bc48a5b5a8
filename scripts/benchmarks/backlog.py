"""What a visit costs in a big night: with millions of finished requests in the tables, a batch for a whole
fleet that waits, and a PostgreSQL that may not know of the batch yet.

The peer is the same platform with nothing in its tables but the requests that are measured.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean, median

from django.conf import settings
from django.db import connection
from django.utils import timezone

from osgp.devices.models import Device, KeyCounter
from osgp.metrics.models import Snapshot
from osgp.processes import retention
from osgp.requests.models import LIVE_SESSION_STATES, Action, MeterSession, Request
from osgp.requests.states import bulk
from osgp.visits import housekeeping
from scripts.benchmarks import filling
from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.reads import Reads, make_stored_reads, postgres_cpu, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes

WARM_UP = 200
"""Visits before those that are measured, at most."""
IN_FLIGHT, AHEAD = 100, 500
"""Visits and hints under way, at most: so many more meters are simulated, as the others cannot be reached."""
SPARE = 400
"""Meters that may be visited from the end of the measurement until the dispatcher has ended."""
URGENT = 5
"""Above the priority of those that wait."""
COUNTERS_PER_VISITING = 10_000
"""Invocation counter values that a meter needs at most."""
RETENTION_DAYS = filling.DAYS + 3
HOUSEKEEPING_SLICES = 5
BUDGET = "≤ 1.2 × the peer"
PEER = "nothing else in the tables"


@dataclass(frozen=True)
class Cost:
    """What a visit costs: CPU in ms by part, rows that were read, visits per second."""

    cpu: dict[str, float]
    rows: float
    """Of requests and actions, by all processes, from their start to their end."""
    rows_counted: float
    """Those among them that were read to count what waits (osgp/metrics/snapshot.py)."""
    rate: float

    @property
    def total(self) -> float:
        """CPU of all parts."""
        return sum(self.cpu.values())


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """A batch waits of which PostgreSQL does not know; then it does. Each in turn with the empty platform."""
    night = f"{sizes.past:,} finished and {sizes.waiting:,} waiting requests"
    with ExitStack() as stack:
        fleet = stack.enter_context(head_end.meters(_count_meters(sizes.visits)))
        names = register_meters(fleet)
        copy = stack.enter_context(head_end.copied_database())
        platforms = _Platforms(head_end, names, sizes, copy)
        stack.enter_context(filling.left_alone())
        crowd = filling.add_meters(sizes.waiting)
        filling.add_past(crowd, sizes.past)
        filling.analyze(vacuum=True)
        filling.add_batch(crowd)
        yield from _compare(night, "unknown to PostgreSQL", platforms.measure_in_turn())
        filling.analyze()
        yield from _compare(night, "known to it", platforms.measure_in_turn())
        of_many = _measure_housekeeping(RETENTION_DAYS - filling.DAYS // 2)
        with platforms.emptied():
            of_few = _measure_housekeeping(0)
    what = f"to delete {retention.SLICE:,} of them with their actions and visits"
    yield Figure(what, of_many, "s", "", of_few, PEER)


class _Platforms:
    """The one in its big night and one of which nothing else was asked, visiting the same meters in turn."""

    def __init__(self, head_end: HeadEnd, names: Sequence[str], sizes: Sizes, copy: str) -> None:
        self._head_end, self._names, self._sizes, self._copy = head_end, names, sizes, copy
        self._number = 0

    def measure_in_turn(self) -> list[tuple[Cost, Cost]]:
        """Costs in the big night and of the empty platform, turn by turn."""
        costs = []
        for _ in range(self._sizes.turns):
            with self.emptied():
                filling.empty()
                alone = self._measure()
            costs.append((self._measure(), alone))
        return costs

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Use the empty platform."""
        with self._head_end.using_database(self._copy), filling.left_alone():
            yield

    def _measure(self) -> Cost:
        # The meters remember the invocation counters of the other platform.
        self._number += 1
        counters = KeyCounter.objects.filter(keys__device__identification__in=self._names)
        counters.update(next_value=self._number * COUNTERS_PER_VISITING)
        filling.pause_counting()
        return _measure_visits(self._head_end, self._names, self._sizes.visits)


def _compare(night: str, known: str, turns: Sequence[tuple[Cost, Cost]]) -> Iterator[Figure]:
    """The means of all turns, and the ratio of the turn in the middle."""
    cost, alone = (_average(costs) for costs in zip(*turns, strict=True))
    ratio = median(one.total / peer.total for one, peer in turns)
    yield Figure(f"{night}, {known}: CPU per visit", cost.total, "ms", BUDGET, alone.total, PEER)
    yield Figure(f"{known}: times that of the peer", ratio, "×", "≤ 1.2")
    for name, used in cost.cpu.items():
        yield Figure(f"{known}: – {name}", used, "ms", "", alone.cpu[name], PEER)
    rows = f"{known}: rows of requests and actions read per visit"
    yield Figure(rows, cost.rows, "rows", "", alone.rows, PEER)
    counted = f"{known}: – besides, to count what waits"
    yield Figure(counted, cost.rows_counted, "rows", "", alone.rows_counted, PEER)
    yield Figure(f"{known}: visits per second", cost.rate, "1/s", "", alone.rate, PEER)


def _average(costs: Sequence[Cost]) -> Cost:
    return Cost(
        {name: mean(cost.cpu[name] for cost in costs) for name in costs[0].cpu},
        mean(cost.rows for cost in costs),
        mean(cost.rows_counted for cost in costs),
        mean(cost.rate for cost in costs),
    )


def _count_meters(visits: int) -> int:
    """Meters to simulate, for ``visits`` to be measured before a meter is dialled that nobody simulates."""
    return _count_warm_up(visits) + visits + min(AHEAD, visits) + min(IN_FLIGHT, visits) + SPARE


def _count_warm_up(visits: int) -> int:
    return min(WARM_UP, visits)


def _measure_visits(head_end: HeadEnd, names: Sequence[str], visits: int) -> Cost:
    """Of ``visits`` in the midst of more, by one worker and one dispatcher."""
    environment = {
        "OSGP_DISPATCH_AHEAD": str(min(AHEAD, visits)),
        "OSGP_RETENTION_DAYS": str(RETENTION_DAYS),
    }
    reads = make_stored_reads(names, priority=URGENT, held=False)
    looks = _Looks(names)
    with ExitStack() as stack:
        worker = stack.enter_context(
            head_end.worker(concurrency=min(IN_FLIGHT, visits), environment=environment)
        )
        with head_end.dispatcher(environment=environment) as dispatcher:
            parts = {"worker": worker, "dispatcher": dispatcher}
            looks.wait_for_visits(_count_warm_up(visits))
            before = {name: part.read_cpu_seconds() for name, part in parts.items()}
            first, begun = looks.visited, time.perf_counter()
            with postgres_cpu() as postgres:
                looks.wait_for_visits(first + visits)
                served = postgres()
            cpu = {name: part.read_cpu_seconds() - before[name] for name, part in parts.items()}
            count, seconds, until = looks.visited - first, time.perf_counter() - begun, timezone.now()
        looks.check_that_none_else_was_visited(until)
        wait_for(lambda: not MeterSession.objects.filter(state__in=LIVE_SESSION_STATES).exists(), "visits")
    _cancel(reads)
    if served is not None:
        cpu["PostgreSQL"] = served
    rows, counted = looks.count_rows()
    return Cost({name: 1000 * used / count for name, used in cpu.items()}, rows, counted, count / seconds)


def _cancel(reads: Reads) -> None:
    """Let none of those that were not visited wait for the next round."""
    while bulk.cancel_waiting(reads.requests, 1_000):
        pass


class _Looks:
    """Looks at the visits of a round, without reading the tables whose rows are counted."""

    def __init__(self, names: Sequence[str]) -> None:
        keys = sorted(Device.objects.filter(identification__in=names).values_list("pk", flat=True))
        self._meters = Device.objects.filter(pk__gte=keys[0], pk__lte=keys[-1])
        self._last = keys[-1]
        self._begun = timezone.now()
        self._rows = _count_rows_read()
        self._counted_at = self._find_count_of_waiting()[0]
        self._counted = 0
        self.visited = 0

    def wait_for_visits(self, count: int) -> None:
        """Until so many visits have ended."""

        def have_ended() -> bool:
            counted_at, counted = self._find_count_of_waiting()
            if counted_at != self._counted_at:
                self._counted_at, self._counted = counted_at, self._counted + counted
            self.visited = self._meters.filter(last_success_at__gt=self._begun).count()
            return self.visited >= count

        wait_for(have_ended, "visits", 0.1)

    def check_that_none_else_was_visited(self, until: datetime) -> None:
        """Raises RuntimeError if meters that nobody simulates were dialled while others were measured."""
        others = MeterSession.objects.filter(
            meter__gt=self._last, opened_at__gte=self._begun, opened_at__lt=until
        )
        if others.exists():
            raise RuntimeError("more meters were visited than are simulated")

    def count_rows(self) -> tuple[float, float]:
        """Rows that were read for each visit, and those that were read to count what waits."""
        self.wait_for_visits(0)
        rows = _count_rows_read() - self._rows
        return (rows - self._counted) / self.visited, self._counted / self.visited

    @staticmethod
    def _find_count_of_waiting() -> tuple[datetime | None, int]:
        """When the dispatcher last counted what waits for the metrics, and how much that was."""
        snapshot = Snapshot.objects.first()
        if snapshot is None or not snapshot.figures:
            return None, 0
        return snapshot.taken_at, sum(row[-1] for row in snapshot.figures["pending"])


def _count_rows_read() -> int:
    """Rows of requests and actions that were read so far, by scans of the tables or of their indexes."""
    tables = [model._meta.db_table for model in (Request, Action)]
    with connection.cursor() as cursor:
        # What this process has read itself would be told late.
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT sum(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_user_tables"
            " WHERE relname = ANY(%s)",
            [tables],
        )
        return int(cursor.fetchone()[0])


def _measure_housekeeping(keep_days: int) -> float:
    """Seconds to delete a slice of requests that ended before, with their actions and visits."""
    asked = settings.OSGP
    settings.OSGP = asked | {"RETENTION": timedelta(days=keep_days)}
    try:
        deleted, begun = 0, time.perf_counter()
        for _ in range(HOUSEKEEPING_SLICES):
            deleted += housekeeping.delete_requests()
        seconds = time.perf_counter() - begun
    finally:
        settings.OSGP = asked
    # As many visits as requests.
    return seconds * 2 * retention.SLICE / deleted if deleted else float("nan")
