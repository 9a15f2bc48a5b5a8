"""Receives the HDLC frames that are for us, out of all that comes from a gateway.

Noise, damaged frames, our own echo, and frames between others on the same line are thrown away, within
limits (seen in the field: meters on RS-485 behind gateways that pass on all that they hear).
"""

import time
from collections import deque
from typing import NamedTuple

from osgp.protocol_dlms.errors import IllegalResponse
from osgp.protocol_dlms.hdlc_address import ALL_STATION_SHORT, parse_server_address
from osgp.protocol_dlms.settings import MeterAddress
from osgp.protocol_dlms.transport import hdlc
from osgp.protocol_dlms.transport.hdlc import Control, Frame
from osgp.protocol_dlms.transport.hdlc_finder import FrameFinder
from osgp.protocol_dlms.transport.strays import MOST_UNSOLICITED
from osgp.protocol_dlms.transport.stream import Stream

MAX_FRAMES = 64
"""Frames that may arrive, beside one or two for each that we send, before the link gets on."""

_REMEMBERED = 16
"""Frames that were sent and may still come back as echo."""
_ALL_CLIENTS = hdlc.encode_client_address(ALL_STATION_SHORT)
_COMMANDS = (Control.SNRM, Control.DISC)


class Pace(NamedTuple):
    """How long to wait for a frame before it counts as lost, in seconds; never longer than the exchange.

    ``share``: that part of the time left for the exchange, but within ``shortest`` and ``longest``, and no
    longer than ``patience`` times what the slowest answer so far took.
    ``quiet``: that long once a frame was damaged or out of order, and for the rest of one that has begun.
    ``first_pause`` is before a meter that is busy is polled; doubled each time, up to ``longest_pause``.
    """

    share: float = 1 / 3
    shortest: float = 2.0
    longest: float = 5.0
    patience: float = 4.0
    quiet: float = 0.5
    first_pause: float = 0.2
    longest_pause: float = 2.0


class FrameReader:
    """Receives frames from one meter to one client. ``unsolicited`` are APDUs that came in UI frames."""

    def __init__(
        self, stream: Stream, client: bytes, address: MeterAddress, apdu_size: int, pace: Pace
    ) -> None:
        self.unsolicited: list[bytes] = []
        self._stream = stream
        self._client = client
        self._upper = address.logical_device_address
        self._lower = address.server_lower_address
        self._apdu_size = apdu_size
        self._pace = pace
        self._finder = FrameFinder()
        self._frames = 0
        self._sent: deque[Frame] = deque(maxlen=_REMEMBERED)
        self._has_echo = False
        self._part = bytearray()
        self._is_part_too_long = False

    @property
    def complaint(self) -> str:
        """What was wrong last with what came; empty when nothing was since the last progress."""
        return self._finder.complaint

    def complain(self, text: str) -> None:
        """Note what was wrong with a frame that came."""
        self._finder.complaint = text

    def note_progress(self) -> None:
        """Start to count noise and useless frames anew: the link gets on."""
        self._finder.noise = self._frames = 0
        self._finder.complaint = ""

    def note_sent(self, frame: Frame) -> None:
        """Remember a frame: it may come back, and it may be answered."""
        self._sent.append(frame)
        self._frames -= 2

    def discard(self) -> None:
        """Throw away what has come so far: a meter that has not been asked has nothing to say to us.

        Unsolicited APDUs are kept.
        """
        while (frame := self._finder.take()) is not None:
            self._is_for_us(frame)
        self._finder.clear()

    def receive(self, until: float) -> Frame | None:
        """Return the next frame from the meter to us, None if none comes until then (monotonic clock).

        Waits longer for the end of a frame that has begun, and less after one that was damaged. Raises
        :class:`IllegalResponse` for too much that is not for us, and the errors of connection and time.
        """
        finder, quiet = self._finder, self._pace.quiet
        octets = b""
        while True:
            frame = finder.take()
            if frame is not None:
                if self._is_for_us(frame):
                    return frame
                continue
            now = time.monotonic()
            if finder.is_damaged:
                finder.is_damaged = False
                until = min(until, now + quiet)
            elif octets and finder.is_inside_frame:
                until = max(until, now + quiet)
            octets = self._stream.receive_within(until - now) if until > now else b""
            if octets:
                finder.feed(octets)
            elif not finder.give_up_partial():
                return None

    def _is_for_us(self, frame: Frame) -> bool:
        """Whether the frame is from the meter to us and needs attention. Keeps unsolicited APDUs."""
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise IllegalResponse(self.complaint or "HDLC frames that lead nowhere")
        if self._is_echo(frame) or not self._is_from_meter(frame):
            return False
        is_unsolicited = frame.unnumbered == Control.UI
        if is_unsolicited and frame.destination in (self._client, _ALL_CLIENTS):
            self._keep_unsolicited(frame)
        return not is_unsolicited and frame.destination == self._client

    def _is_from_meter(self, frame: Frame) -> bool:
        """Whether the source is the meter, in an address of whatever length."""
        upper, lower = parse_server_address(frame.source)
        return upper == self._upper and self._lower in (None, lower)

    def _is_echo(self, frame: Frame) -> bool:
        """Whether this is what we sent.

        With equal addresses of client and meter, the meter's own RR frames may have the same octets as ours.
        Then only the echo of what no meter sends tells that there is one.
        """
        if frame not in self._sent:
            return False
        if (
            frame.destination != self._client
            or frame.unnumbered in _COMMANDS
            or (frame.is_information and frame.information.startswith(hdlc.LLC_COMMAND))
        ):
            self._has_echo = True
        if self._has_echo:
            self._sent.remove(frame)
        return self._has_echo

    def _keep_unsolicited(self, frame: Frame) -> None:
        """Join the segments of an unsolicited APDU, and keep it if there is room."""
        part = self._part
        part += frame.information
        if len(part) > self._apdu_size + len(hdlc.LLC_RESPONSE):
            self._is_part_too_long = True
            part.clear()
        if frame.segmented:
            return
        has_llc = part.startswith((hdlc.LLC_RESPONSE, hdlc.LLC_COMMAND))
        apdu = bytes(part[len(hdlc.LLC_RESPONSE) :] if has_llc else part)
        if apdu and not self._is_part_too_long and len(self.unsolicited) < MOST_UNSOLICITED:
            self.unsolicited.append(apdu)
        part.clear()
        self._is_part_too_long = False
