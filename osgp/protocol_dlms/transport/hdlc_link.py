"""An HDLC data link: connection, information frames with segmentation and windows, disconnection (Green Book
8.4.5; ISO/IEC 13239, unbalanced normal response mode, of which we are the primary station).

Serial gateways lose, damage and repeat frames, however well TCP does its part. Whatever is not the frame that
comes next is thrown away; if that frame does not come, the meter is asked again with RR, or gets the
information frames once more, octet for octet and with the numbers that they had: it knows those that it took
already, and never carries out a request twice.
"""

import math
import time
from collections import deque
from enum import Enum, auto
from typing import ClassVar, NamedTuple

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.hdlc_address import encode_server_address
from osgp.protocol_dlms.settings import Limits, MeterAddress
from osgp.protocol_dlms.transport import hdlc
from osgp.protocol_dlms.transport.hdlc import Control, Frame
from osgp.protocol_dlms.transport.hdlc_parameters import (
    DEFAULT_INFORMATION_SIZE,
    DEFAULT_WINDOW,
    AgreedFrames,
    build_link_parameters,
    parse_link_parameters,
)
from osgp.protocol_dlms.transport.hdlc_reader import FrameReader, Pace
from osgp.protocol_dlms.transport.stream import Stream

CONNECTION_TRIES = 3
"""How often the meter is asked for a data link."""
DISCONNECTION_TRIES = 2
MAX_REPETITIONS = 5
"""How often one frame is asked for again, while the meter shows no other sign of life."""


class _Segment(NamedTuple):
    """The content of an I frame, as often as it is sent."""

    number: int
    information: bytes
    segmented: bool


class _Verdict(Enum):
    """What a frame means for the one that is waited for."""

    PROGRESS = auto()
    BUSY = auto()
    """The meter has received all, and needs time."""
    WRONG = auto()
    """A repeated or missing frame: if no better one follows at once, it is for us to go on."""
    STRAY = auto()
    """It belongs to something that is over."""


