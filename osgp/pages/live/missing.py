"""The notice on every page that a part of the platform is not at work, in words for whoever reads it."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest

from osgp import platform_time
from osgp.pages.access import get_organisation
from osgp.platform_time import Offset
from osgp.processes.health import Missing, Process, Work, lookout
from osgp.processes.heartbeats import ProcessKind

STANDSTILL = "The platform is not working on requests"

_OPERATORS = {
    Work(ProcessKind.DISPATCHER): "No dispatcher is at work: requests are accepted, and none is carried out",
    Work(ProcessKind.WORKER, "meter"): "No worker visits meters",
    Work(ProcessKind.WORKER, "system"): "No worker does the work of the platform: new devices, batches, "
    "completeness, deletions",
    Work(ProcessKind.WORKER, "notify"): "No worker sends notifications",
    Work(ProcessKind.WORKER, "push"): "No worker takes up what meters push",
    Work(
        ProcessKind.BEAT
    ): "Beat is not at work: its periodic tasks are not sent; schedules go on without it",
    Work(ProcessKind.LISTEN): "Nobody listens for what meters push: alarms do not arrive",
    Work(ProcessKind.STREAM): "Nobody streams live events to applications",
}
_TENANTS = {
    Work(ProcessKind.DISPATCHER): STANDSTILL,
    Work(ProcessKind.WORKER, "meter"): STANDSTILL,
    Work(ProcessKind.WORKER, "system"): "New devices and batches wait",
    Work(ProcessKind.WORKER, "notify"): "Notifications wait",
    Work(ProcessKind.WORKER, "push"): "Alarms of meters wait",
    Work(ProcessKind.LISTEN): "Alarms of meters do not arrive",
    Work(ProcessKind.STREAM): "Live events do not arrive",
}
"""What is said to those who cannot mend it; of other work nothing, as they notice nothing."""
MEND_CLOCKS = (
    "Nothing that depends on the time is sent to meters from there. Set the clock that is wrong (timedatectl "
    "and chronyc tracking tell which, on the machine of the process and on that of the database); if all "
    "processes are off by the same, it is the database's. Nothing has to be started anew"
)
"""What to do about clocks that are off; docs/how-to/monitor.md tells more."""
MOST_CLOCKS = 3
"""Lines about clocks; the live page tells of all."""
_HARMLESS = frozenset({ProcessKind.BEAT})


@dataclass(frozen=True)
class Line:
    """One thing that is not done."""

    text: str
    since: datetime | None
    is_known: bool = True
    """Whether it was ever done: if so, ``since`` says until when."""


@dataclass(frozen=True)
class Notice:
    """What is not done, the most important first."""

    lines: Sequence[Line]
    tone: str
    """``bad`` for those who can mend it, ``calm`` for others, ``warning`` where it can wait."""


def make_notice(request: HttpRequest) -> Notice | None:
    """What the signed-in user should know is not done; None: all is well.

    One short query, and none for a few seconds after it (processes/health.py).
    """
    found = lookout.look()
    missing = found.missing
    if get_organisation(request) is None:
        lines = [Line(describe(each.work), each.since, each.since is not None) for each in missing]
        clocks = list(_tell_clocks(found.clocks_off))
        is_harmless = all(each.work.kind in _HARMLESS for each in missing) and not clocks
        return Notice([*lines, *clocks], "warning" if is_harmless else "bad") if lines or clocks else None
    lines = list(_tell_tenants(missing))
    return Notice(lines, "calm") if lines else None


def _tell_clocks(processes: Sequence[Process]) -> Iterable[Line]:
    """Clocks that are off, the worst first; that of the process which makes the page is one of them."""
    own = platform_time.find_offset()
    off = [(each.clock, f"{each.kind} {each.name}") for each in processes]
    if own is not None and own.is_beyond_limit:
        off.append((own, f"web application on {socket.gethostname()}"))
    off.sort(key=lambda each: -abs(each[0].seconds) if each[0] is not None else 0.0)
    for offset, name in off[:MOST_CLOCKS]:
        yield Line(f"The clocks of the {name} and of the database differ by {format_offset(offset)}", None)
    if len(off) > MOST_CLOCKS:
        yield Line(f"So do those of {len(off) - MOST_CLOCKS} other processes", None)
    if off:
        yield Line(MEND_CLOCKS, None)


def format_offset(offset: Offset | None) -> str:
    """How far two clocks are apart, in seconds, or in hours, minutes and seconds."""
    seconds = 0.0 if offset is None else abs(offset.seconds)
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def describe(work: Work) -> str:
    """What is not done, for operators of the platform."""
    what = f"worker for the queue {work.queue}" if work.queue else f"process of the kind {work.kind}"
    return _OPERATORS.get(work, f"No {what} is at work")


def _tell_tenants(missing: Iterable[Missing]) -> Iterable[Line]:
    """Each effect once, since it began."""
    began: dict[str, datetime | None] = {}
    for each in missing:
        text = _TENANTS.get(each.work)
        if text is None:
            continue
        moments = [moment for moment in (began.get(text), each.since) if moment is not None]
        began[text] = min(moments, default=None)
    return [Line(text, since) for text, since in began.items()]
