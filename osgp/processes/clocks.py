"""How far clocks of processes are off that of the database, as heartbeats tell (osgp/platform_time.py)."""

import logging
from collections.abc import Mapping
from typing import Any

from osgp import platform_time
from osgp.sql import read_now

logger = logging.getLogger(__name__)

OFFSET, BOUND = "clock_offset", "clock_offset_bound"
"""Details of a heartbeat: seconds by which the clock is ahead of the database's, give or take the other."""

_is_off = False


def measure() -> None:
    """Compare the clock of this machine with the database's; log when that begins and ceases to be off.

    One statement.
    """
    global _is_off
    read_now()
    offset = platform_time.find_offset()
    assert offset is not None
    if offset.is_beyond_limit and not _is_off:
        logger.error("the clock of this machine is %+.1f s off that of the database", offset.seconds)
    elif _is_off and offset.is_within_limit:
        logger.info("the clock of this machine and that of the database agree again")
    if offset.is_beyond_limit or offset.is_within_limit:
        _is_off = offset.is_beyond_limit


def judge() -> str:
    """Return "ok" or "differs", for readiness; "unknown" if nothing was measured well enough."""
    offset = platform_time.find_offset()
    if offset is None or not (offset.is_within_limit or offset.is_beyond_limit):
        return "unknown"
    return "ok" if offset.is_within_limit else "differs"


def describe() -> dict[str, float]:
    """Return what a heartbeat tells of the clock of this process; nothing before the first measurement."""
    offset = platform_time.find_offset()
    return {} if offset is None else {OFFSET: round(offset.seconds, 3), BOUND: round(offset.bound, 3)}


def parse(details: Mapping[str, Any]) -> platform_time.Offset | None:
    """Return what a heartbeat told of a clock; None: a process of a former release tells nothing."""
    if OFFSET not in details:
        return None
    return platform_time.Offset(float(details[OFFSET]), float(details.get(BOUND, 0.0)))
