"""What a listener takes at most, and how long it waits."""

import resource
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

SPARE_FILES = 300
"""File descriptors of the process that are left for other things than connections."""
MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """See the settings ``PUSH_…`` in osgp/settings.py, which say the same."""

    spool_directory: Path
    spool_size: int
    """Octets."""
    connections: int = 10_000
    connections_per_source: int = 5_000
    quiet: float = 1.0
    """Seconds after which a connection is closed of which all is kept."""
    message: float = 60.0
    """Seconds that a message may take from its first octet to its last, and a connection without one."""
    connection: float = 3600.0
    """Seconds that a connection may last."""
    memory: int = 64 * MIB
    """Octets of unfinished messages, and as many of those that wait to be kept."""
    rate: float = 5_000.0
    """Pushes per second and source address; for a second or two there may be more."""
    unknown_rate: float = 1.0
    """The same, of a source of which most pushes are of unknown senders."""
    bad_kept: int = 20
    """Bad pieces kept per source address and hour; the others are only counted."""
    receive_buffer: int = 8 * MIB
    """Octets that the kernel is asked to hold of datagrams that have not been read."""
    patience: float = 5.0
    """Seconds that the database may take to store pushes before they are spooled."""


def read_limits() -> Limits:
    """Return what the settings say; not more connections than the process may open."""
    said: dict[str, Any] = settings.OSGP
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits(
        spool_directory=Path(said["PUSH_SPOOL_DIR"] or settings.VAR_DIR / "push-spool"),
        spool_size=said["PUSH_SPOOL_MIB"] * MIB,
        connections=min(said["PUSH_CONNECTIONS"], max(1, files - SPARE_FILES)),
        connections_per_source=said["PUSH_CONNECTIONS_PER_SOURCE"],
        quiet=_to_seconds(said["PUSH_QUIET"]),
        message=_to_seconds(said["PUSH_MESSAGE_DEADLINE"]),
        connection=_to_seconds(said["PUSH_CONNECTION_DEADLINE"]),
        memory=said["PUSH_MEMORY_MIB"] * MIB,
        rate=said["PUSH_RATE"],
        unknown_rate=said["PUSH_UNKNOWN_RATE"],
        bad_kept=said["PUSH_BAD_KEPT"],
        receive_buffer=said["PUSH_RECEIVE_BUFFER_MIB"] * MIB,
    )


def _to_seconds(length: timedelta) -> float:
    return length.total_seconds()


def raise_open_files() -> None:
    """Let this process open as many files as it may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
