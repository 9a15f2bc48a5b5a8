"""The processes of the platform, for its operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from osgp.pages.live.missing import describe, format_offset
from osgp.processes.health import (
    Liveliness,
    Missing,
    Process,
    find_clocks_off,
    load_processes,
    name_missing,
)

GONE_SHOWN = timedelta(hours=1)
"""For how long one that ended or fell silent is shown, if others do its work."""
MOST_ROWS = 60
CLOCK_OFF = "CLOCK OFF"
_ORDER = (Liveliness.SILENT, Liveliness.ALIVE, Liveliness.ENDED)
_TONES = {Liveliness.ALIVE: "good", Liveliness.SILENT: "warning", Liveliness.ENDED: "neutral"}


@dataclass(frozen=True)
class Row:
    """A process, or work that nobody does."""

    kind: str
    name: str
    queues: Sequence[str]
    process: Process | None
    text: str
    tone: str
    clock: str = ""
    """By how much its clock is off, if it is."""


@dataclass(frozen=True)
class ProcessList:
    """What is missing first."""

    rows: Sequence[Row]
    alive: int
    missing: int
    more: int
    """Processes that are not shown."""


def gather_processes() -> ProcessList:
    """The processes that are there, and those that are missing or left lately. One query."""
    processes = load_processes()
    missing = list(name_missing(processes))
    shown = [each for each in processes if _is_of_interest(each, missing)]
    shown.sort(key=lambda each: _ORDER.index(each.liveliness))
    off = find_clocks_off(shown)
    shown = [*off, *(each for each in shown if not each.is_clock_off)]
    never = [each for each in missing if each.since is None]
    rows = [
        Row(
            each.work.kind,
            describe(each.work),
            [each.work.queue] if each.work.queue else (),
            None,
            "MISSING",
            "bad",
        )
        for each in never
    ]
    rows += [
        Row(each.kind, each.name, each.queues, each, *_judge(each, missing)) for each in shown[:MOST_ROWS]
    ]
    alive = sum(each.liveliness is Liveliness.ALIVE for each in processes)
    return ProcessList(rows, alive, len(missing), max(0, len(shown) - MOST_ROWS))


def _judge(process: Process, missing: Sequence[Missing]) -> tuple[str, str, str]:
    """The text, the tone, and by how much its clock is off."""
    if process.is_clock_off:
        return CLOCK_OFF, "bad", format_offset(process.clock)
    tone = "bad" if _was_last(process, missing) else _TONES[process.liveliness]
    return process.liveliness, tone, ""


def _was_last(process: Process, missing: Sequence[Missing]) -> bool:
    """Whether work is missing that it was the last to do."""
    last = {each.work: each.since for each in missing}
    moment = process.ended_at or process.beat_at
    return any(last.get(work) == moment for work in process.works)


def _is_of_interest(process: Process, missing: Sequence[Missing]) -> bool:
    is_recent = process.liveliness is Liveliness.ALIVE or process.age < GONE_SHOWN
    return is_recent or _was_last(process, missing)
