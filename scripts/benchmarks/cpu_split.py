"""Tells what a process spends its CPU on: samples of its stack, taken by a timer that counts CPU time only.

To be imported by the process that is looked at (the worker's ``--include`` does); ``BENCH_CPU_SPLIT`` names
the file to which it writes how many samples each kind of work has had so far, as JSON.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

KINDS = {
    "DLMS": ("osgp.protocol_dlms", "osgp.catalogue", "gurux_dlms"),
    "database": (
        "osgp.processes.database",
        "osgp.requests.states",
        "osgp.sql",
        "django.db",
        "psycopg2",
        "psycogreen",
        "concurrent.futures",
    ),
    "broker client": ("celery", "kombu", "amqp", "vine", "billiard"),
    "readings": ("osgp.readings",),
    "visit": ("osgp", "rest_framework", "django"),
}
"""Packages by kind of work; a sample counts as what its innermost function that is of one of them is."""
REST = "greenlets and the rest"
VARIABLE = "BENCH_CPU_SPLIT"
INTERVAL = 0.002
"""Seconds of CPU between samples, or what the kernel makes of that."""
SAMPLES_PER_WRITE = 50


def find_kind(frame: FrameType | None) -> str:
    """What the work of a stack counts as."""
    while frame is not None:
        kind = _find_kind_of_module(frame.f_globals.get("__name__", ""))
        if kind:
            return kind
        frame = frame.f_back
    return REST


_known: dict[str, str | None] = {}


def _find_kind_of_module(module: str) -> str | None:
    if module not in _known:
        _known[module] = next(
            (
                kind
                for kind, packages in KINDS.items()
                if any(module == package or module.startswith(f"{package}.") for package in packages)
            ),
            None,
        )
    return _known[module]


def install(path: Path, find: Callable[[FrameType | None], str] = find_kind) -> None:
    """Begin to count what ``find`` makes of stacks. For the main thread, where a gevent worker does all its
    work.
    """
    counts: Counter[str] = Counter()

    def sample(signum: int, frame: FrameType | None) -> None:
        counts[find(frame)] += 1
        if not counts.total() % SAMPLES_PER_WRITE:
            new = path.with_suffix(".new")
            new.write_text(json.dumps(counts))
            new.replace(path)

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)


def samples(path: Path) -> Counter[str]:
    """Those that were written so far."""
    return Counter(json.loads(path.read_text())) if path.exists() else Counter()


if VARIABLE in os.environ:
    install(Path(os.environ[VARIABLE]))
