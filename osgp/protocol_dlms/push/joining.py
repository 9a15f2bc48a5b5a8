"""Complete pushes from the octets that one sender sends: frames, then segments, then blocks."""

import re
from collections.abc import Callable, Generator, Iterator, Mapping

from osgp.protocol_dlms.push import bare, hdlc, mbus, text, wrapper
from osgp.protocol_dlms.push.assembling import Assembly, parse_block
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.message import Framing, PushedMessage
from osgp.protocol_dlms.push.pieces import (
    DATA_NOTIFICATION,
    EVENT_NOTIFICATION,
    GENERAL_BLOCK_TRANSFER,
    GENERAL_GLO_CIPHERING,
    NO_START,
    PUSHED_APDUS,
    Found,
    Need,
    Piece,
    Refusal,
    Scan,
    Verdict,
)
from osgp.protocol_dlms.transport.hdlc import MAX_FRAME_LENGTH

DEFAULT_LIMIT = 0x20000
"""Octets; twice the longest wrapper frame."""
LEAST_LIMIT = 0x100
LONGEST_RUBBISH = 0x400
"""Octets of one stretch that begins no known form which are kept to be shown."""

Scans = Mapping[int, Callable[[bytearray], Scan]]
FRAMED_SCANS: Scans = {
    wrapper.START: wrapper.scan_wrapper,
    hdlc.START: hdlc.scan_hdlc,
    mbus.START: mbus.scan_mbus,
    text.TELEGRAM_START: text.scan_telegram,
}
"""What may begin with which octet, where a frame may have broken."""
SCANS: Scans = {
    **FRAMED_SCANS,
    **dict.fromkeys(text.ALARM_STARTS, text.scan_alarm),
    **dict.fromkeys(text.LINE_ENDS, text.scan_line_end),
    GENERAL_GLO_CIPHERING: bare.scan_ciphered,
    GENERAL_BLOCK_TRANSFER: bare.scan_block,
    DATA_NOTIFICATION: bare.scan_data_notification,
    EVENT_NOTIFICATION: bare.scan_event_notification,
}
"""What may begin with which octet. No two forms begin alike."""
LONGEST_BROKEN_FRAME = MAX_FRAME_LENGTH
"""Octets after the start of a broken frame which may be in it."""

_UNTIL_END_OF_DATAGRAM = frozenset((GENERAL_GLO_CIPHERING, DATA_NOTIFICATION, EVENT_NOTIFICATION))
_MAY_BEGIN = re.compile(b"[" + re.escape(bytes(SCANS)) + b"]")
_MAY_BEGIN_FRAME = re.compile(b"[" + re.escape(bytes(FRAMED_SCANS)) + b"]")
_BEFORE_FRAMED_APDU = re.compile(rb".*(?:\xe6[\xe6\xe7]\x00|[\x53\x73].[\x00-\x1f]..)\Z", re.DOTALL)
"""What stands before an APDU in a frame whose beginning is gone: the LLC of HDLC, the header of M-Bus."""
_BEFORE_SIZE = 5
_SEGMENTED = frozenset((Framing.HDLC, Framing.MBUS))

Outcome = PushedMessage | PushError