class HdlcLink:
    """HDLC between our client and one logical device.

    ``unsolicited`` are the APDUs that came in UI frames, without LLC header; at most 16 are kept until
    somebody takes them out.
    """

    pace: ClassVar[Pace] = Pace()

    def __init__(self, stream: Stream, client_address: int, address: MeterAddress, limits: Limits) -> None:
        self._stream = stream
        self._client = hdlc.encode_client_address(client_address)
        self._server = encode_server_address(
            address.logical_device_address, address.server_lower_address, address.server_address_length
        )
        self._limits = limits
        self._reader = FrameReader(stream, self._client, address, limits.apdu_size, self.pace)
        self.unsolicited = self._reader.unsolicited
        self._information_size = DEFAULT_INFORMATION_SIZE
        self._send_window = self._receive_window = DEFAULT_WINDOW
        self._send_sequence = 0
        self._receive_sequence = 0
        self._pending: deque[tuple[bytes, bool]] = deque()
        self._outstanding: deque[_Segment] = deque()
        self._lacks_outstanding = False
        self._has_turn = False
        self._sent_at = 0.0
        self._slowest = math.inf

    @property
    def agreed_frames(self) -> AgreedFrames:
        """What holds for the frames of this data link."""
        return AgreedFrames(self._information_size, self._send_window, self._receive_window)

    def open(self) -> None:
        """Send SNRM, with parameters since some meters refuse it without, and receive UA.

        A meter that does not answer, or answers DM because it still has another connection or none that is
        proper (seen in the field), gets DISC and is asked again. Raises
        :class:`errors.ConnectionEstablishError` if it refuses each time.
        """
        limits = self._limits
        answer = self._connect(build_link_parameters(limits.hdlc_information_size, limits.hdlc_window))
        granted = parse_link_parameters(answer.information)
        self._information_size = min(granted.receive_size, limits.hdlc_information_size)
        self._send_window = min(granted.receive_window, limits.hdlc_window)
        self._receive_window = min(granted.transmit_window, limits.hdlc_window)

    def send(self, apdu: bytes) -> None:
        """Send one APDU in as many segments as it takes, and receive the meter's leave for the next ones."""
        self._reader.note_progress()
        self._reader.discard()
        size = self._information_size
        octets = hdlc.LLC_COMMAND + apdu
        starts = range(0, len(octets), size)
        self._pending.extend((octets[start : start + size], start + size < len(octets)) for start in starts)
        while True:
            self._fill_window()
            if not self._pending:
                break
            self._receive_expected()

    def receive(self) -> bytes:
        """Receive one APDU and join its segments."""
        apdu = bytearray()
        unacknowledged = 0
        while True:
            if self._has_turn:
                self._poll()
                unacknowledged = 0
            frame = self._receive_expected(hurried=unacknowledged >= self._receive_window)
            unacknowledged += 1
            apdu += frame.information
            if len(apdu) > self._limits.apdu_size + len(hdlc.LLC_RESPONSE):
                raise errors.ReplyTooLarge(f"an APDU of more than {self._limits.apdu_size} octets")
            if not frame.segmented:
                break
            if not frame.information:
                raise errors.IllegalResponse("an HDLC segment with nothing in it")
        if not apdu.startswith(hdlc.LLC_RESPONSE):
            raise errors.IllegalResponse("an HDLC answer without LLC header")
        if len(apdu) == len(hdlc.LLC_RESPONSE):
            raise errors.IllegalResponse("an empty APDU")
        return bytes(apdu[len(hdlc.LLC_RESPONSE) :])

    def disconnect(self) -> None:
        """Send DISC and receive UA or DM. A meter that answers neither time is left alone."""
        for _ in range(DISCONNECTION_TRIES):
            if self._command(Control.DISC, b"", self._choose_end()) is not None:
                break

    # Unnumbered frames

    def _connect(self, proposal: bytes) -> Frame:
        """Return the UA that grants the data link."""
        refusal = None
        for number in range(CONNECTION_TRIES):
            try:
                if number:
                    self._command(Control.DISC, b"", self._choose_end())
                is_last = number == CONNECTION_TRIES - 1
                answer = self._command(Control.SNRM, proposal, math.inf if is_last else self._choose_end())
            except (errors.SocketClosedByRemote, errors.ConnectionReset) as error:
                if refusal is None:
                    raise
                raise errors.ConnectionEstablishError("the meter refuses the data link") from error
            if answer is not None and answer.unnumbered == Control.UA:
                return answer
            refusal = answer or refusal
        if refusal is None:
            raise errors.IllegalResponse(self._reader.complaint or "no acknowledgement of the data link")
        raise errors.ConnectionEstablishError("the meter refuses the data link")

    def _command(self, command: Control, information: bytes, until: float) -> Frame | None:
        """Send an unnumbered command; return UA, DM or FRMR, None if none of them comes until then."""
        self._reader.note_progress()
        self._reader.discard()
        self._send_frames([self._make_frame(command | hdlc.POLL_FINAL, information)])
        while (answer := self._reader.receive(until)) is not None:
            if answer.unnumbered in (Control.UA, Control.DM, Control.FRMR):
                return answer
        return None

    # Numbered frames

    def _receive_expected(self, *, hurried: bool = False) -> Frame:
        """Return the frame that is due: RR while there are segments to send, then the next I frame.

        Polls a meter that is busy, and repeats what is needed. ``hurried``: the meter has used its window up
        and may wait for us. Raises :class:`errors.ResponseTimeout` if nothing comes,
        :class:`errors.IllegalResponse` if only wrong frames do.
        """
        reader, pace = self._reader, self.pace
        repetitions = 0
        pause, is_busy = pace.first_pause, False
        until = time.monotonic() + pace.quiet if hurried else self._choose_end()
        while True:
            frame = reader.receive(until)
            if frame is None:
                if is_busy:
                    is_busy = False
                    self._poll()
                elif repetitions < MAX_REPETITIONS:
                    repetitions += 1
                    self._repeat(repetitions)
                else:
                    raise errors.IllegalResponse(reader.complaint or "an HDLC frame out of order")
                # A meter that still computes its answer may take all the time that there is.
                until = math.inf if repetitions == MAX_REPETITIONS else self._choose_end()
                continue
            lacking = len(self._outstanding)
            verdict = self._judge(frame)
            if verdict is _Verdict.PROGRESS:
                reader.note_progress()
                if repetitions == 0:
                    self._note_seconds(time.monotonic() - self._sent_at)
                return frame
            if len(self._outstanding) < lacking or verdict is _Verdict.BUSY:
                repetitions = 0
            if verdict is _Verdict.WRONG:
                until = min(until, time.monotonic() + pace.quiet)
            elif verdict is _Verdict.BUSY and not is_busy:
                is_busy = True
                until = time.monotonic() + pause
                pause = min(2 * pause, pace.longest_pause)

    def _judge(self, frame: Frame) -> _Verdict:
        """Take what a frame tells. Raises the typed error for the end of the link."""
        if frame.is_information:
            return self._judge_information(frame)
        if frame.is_receive_ready or frame.is_receive_not_ready:
            return self._judge_supervisory(frame)
        if frame.unnumbered == Control.DM:
            raise errors.SocketClosedByRemote("the meter ended the data link")
        if frame.unnumbered == Control.FRMR:
            raise errors.ConnectionReset("the meter rejected an HDLC frame; the data link is lost")
        if frame.unnumbered in (Control.UA, Control.SNRM, Control.DISC):
            return _Verdict.STRAY
        raise errors.IllegalResponse(f"an HDLC frame with control field {frame.control:#04x}")

    def _judge_information(self, frame: Frame) -> _Verdict:
        """Take the next I frame. Its number is acknowledged by whatever is sent next; others are not taken.

        A frame that was taken before is acknowledged so too. An answer acknowledges the whole request.
        """
        if (
            self._pending
            or frame.send_sequence != self._receive_sequence
            or frame.receive_sequence != self._send_sequence
        ):
            self._reader.complain("an HDLC frame out of order")
            return _Verdict.WRONG
        self._outstanding.clear()
        self._receive_sequence = (self._receive_sequence + 1) & 0x07
        self._has_turn = frame.is_final
        return _Verdict.PROGRESS

    def _judge_supervisory(self, frame: Frame) -> _Verdict:
        """Take RR or RNR, which acknowledge all frames before their number."""
        first = self._outstanding[0].number if self._outstanding else self._send_sequence
        acknowledged = (frame.receive_sequence - first) & 0x07
        if acknowledged > len(self._outstanding):
            self._reader.complain("an HDLC frame that acknowledges what was not sent")
            return _Verdict.WRONG
        for _ in range(acknowledged):
            self._outstanding.popleft()
        if frame.is_receive_not_ready:
            return _Verdict.BUSY
        if self._outstanding:
            self._reader.complain("the meter does not take an HDLC frame")
            self._lacks_outstanding = True
            return _Verdict.WRONG
        return _Verdict.PROGRESS if self._pending else _Verdict.BUSY

    def _fill_window(self) -> None:
        """Send as many segments as the meter takes before it acknowledges them."""
        first = len(self._outstanding)
        while self._pending and len(self._outstanding) < self._send_window:
            self._outstanding.append(_Segment(self._send_sequence, *self._pending.popleft()))
            self._send_sequence = (self._send_sequence + 1) & 0x07
        self._send_outstanding(first)

    def _send_outstanding(self, first: int) -> None:
        """Send the I frames that the meter has not acknowledged, but for the ``first`` ones.

        The last one tells the meter to answer.
        """
        last = len(self._outstanding) - 1
        self._send_frames(
            [
                self._make_frame(
                    self._receive_sequence << 5
                    | (hdlc.POLL_FINAL if index == last else 0)
                    | segment.number << 1,
                    segment.information,
                    segmented=segment.segmented,
                )
                for index, segment in enumerate(self._outstanding)
                if index >= first
            ]
        )

    def _repeat(self, repetition: int) -> None:
        """Send what the meter lacks. If that is not known, have it repeat its answer, and then send again."""
        if self._outstanding and (self._lacks_outstanding or repetition % 2 == 0):
            self._send_outstanding(0)
        else:
            self._poll()
        self._lacks_outstanding = False

    def _poll(self) -> None:
        """Send RR: the meter says what it has received, or sends what we have not acknowledged."""
        self._send_frames([self._make_frame(self._receive_sequence << 5 | hdlc.POLL_FINAL | Control.RR)])

    def _make_frame(self, control: int, information: bytes = b"", *, segmented: bool = False) -> Frame:
        return Frame(self._server, self._client, control, information, segmented)

    def _send_frames(self, frames: list[Frame]) -> None:
        self._has_turn = False
        for frame in frames:
            self._reader.note_sent(frame)
        self._sent_at = time.monotonic()
        self._stream.send(
            b"".join(
                hdlc.encode(destination, source, control, information, segmented=segmented)
                for destination, source, control, information, segmented in frames
            )
        )

    def _choose_end(self) -> float:
        """Return when a frame counts as lost (monotonic clock)."""
        pace = self.pace
        share = self._stream.clock.get_seconds_left() * pace.share
        longest = min(share, pace.longest, self._slowest * pace.patience)
        return time.monotonic() + max(longest, pace.shortest)

    def _note_seconds(self, seconds: float) -> None:
        """Note how long an answer took that did not have to be asked for twice."""
        self._slowest = seconds if self._slowest == math.inf else max(self._slowest, seconds)
