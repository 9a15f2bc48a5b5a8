"""Pieces of pushes, and what those who look for them in octets say.

For each form there is a *scan*: a generator that is given a buffer whose first octet may begin the form. It
yields how many octets it needs to see, is resumed when they are there, and returns what it found. So a scan
reads like the form that it knows, and never looks twice at the same octets, however small the parts in which
they arrive.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.message import Framing

GENERAL_BLOCK_TRANSFER = 0xE0
GENERAL_GLO_CIPHERING = 0xDB
DATA_NOTIFICATION = 0x0F
EVENT_NOTIFICATION = 0xC2
PUSHED_APDUS = frozenset(
    (
        DATA_NOTIFICATION,
        EVENT_NOTIFICATION,
        0xCA,  # glo-event-notification-request
        GENERAL_GLO_CIPHERING,
        0xDC,  # general-ded-ciphering
        0xDD,  # general-ciphering
        0xDF,  # general-signing
    )
)
"""First octets of APDUs that a meter may send on its own."""
APDU_STARTS = PUSHED_APDUS | {GENERAL_BLOCK_TRANSFER}


@dataclass(frozen=True)
class Piece:
    """A frame, a bare APDU, a block or a text: a whole message, or one part of it.

    ``octets`` are those received, ``payload`` what they carry. ``number`` is that of the segment or block,
    None if it has none. A whole message is both ``first`` and ``last``.
    """

    framing: Framing
    octets: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    source: int | None = None
    destination: int | None = None
    number: int | None = None
    first: bool = True
    last: bool = True


class Found(NamedTuple):
    """A piece, and how many octets of the buffer it takes."""

    size: int
    piece: Piece


class Refusal(NamedTuple):
    """The buffer does not begin a good piece.

    ``size`` octets, at least one, have to be dropped. ``delimited``: they are one broken piece and no more.
    Otherwise nobody knows where the next piece begins, and it has to be looked for. ``frame_broke``: more of
    a broken frame may follow.
    """

    size: int
    kind: PushFault
    text: str
    delimited: bool = False
    frame_broke: bool = False


NO_START = Refusal(1, PushFault.UNKNOWN_FORM, "Octets that begin no known form.")


class Fill(NamedTuple):
    """The buffer begins with ``size`` octets that stand between messages without being one."""

    size: int


Verdict = Found | Refusal | Fill


class Need(NamedTuple):
    """A scan needs to see ``octets`` of the buffer, counted from its beginning.

    ``skip`` is how many have to be dropped if there is no room for so many. If the sender ends before,
    ``settled`` is what was there all the same. Without it all is dropped, or with ``rescan`` only ``skip``:
    lines lose octets, so that a good frame may stand where the rest of this one should.
    """

    octets: int
    skip: int = 1
    settled: Verdict | None = None
    rescan: bool = False


Scan = Generator[Need, None, Verdict]