class Joiner:
    """Finds messages in the octets of ONE sender: a TCP connection, or the datagrams of one UDP source.

    What comes out depends on the octets alone, not on the parts in which they arrive. After octets that make
    no sense, the next message that does is looked for; all that was skipped for it counts as one error, which
    shows its first ``LONGEST_RUBBISH`` octets.

    It holds at most ``limit`` received octets (and of unfinished messages of several pieces, what they carry
    a second time); at least ``LEAST_LIMIT``, else ValueError. Longer messages are refused as soon as they say
    how long they are. It knows no time: whoever feeds it decides when an unfinished message is given up.
    """

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        if limit < LEAST_LIMIT:
            raise ValueError(f"limit: at least {LEAST_LIMIT} octets, not {limit}")
        self._limit = limit
        self._buffer = bytearray()
        self._scan: Scan | None = None
        self._need = Need(1)
        self._segments = Assembly("segment")
        self._blocks = Assembly("block")
        # Octets that begin nothing, and why the first of them does not.
        self._rubbish = bytearray()
        self._lost: Refusal | None = None
        self._lost_was_told = False
        # In a broken frame stands an APDU whose checksum nobody has seen to be right; it must not be taken
        # for a bare one. So none is looked for in so many octets, nor where there were frames before.
        self._in_broken_frame = 0
        self._had_frames = False

    @property
    def pending(self) -> int:
        """Octets held."""
        return len(self._buffer) + len(self._rubbish) + self._segments.held + self._blocks.held

    @property
    def complete_at_pause(self) -> bool:
        """Whether a pause says that what is held is complete: then call :meth:`end` after a short one."""
        return self._scan is not None and isinstance(self._need.settled, Found)

    def feed(self, octets: bytes) -> list[Outcome]:
        """Return the messages and errors that ``octets``, the next ones of a stream, complete.

        Never raises for bad input. Takes time proportional to the octets, however they are cut.
        """
        found: list[Outcome] = []
        view = memoryview(octets)
        while view:
            # Never more than the limit at once, so that it does not matter how many come at once.
            size = max(1, self._limit - 1 - self.pending)
            self._buffer += view[:size]
            view = view[size:]
            found += self._advance(ended=False)
        return found

    def feed_datagram(self, octets: bytes) -> list[Outcome]:
        """Return the messages and errors in one datagram, which holds whole frames, or one bare APDU.

        Only blocks and segments wait for other datagrams. Not to be mixed with :meth:`feed`.
        """
        if len(octets) >= self._limit:
            return [PushError(PushFault.TOO_LONG, f"A datagram of {len(octets)} octets.", octets)]
        if octets and octets[0] in _UNTIL_END_OF_DATAGRAM:
            return list(self._accept(Piece(Framing.NONE, octets, octets)))
        self._buffer += octets
        return [*self._advance(ended=True), *self._tell_lost()]

    def end(self) -> list[Outcome]:
        """Return what is left when the sender has closed, or paused for long: it is complete now, or never.

        Octets that are fed afterwards are those of a new stream.
        """
        found = [*self._advance(ended=True), *self._tell_lost()]
        for assembly in (self._segments, self._blocks):
            found += assembly.give_up(PushFault.TRUNCATED, "A message without its end.")
        return found

    # Octets to pieces

    def _advance(self, *, ended: bool) -> Iterator[Outcome]:
        """Go on with what is in the buffer, up to a piece that is not complete; ``ended``: to the end."""
        buffer = self._buffer
        while buffer:
            if self._scan is None:
                size = self._find_start()
                if size:
                    yield from self._settle(NO_START._replace(size=size))
                    continue
                self._scan = SCANS[buffer[0]](buffer)
                self._need = Need(1)
            verdict = yield from self._look(self._scan, ended=ended)
            if verdict is None:
                return
            self._scan = None
            yield from self._settle(verdict)

    def _find_start(self) -> int:
        """Return how many octets of the buffer begin nothing."""
        end = len(self._buffer)
        may_begin = _MAY_BEGIN
        if self._lost is not None:
            if self._had_frames:
                may_begin = _MAY_BEGIN_FRAME
            elif self._in_broken_frame:
                may_begin = _MAY_BEGIN_FRAME
                end = min(end, self._in_broken_frame)
            elif _BEFORE_FRAMED_APDU.match(self._rubbish[-_BEFORE_SIZE:]):
                may_begin = _MAY_BEGIN_FRAME
                end = 1
        begin = may_begin.search(self._buffer, 0, end)
        return begin.start() if begin else end

    def _look(self, scan: Scan, *, ended: bool) -> Generator[Outcome, None, Verdict | None]:
        """Have the scan look at the octets that are there. Returns None if it needs more."""
        while len(self._buffer) >= self._need.octets:
            try:
                self._need = next(scan)
            except StopIteration as stop:
                verdict: Verdict = stop.value
                return verdict
            if self._need.octets >= self._limit:
                text = "A message longer than the limit."
                return Refusal(self._need.skip, PushFault.TOO_LONG, text, frame_broke=True)
            yield from self._make_room(self._need.octets)
        if not ended:
            return None
        rescan = self._need.rescan
        size = self._need.skip if rescan else len(self._buffer)
        unfinished = Refusal(size, PushFault.TRUNCATED, "A message without its end.", frame_broke=rescan)
        return self._need.settled or unfinished

    def _settle(self, verdict: Verdict) -> Iterator[Outcome]:
        """Take what a scan has found out of the buffer."""
        octets = bytes(self._buffer[: verdict.size])
        del self._buffer[: verdict.size]
        if isinstance(verdict, Found):
            yield from self._tell_lost()
            self._had_frames = self._had_frames or verdict.piece.framing is not Framing.NONE
            yield from self._accept(verdict.piece)
        elif isinstance(verdict, Refusal):
            if verdict.frame_broke:
                self._in_broken_frame = LONGEST_BROKEN_FRAME
            if self._lost is not None:
                yield from self._lose(octets)
                return
            if verdict.delimited:
                yield PushError(verdict.kind, verdict.text, octets)
                return
            self._lost = verdict
            if verdict.kind is PushFault.TOO_LONG:
                # What comes next belongs to it. Others must know at once, and not when that has passed.
                self._rubbish += octets
                yield from self._complain()
            else:
                yield from self._lose(octets)
        elif self._lost is not None:
            yield from self._lose(octets)

    # Octets that are no message

    def _lose(self, octets: bytes) -> Iterator[PushError]:
        """Add ``octets`` to those that begin nothing."""
        self._in_broken_frame = max(0, self._in_broken_frame - len(octets))
        if self._lost_was_told:
            return
        most = min(LONGEST_RUBBISH, self._limit - 1 - self._count_open())
        room = max(0, most - len(self._rubbish))
        self._rubbish += octets[:room]
        if len(octets) >= room:
            yield from self._complain()

    def _complain(self) -> Iterator[PushError]:
        """Tell what was lost, once."""
        if self._lost is not None and not self._lost_was_told:
            self._lost_was_told = True
            yield PushError(self._lost.kind, self._lost.text, bytes(self._rubbish))
            self._rubbish.clear()

    def _tell_lost(self) -> Iterator[PushError]:
        """Tell what was lost; now there is something that makes sense again."""
        yield from self._complain()
        self._lost = None
        self._lost_was_told = False
        self._in_broken_frame = 0

    def _count_open(self) -> int:
        return self._segments.held + self._blocks.held

    def _make_room(self, octets: int) -> Iterator[PushError]:
        """Drop what is in the way of a piece of so many octets."""
        # One octet less than the limit: the flag between two frames belongs to both.
        room = self._limit - 1 - octets
        if len(self._rubbish) + self._count_open() > room:
            yield from self._complain()
        for assembly in (self._segments, self._blocks):
            if self._count_open() > room:
                yield from assembly.give_up(PushFault.TOO_LONG, "A message of more octets than the limit.")

    # Pieces to messages

    def _accept(self, piece: Piece) -> Iterator[Outcome]:
        """Put a piece to those before it."""
        for whole in self._segments.add(piece) if piece.framing in _SEGMENTED else [piece]:
            if isinstance(whole, PushError):
                yield whole
            elif whole.payload[:1] == bytes((GENERAL_BLOCK_TRANSFER,)):
                yield from self._accept_block(whole)
            elif whole.framing is Framing.NONE:
                yield _make_message(whole)
            else:
                yield _check_message(whole)

    def _accept_block(self, piece: Piece) -> Iterator[Outcome]:
        try:
            block = parse_block(piece)
        except PushError as error:
            yield error
            return
        for whole in self._blocks.add(block):
            yield whole if isinstance(whole, PushError) else _check_message(whole)


def _check_message(piece: Piece) -> Outcome:
    """Return the message if its APDU is one that a meter may push."""
    if not piece.payload:
        return PushError(PushFault.MALFORMED, "Frames without an APDU.", piece.octets)
    if piece.payload[0] not in PUSHED_APDUS:
        reason = f"An APDU of tag {piece.payload[0]:02X}, which no meter pushes."
        return PushError(PushFault.UNKNOWN_FORM, reason, piece.octets)
    return _make_message(piece)


def _make_message(piece: Piece) -> PushedMessage:
    return PushedMessage(piece.framing, piece.octets, piece.payload, piece.source, piece.destination)
