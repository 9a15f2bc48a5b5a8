"""Figures that are read at every scrape, each through an index, whatever the size of the tables."""

import math
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count

from osgp import platform_time
from osgp.metrics import families
from osgp.metrics.exposition import FamilySamples, Sample
from osgp.metrics.models import Cursor
from osgp.processes import clocks
from osgp.processes.health import SILENT_AFTER
from osgp.processes.models import ProcessHeartbeat
from osgp.requests.liveness import find_heartbeat_age
from osgp.requests.models import LIVE_SESSION_STATES, MeterSession, Request, VisitLane
from osgp.requests.slots import Reason, count_live_visits, find_reasons, find_slots

PRIORITIES = range(10)
_NOW = {"postgresql": "statement_timestamp()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')"}


def _select_oldest(condition: str) -> str:
    table = Request._meta.db_table
    # Not min(due_at): where PostgreSQL expects a handful, it would read all that wait to find it.
    return f"""
        (SELECT due_at FROM {table} WHERE {condition} AND due_at <= {{now}} ORDER BY due_at LIMIT 1)
    """  # noqa: S608 (table name)


# One look each into the indexes that dispatchers use; "priority >= 0" is part of the condition of the one of
# those that wait (OF_ANY_METER in osgp/requests/models.py).
_OLDEST = [_select_oldest("state = 'SCHEDULED'")] + [
    _select_oldest(f"state IN ('QUEUED', 'RETRYING') AND priority >= 0 AND effective_priority = {priority}")
    for priority in PRIORITIES
]


def read_figures() -> Iterator[FamilySamples]:
    """Yield the figures of the queue, the processes, meter sessions, and the lag of the counters."""
    now, (scheduled, *by_priority) = _read_ages()
    ages = zip(PRIORITIES, by_priority, strict=True)
    yield families.QUEUE_AGE, [Sample(age, {"priority": str(priority)}) for priority, age in ages]
    yield families.DISPATCHER_LAG, [Sample(max(scheduled, *by_priority))]
    heartbeat = find_heartbeat_age()
    yield (
        families.DISPATCHER_HEARTBEAT,
        [Sample(math.inf if heartbeat is None else _to_seconds(heartbeat))],
    )
    yield from _read_processes(now)
    live = MeterSession.objects.filter(state__in=LIVE_SESSION_STATES).order_by()
    number = dict(live.values_list("state").annotate(Count("pk")))
    states = sorted(map(str, LIVE_SESSION_STATES))
    yield families.SESSIONS_OPEN, [Sample(number.get(state, 0), {"state": state}) for state in states]
    yield from _read_sharing()
    cursors = Cursor.objects.order_by("name").values_list("name", "counted_until")
    yield families.ROLLUP_LAG, [Sample(_to_seconds(now - until), {"rows": name}) for name, until in cursors]


def _read_processes(now: datetime) -> Iterator[FamilySamples]:
    """Yield when each kind of process was heard of, and how far the clocks of those that live are off."""
    latest: dict[str, datetime] = {}
    offsets = []
    rows = ProcessHeartbeat.objects.order_by("kind", "name")
    for kind, name, details, beat_at, ended_at in rows.values_list(
        "kind", "name", "details", "beat_at", "ended_at"
    ):
        latest[kind] = max(beat_at, latest.get(kind, beat_at))
        offset = clocks.parse(details)
        if offset is not None and ended_at is None and now - beat_at <= SILENT_AFTER:
            offsets.append(Sample(offset.seconds, {"kind": kind, "process": name}))
    own = platform_time.find_offset()
    assert own is not None
    # Of the host: its web processes share a clock, and the next scrape may reach another one.
    offsets.append(Sample(round(own.seconds, 3), {"kind": "web", "process": socket.gethostname()}))
    yield (
        families.PROCESS_HEARTBEAT,
        [Sample(_to_seconds(now - beat_at), {"kind": kind}) for kind, beat_at in latest.items()],
    )
    yield families.CLOCK_OFFSET, offsets


def _read_sharing() -> Iterator[FamilySamples]:
    """Yield how slots are shared, and what dispatchers say of that."""
    slots = find_slots()
    yield families.SLOTS, [Sample(0 if slots is None else slots.total)]
    lanes = count_live_visits().lanes
    yield families.VISITS_OF_LANES, [Sample(lanes[lane], {"lane": lane}) for lane in VisitLane.values]
    reasons = find_reasons()
    yield families.HELD_BACK, [Sample(int(each in reasons), {"reason": str(each)}) for each in Reason]


def _read_ages() -> tuple[datetime, list[float]]:
    """Return the database's time, and how long the oldest requests have been due: scheduled, priority 0, …"""
    with connection.cursor() as cursor:
        now_text = _NOW[connection.vendor]
        asked = platform_time.read_uptime()
        cursor.execute(f"SELECT {now_text}, {', '.join(_OLDEST)}".format(now=now_text))
        now, *moments = (_to_moment(value) for value in cursor.fetchone())
    assert now is not None
    platform_time.note(asked, now, platform_time.read_uptime())
    return now, [0.0 if moment is None else _to_seconds(now - moment) for moment in moments]


def _to_moment(value: Any) -> datetime | None:
    """Return a time as an aware datetime; SQLite's times are texts, or say no zone."""
    moment: datetime | None = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _to_seconds(age: timedelta) -> float:
    return max(0.0, age.total_seconds())
