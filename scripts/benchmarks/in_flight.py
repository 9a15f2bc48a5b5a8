"""How many sessions one worker has in flight with meters that take their time, and what it needs for that."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from django.db import connection

from osgp.requests.models import MeterSession, SessionState
from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.reads import make_stored_reads, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes

ROUND_TRIP = "1s"
SESSIONS_PER_READ, MOST_READS = 80, 6
"""Requests per meter, seven round trips each: the more meters, the longer the visits, so that a slow machine
can begin all the others before the first one ends.
"""


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Looks at the worker until all meters have been visited."""
    wanted = sizes.in_flight
    with head_end.meters(wanted, "--latency", ROUND_TRIP, "--with-list-max", "1") as fleet:
        names = register_meters(fleet)
        with ExitStack() as stack:
            worker = stack.enter_context(head_end.worker(concurrency=wanted + 50))
            stack.enter_context(head_end.dispatcher())
            waiting = [
                make_stored_reads(names) for _ in range(min(MOST_READS, 1 + wanted // SESSIONS_PER_READ))
            ]
            for reads in waiting:
                reads.start()
            most_sessions = most_connections = 0

            def ended() -> bool:
                nonlocal most_sessions, most_connections
                most_sessions = max(most_sessions, _count_sessions())
                most_connections = max(most_connections, _count_connections())
                return waiting[0].have_ended()

            wait_for(ended, "all visits to end")
            for reads in waiting:
                reads.wait()
            memory = worker.read_peak_memory()
    yield Figure(
        f"sessions in flight in one worker at {ROUND_TRIP} per round trip", most_sessions, "", f"{wanted:,}"
    )
    yield Figure("its memory at most", memory, "MiB", "≤ 400 MB for 2,000")
    yield Figure("its database connections at most", most_connections, "", "≤ 20", most_sessions, "one each")


def _count_sessions() -> int:
    return MeterSession.objects.filter(state=SessionState.CLAIMED).count()


def _count_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'worker'"
        )
        return int(cursor.fetchone()[0])
