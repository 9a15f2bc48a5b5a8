"""Tells on which kinds of meters a worker spends its CPU: samples of its stack, by the meter that is visited.

To be imported by the worker, as :mod:`cpu_split`; ``BENCH_HOSTILE_CPU`` names the file to which it writes.
"""

import os
from pathlib import Path
from string import digits
from types import FrameType

from scripts.benchmarks import cpu_split

VARIABLE = "BENCH_HOSTILE_CPU"
REST = "no visit"
_MODULE, _FUNCTION = "osgp.visits.visit", "run"


def find_letters(frame: FrameType | None) -> str:
    """The letters of the identification of the meter whose visit a stack belongs to; REST without a visit."""
    while frame is not None:
        if frame.f_code.co_name == _FUNCTION and frame.f_globals.get("__name__") == _MODULE:
            identification: str = frame.f_locals["self"].meter.identification
            return identification.rstrip(digits)
        frame = frame.f_back
    return REST


if VARIABLE in os.environ:
    cpu_split.install(Path(os.environ[VARIABLE]), find_letters)
