"""One TCP connection of a meter, or of a gateway with many.

To close it in good order says: all that was read is kept. So it is closed when the meter has ended its side,
or when nothing more came for a moment, and then only after the last commit. Whatever cannot be kept, or was
cut off, makes it a reset, and the meter tries again.

A process that dies closes its connections in good order as well, or rather the kernel does, also those of
which pushes were read and not kept. So all are set to be reset when they are closed (sockets.LINGER_RESET),
until there is nothing of them any more that is not kept.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

from osgp.alarms.models import Transport
from osgp.listener.connections import Connections
from osgp.listener.intake import Intake, Source
from osgp.listener.sockets import LINGER_OFF, normalise_address
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import Joiner, Outcome

MOST_BAD = 50
"""Bad pieces after which a connection is reset: nobody pushes such things."""
FILL = 1
"""Octets that may be left after a whole message: the flag that ends an HDLC frame may begin the next one."""
_CUT_OFF = frozenset({PushFault.TRUNCATED, PushFault.TOO_LONG})


class PushConnection(asyncio.Protocol):
    """Reads pushes, has them kept, and says so by closing."""

    def __init__(self, intake: Intake, connections: Connections, make_joiner: Callable[[], Joiner]) -> None:
        self._intake = intake
        self._connections = connections
        self._make_joiner = make_joiner
        self._joiner = make_joiner()
        self._being_kept = 0
        self._bad = 0
        self._has_pushed = False
        self._peer_has_ended = False
        self._is_closing = False
        """Whether to close as soon as all is kept."""
        self._must_reset = False
        self._is_gone = False
        self.address = ""
        self.pending = 0

    # --- What the event loop tells -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if there is room."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port, *_ = transport.get_extra_info("peername") or ("0.0.0.0", 0)  # noqa: S104 (gone already)
        self.address = normalise_address(host)
        self._source = Source(Transport.TCP, self.address, port)
        if not self._connections.add(self):
            self.reset()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._is_gone:
            return
        self._connections.disturb(self)
        self._take(self._joiner.feed(data))
        if self._is_gone:
            return
        self._connections.note_octets(self, self._joiner.pending)
        self._settle()

    def eof_received(self) -> bool:
        """Note that nothing follows; the connection is closed when all is kept."""
        self._peer_has_ended = True
        if not self._is_gone:
            self._end_message()
            self._settle()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep what came before the connection was lost, although nobody waits for it any more."""
        if self._is_gone:
            return
        self._is_gone = True
        self._connections.remove(self)
        if self._joiner.pending:
            for piece in self._joiner.end():
                self._intake.take(piece, self._source)

    # --- What the keeper tells ---------------------------------------------------------------------------

    def on_kept(self, kept: bool) -> None:
        """One of the pushes is kept, or could not be."""
        self._being_kept -= 1
        if self._is_gone:
            return
        if not kept:
            self.reset()
        elif not self._being_kept:
            self._connections.let_wait(self)
            self._settle()

    # --- What all connections together demand ------------------------------------------------------------

    def finish(self) -> None:
        """Close it: nothing came for a while."""
        self._is_closing = True
        if self._joiner.pending:
            self._end_message()
        self._settle()

    def give_up(self) -> None:
        """Close it: it has lasted too long, or a message of it."""
        if self._has_pushed or self._joiner.pending:
            self.finish()
        else:
            self.reset()

    def leave(self) -> None:
        """Close it when all is kept, but reset it in the middle of a message."""
        self._is_closing = True
        self._must_reset |= self._joiner.pending > FILL
        self._settle()

    def reset(self) -> None:
        """End it so that the meter knows: not all that it sent was kept."""
        if self._is_gone:
            return
        self._forget()
        self._transport.abort()

    # --- Its own ----------------------------------------------------------------------------------------

    def _take(self, pieces: Iterable[Outcome]) -> None:
        for piece in pieces:
            is_kept = self._intake.take(piece, self._source, self)
            if is_kept:
                self._being_kept += 1
                self._has_pushed = True
            if isinstance(piece, PushError):
                self._bad += 1
                self._must_reset |= not is_kept or piece.kind in _CUT_OFF
                must_end = self._bad > MOST_BAD or piece.kind is PushFault.TOO_LONG
            else:
                must_end = not is_kept
            if must_end:
                self.reset()
                return

    def _end_message(self) -> None:
        pieces = self._joiner.end()
        self._joiner = self._make_joiner()
        self._take(pieces)
        if not self._is_gone:
            self._connections.note_octets(self, 0)

    def _settle(self) -> None:
        """Do what is to be done now that something has changed."""
        if self._is_gone:
            return
        is_whole = self._joiner.pending <= FILL
        if self._being_kept:
            self._connections.hold(self)
        elif self._must_reset and (self._peer_has_ended or self._is_closing):
            self.reset()
        elif is_whole and (self._peer_has_ended or self._is_closing):
            self._close()
        elif (is_whole and self._has_pushed) or self._joiner.complete_at_pause:
            self._connections.let_rest(self)

    def _close(self) -> None:
        """End it in good order."""
        self._forget()
        with suppress(OSError):  # reset by the meter
            closing = self._transport.get_extra_info("socket")
            closing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
        self._transport.close()

    def _forget(self) -> None:
        self._is_gone = True
        self._connections.remove(self)
