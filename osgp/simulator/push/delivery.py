"""Sends a push over the network, within deadlines, and sees what becomes of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..destinations import Destination

MAXIMUM_ANSWER = 64 * 1024
"""Octets of the peer that are read, and not looked at, before its close is given up."""

_CHUNK = 4_096


class Outcome(StrEnum):
    """What became of an attempt to push."""

    ACKNOWLEDGED = "acknowledged"
    """All octets were sent, and the peer then closed the connection in good order."""
    SENT = "sent"
    """All datagrams were sent: nobody says whether they arrived."""
    UNREACHABLE = "unreachable"
    """There was no connection."""
    REFUSED = "refused"
    """The peer broke the connection, or closed it before all was sent."""
    UNANSWERED = "unanswered"
    """All was sent, and the peer did not close the connection in time."""

    @property
    def is_good(self) -> bool:
        """Whether the meter is content."""
        return self in (Outcome.ACKNOWLEDGED, Outcome.SENT)

    @property
    def has_left(self) -> bool:
        """Whether all octets were sent."""
        return self.is_good or self is Outcome.UNANSWERED


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: for a connection, for sending, and until the peer has closed; ``octet`` is the pause after
    each octet of a slow push."""

    connect: float = 10.0
    send: float = 10.0
    close: float = 30.0
    octet: float = 1.0


async def send_datagrams(packets: Sequence[bytes], destination: Destination, deadlines: Deadlines) -> Outcome:
    """Send each packet as a datagram, from a port of its own."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadlines.connect):
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(destination.host, destination.port)
            )
    except (OSError, TimeoutError):
        return Outcome.UNREACHABLE
    try:
        for packet in packets:
            transport.sendto(packet)
    finally:
        transport.close()
    return Outcome.SENT


async def send_stream(
    octets: bytes, destination: Destination, deadlines: Deadlines, *, ends_open: bool, slow: bool
) -> Outcome:
    """Send octets over a connection of their own, and wait for the peer to close it.

    With ``ends_open`` our side is closed once all is sent. A ``slow`` push sends octet by octet.
    """
    try:
        async with asyncio.timeout(deadlines.connect):
            reader, writer = await asyncio.open_connection(*destination, limit=_CHUNK)
    except (OSError, TimeoutError):
        return Outcome.UNREACHABLE
    try:
        return await _converse(reader, writer, octets, deadlines, ends_open=ends_open, slow=slow)
    except OSError:
        return Outcome.REFUSED
    finally:
        writer.close()


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    octets: bytes,
    deadlines: Deadlines,
    *,
    ends_open: bool,
    slow: bool,
) -> Outcome:
    try:
        pauses = deadlines.octet * len(octets) if slow else 0.0
        async with asyncio.timeout(deadlines.send + pauses):
            for piece in (octets[place : place + 1] for place in range(len(octets))) if slow else (octets,):
                writer.write(piece)
                await writer.drain()
                if slow:
                    await asyncio.sleep(deadlines.octet)
                    if reader.at_eof():
                        return Outcome.REFUSED
    except TimeoutError:
        writer.transport.abort()
        return Outcome.REFUSED
    if ends_open:
        writer.write_eof()
    try:
        async with asyncio.timeout(deadlines.close):
            return await _wait_for_end(reader)
    except TimeoutError:
        writer.transport.abort()
        return Outcome.UNANSWERED


async def _wait_for_end(reader: asyncio.StreamReader) -> Outcome:
    read = 0
    while chunk := await reader.read(_CHUNK):
        read += len(chunk)
        if read > MAXIMUM_ANSWER:
            return Outcome.REFUSED
    return Outcome.ACKNOWLEDGED
