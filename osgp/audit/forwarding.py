"""Sealed entries, sent on as lines of syslog (RFC 5424) with JSON, in the order in which they were sealed.

``OSGP_AUDIT_SYSLOG`` says where: ``udp://host:port``, ``tcp://host:port`` (octet counting, RFC 6587),
``file:///path`` or ``stdout``. At least once: after a fault, the lines of a seal may be sent again.
"""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from django.conf import settings

from osgp.audit.chain import COLUMNS, TABLE, Line, format_time, read_line, read_runs, write_canonical
from osgp.audit.models import AuditSeal, AuditSealing
from osgp.audit.sealing import MOST
from osgp.processes.database import lanes
from osgp.sql import Statement

DEADLINE = 10.0
"""Seconds to connect, and to send."""
DEFAULT_PORT = 514
LARGEST_DATAGRAM = 60_000
"""Octets; longer lines are sent over UDP without their details."""
_AUDIT, _NOTICE = 13, 5
PRIORITY = _AUDIT * 8 + _NOTICE
"""Facility "log audit", severity "notice"."""

_BY_ID = Statement(
    f"SELECT {COLUMNS} FROM {TABLE} WHERE id {{among}} ORDER BY id",  # noqa: S608 (names)
    prepared=False,
)


class InvalidTarget(ValueError):
    """OSGP_AUDIT_SYSLOG does not say where to send."""


class Sender(Protocol):
    """Takes lines in order. Raises OSError when they cannot be sent."""

    def send(self, lines: Iterable[bytes]) -> None: ...

    def close(self) -> None: ...


class StreamSender:
    """Lines in a file, or on standard output."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def send(self, lines: Iterable[bytes]) -> None:
        """Append; a file is opened anew each time, so that it may be moved away."""
        text = b"".join(line + b"\n" for line in lines)
        if self._path is None:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
            return
        with self._path.open("ab") as file:
            file.write(text)

    def close(self) -> None:
        """Nothing is held."""


class TcpSender:
    """A connection that is kept; each line with its length before it."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._connection: socket.socket | None = None

    def send(self, lines: Iterable[bytes]) -> None:
        """Send; after a fault the next call connects anew."""
        try:
            if self._connection is None:
                self._connection = socket.create_connection(self._place, DEADLINE)
            self._connection.sendall(b"".join(b"%d %b" % (len(line), line) for line in lines))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class UdpSender:
    """One datagram for each line."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port

    def send(self, lines: Iterable[bytes]) -> None:
        """Send; nobody says whether they arrived."""
        [family, kind, *_, address] = socket.getaddrinfo(*self._place, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as door:
            for line in lines:
                door.sendto(line, address)

    def close(self) -> None:
        """Nothing is held."""


def make_sender() -> Sender | None:
    """Return the sender of the settings; None if nothing is sent on. Raises InvalidTarget."""
    target = settings.OSGP["AUDIT_SYSLOG"]
    if not target:
        return None
    if target == "stdout":
        return StreamSender(None)
    try:
        parts = urlsplit(target)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise InvalidTarget(target) from None
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return StreamSender(Path(parts.path))
    if parts.scheme in {"tcp", "udp"} and parts.hostname and parts.path in {"", "/"}:
        return (TcpSender if parts.scheme == "tcp" else UdpSender)(parts.hostname, port)
    raise InvalidTarget(target)


def send_some(sender: Sender) -> bool:
    """Send the entries of the next seal; return whether there was one. Raises OSError."""
    found = lanes.run(_find_next)
    if found is None:
        return False
    seal, lines = found
    limit = LARGEST_DATAGRAM if isinstance(sender, UdpSender) else None
    sender.send(format_seal(seal, lines, limit))
    lanes.run(AuditSealing.objects.filter(pk=1).update, forwarded=seal.position)
    return True


def _find_next() -> tuple[AuditSeal, list[Line]] | None:
    row = AuditSealing.objects.filter(pk=1).first()
    after = row.forwarded if row else 0
    seal = AuditSeal.objects.filter(position__gt=after).order_by("position").first()
    if seal is None:
        return None
    return seal, [read_line(row) for row in _BY_ID.fetch_rows(read_runs(seal.runs, MOST))]


def format_seal(seal: AuditSeal, lines: Iterable[Line], limit: int | None = None) -> list[bytes]:
    """Return a line for each entry and, last, one for the seal with its hash; of ``limit`` octets at most."""
    written = []
    for line in lines:
        body = {**line.body, "seal": seal.position}
        text = _format(format_time(line.at), "ENTRY", body)
        if limit is not None and len(text) > limit:
            text = _format(format_time(line.at), "ENTRY", {**body, "details": "too long for a datagram"})
        written.append(text)
    head = {"position": seal.position, "hash": seal.hash, "count": seal.count, "key_id": seal.key_id}
    written.append(_format(format_time(seal.sealed_at), "SEAL", head))
    return written


def _format(time: str, kind: str, body: object) -> bytes:
    host = socket.gethostname()[:255] or "-"
    return f"<{PRIORITY}>1 {time} {host} osgp - {kind} - ".encode() + write_canonical(body)
