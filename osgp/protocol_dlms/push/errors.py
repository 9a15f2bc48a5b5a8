"""What can be wrong with a push.

A push has no request that could fail: a bad one is dropped and counted by its kind. So these errors are no
:class:`osgp.protocol_dlms.errors.DlmsError`, and most of them are returned beside good messages, not raised.
"""

from enum import StrEnum


class PushFault(StrEnum):
    """The kinds by which bad pushes are counted."""

    TRUNCATED = "truncated"
    """The sender went away, or began anew, before a message was complete."""
    TOO_LONG = "too-long"
    """Longer than the limit, or announced to be."""
    BAD_CHECKSUM = "bad-checksum"
    """HCS or FCS of HDLC, the checksum of M-Bus, or the CRC of a P1 telegram does not match."""
    UNKNOWN_FORM = "unknown-form"
    """Octets that begin no framing and no APDU that is pushed."""
    BLOCK_MISSING = "block-missing"
    """A gap in the numbers of blocks (general-block-transfer) or of segments (M-Bus)."""
    BLOCK_REPEATED = "block-repeated"
    """A block or segment with a number that was there before."""
    MALFORMED = "malformed"
    """The form is known, and broken."""
    BAD_TAG = "bad-tag"
    """The authentication tag of a ciphered APDU does not match."""
    UNKNOWN_KEY = "unknown-key"
    """There is no key for the system title."""
    REPLAYED = "replayed"
    """The invocation counter is not above those seen."""
    WRONG_SYSTEM_TITLE = "wrong-system-title"
    """The system title is not that of the device."""
    NOT_AUTHENTICATED = "not-authenticated"
    """Plain or only encrypted, from a device that must authenticate what it pushes."""


class PushError(Exception):
    """A push that was dropped.

    ``kind`` is what it counts as, ``text`` says it to an operator, without octets of the push and without
    secrets. ``octets`` are what was dropped, as received; they may be empty, and may hold readings.
    """

    def __init__(self, kind: PushFault, text: str, octets: bytes = b"") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.octets = octets

    def __repr__(self) -> str:
        return f"PushError({self.kind.value}, {self.text!r}, {len(self.octets)} octets)"
