"""Messages from segments, and from blocks of general-block-transfer."""

from dataclasses import replace

from osgp.protocol_dlms.errors import IllegalResponse
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.pieces import APDU_STARTS, Piece

LAST_BLOCK = 0x80
FIRST_BLOCK = 1


_STARTS = tuple(bytes((tag,)) for tag in APDU_STARTS)


class Assembly:
    """Puts the pieces of one message together.

    A first piece begins a message, and ends one that is unfinished. Pieces that come twice, or after a gap,
    spoil their message: meters send nothing again, and order is not repaired. A spoilt message is held up to
    its last piece all the same, so that it is one error with all its octets.
    """

    def __init__(self, piece_name: str) -> None:
        self._piece_name = piece_name
        self._begun: Piece | None = None
        self._number: int | None = None
        self._spoilt: PushFault | None = None
        self._octets = bytearray()
        self._payload = bytearray()

    @property
    def held(self) -> int:
        """How many received octets wait for the rest of their message."""
        return len(self._octets)

    def add(self, piece: Piece) -> list[Piece | PushError]:
        """Take the next piece; return a message that it completes, after an unfinished one that it ends."""
        ended: list[Piece | PushError] = []
        begun = self._begun
        if begun is None or piece.first or piece.framing != begun.framing:
            ended += self.give_up(
                PushFault.TRUNCATED, f"A message without its last {self._piece_name}: another one began."
            )
            self._begin(piece)
        elif piece.number is not None and self._number is not None and not self._spoilt:
            if piece.number != self._number + 1:
                is_known = piece.number <= self._number
                self._spoilt = PushFault.BLOCK_REPEATED if is_known else PushFault.BLOCK_MISSING
            self._number = piece.number
        self._octets += piece.octets
        self._payload += piece.payload
        if piece.last:
            ended.append(self._finish())
        return ended

    def give_up(self, kind: PushFault, text: str) -> list[PushError]:
        """Drop the message that is unfinished, if there is one, for the reason given or what spoilt it."""
        if self._begun is None:
            return []
        error = self._complain() if self._spoilt else PushError(kind, text, bytes(self._octets))
        self._clear()
        return [error]

    def _begin(self, piece: Piece) -> None:
        self._begun = piece
        self._number = piece.number
        # Segments of HDLC have no numbers. Not all meters begin the first one with an LLC.
        may_be_first = piece.number is None and piece.payload.startswith(_STARTS)
        if not piece.first and not may_be_first:
            self._spoilt = PushFault.BLOCK_MISSING

    def _finish(self) -> Piece | PushError:
        assert self._begun is not None
        whole: Piece | PushError
        if self._spoilt:
            whole = self._complain()
        else:
            whole = replace(
                self._begun,
                octets=bytes(self._octets),
                payload=bytes(self._payload),
                number=None,
                first=True,
                last=True,
            )
        self._clear()
        return whole

    def _complain(self) -> PushError:
        assert self._spoilt is not None
        happened = "came twice" if self._spoilt is PushFault.BLOCK_REPEATED else "is missing"
        text = f"A message of which a {self._piece_name} {happened}."
        return PushError(self._spoilt, text, bytes(self._octets))

    def _clear(self) -> None:
        self._begun = self._number = self._spoilt = None
        self._octets = bytearray()
        self._payload = bytearray()


def parse_block(piece: Piece) -> Piece:
    """Return the block that a piece carries as its payload (Green Book 9.3.13, general-block-transfer).

    Raises :class:`PushError` if it is malformed. Window, streaming and numbers acknowledged are of no
    interest: a push is never answered.
    """
    cursor = Cursor(piece.payload, 1)
    try:
        control = cursor.read_unsigned()
        number = cursor.read_unsigned(2)
        cursor.read(2)
        data = cursor.read(cursor.read_length())
        cursor.expect_end()
    except IllegalResponse as error:
        text = "A block of another length than it says."
        raise PushError(PushFault.MALFORMED, text, piece.octets) from error
    return replace(
        piece, payload=data, number=number, first=number == FIRST_BLOCK, last=bool(control & LAST_BLOCK)
    )
