"""Tracing of the APDUs of a session in plain form, without secrets.

Blanked are passwords, challenges and proofs of associations, dedicated keys, and the data of requests that
carry secrets (:func:`osgp.catalogue.is_secret`), in request and answer. Octets equal to one of the meter's
own secrets are blanked wherever they occur.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.errors import IllegalResponse
from osgp.protocol_dlms.octets import Cursor

BLANK = b"*"
AARQ, AARE = 0x60, 0x61
USER_INFORMATION = 0xBE
AUTHENTICATION_VALUES = (0xAA, 0xAC)
"""In an AARE and in an AARQ."""
INITIATE_REQUEST = 0x01

LEAST_SECRET = 4
"""The least octets of a secret to search for: shorter ones occur by chance everywhere."""

# The octets at the start of an APDU that are not secret, by tag and type, if its data are: up to the data, or
# all that the APDU should have.
_REQUEST_HEADS = {
    (0xC0, 1): None,
    (0xC0, 2): None,
    (0xC1, 1): 13,  # header, descriptor, flag for selective access
    (0xC1, 2): 18,  # and last block, block number
    (0xC1, 3): 8,
    (0xC3, 1): 13,
    (0xC3, 2): None,
    (0xC3, 4): 17,
    (0xC3, 6): 8,
}
_RESPONSE_HEADS = {
    (0xC4, 1): 4,
    (0xC4, 2): 9,
    (0xC5, 1): 4,
    (0xC5, 2): 7,
    (0xC5, 3): 8,
    (0xC7, 1): 4,
    (0xC7, 2): 8,
    (0xC7, 4): 7,
}
# The position of the choice between data and result.
_RESULT_AT = {(0xC4, 1): 3, (0xC4, 2): 8}
_ERROR_HEADS = {0xD8: 7, 0x0E: 4}

Span = tuple[int, int]


class Direction(StrEnum):
    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One APDU without its protection, and when it was sent or received (UTC).

    ``hidden`` are the spans of secrets, from the first octet to the one after the last; ``apdu`` has ``*``
    there. An answer that could not be deciphered is shown as received.
    """

    direction: Direction
    apdu: bytes
    at: datetime
    hidden: tuple[Span, ...] = ()


Trace = Callable[[TraceRecord], None]
"""Must not raise: that would end the association."""


class Tracer:
    """Shows the APDUs of one association to ``trace``; ``secrets`` are its keys and password."""

    def __init__(self, trace: Trace, secrets: Iterable[bytes | None]) -> None:
        self._trace = trace
        self._secrets = [secret for secret in secrets if secret and len(secret) >= LEAST_SECRET]

    def hide(self, secrets: Iterable[bytes | None]) -> None:
        """Hide further keys."""
        self._secrets += [secret for secret in secrets if secret and len(secret) >= LEAST_SECRET]

    def show_association(self, direction: Direction, apdu: bytes, information: bytes = b"") -> None:
        """Show an AARQ or AARE; ``information`` is its plain user information, if known."""
        shown = replace_user_information(apdu, information) if information else apdu
        spans = _find_association_secrets(shown) if shown[0] in (AARQ, AARE) else []
        self._show(direction, shown, spans)

    def show_request(self, apdu: bytes, *, secret: bool) -> None:
        """Show a GET, SET or ACTION request."""
        self._show(
            Direction.SENT, apdu, _list_span_behind(apdu, _measure_request_head(apdu)) if secret else []
        )

    def show_response(self, apdu: bytes, *, secret: bool) -> None:
        """Show the answer to a GET, SET or ACTION request."""
        self._show(
            Direction.RECEIVED, apdu, _list_span_behind(apdu, _measure_response_head(apdu)) if secret else []
        )

    def show_plain(self, direction: Direction, apdu: bytes) -> None:
        """Show an APDU without secrets."""
        self._show(direction, apdu, [])

    def _show(self, direction: Direction, apdu: bytes, spans: Sequence[Span]) -> None:
        hidden = [span for span in spans if span[0] < span[1]]
        for secret in self._secrets:
            start = apdu.find(secret)
            while start >= 0:
                hidden.append((start, start + len(secret)))
                start = apdu.find(secret, start + 1)
        hidden = _merge(hidden)
        shown = bytearray(apdu)
        for start, end in hidden:
            shown[start:end] = BLANK * (end - start)
        at = datetime.now(UTC)  # noqa: TID251 (for readers of the trace)
        self._trace(TraceRecord(direction, bytes(shown), at, tuple(hidden)))


def find_user_information(apdu: bytes) -> bytes:
    """The user information of an AARQ or AARE; empty if it has none, or is malformed."""
    cursor = Cursor(apdu, 1)
    try:
        cursor.read_length()
        while not cursor.at_end:
            tag, content = cursor.read_unsigned(), cursor.read(cursor.read_length())
            if tag == USER_INFORMATION:
                inner = Cursor(content, 1)
                return inner.read(inner.read_length())
    except IllegalResponse:
        pass
    return b""


def replace_user_information(apdu: bytes, information: bytes) -> bytes:
    """Return an AARQ or AARE with other user information; unchanged if it is malformed."""
    cursor = Cursor(apdu, 1)
    fields = bytearray()
    try:
        cursor.read_length()
        while not cursor.at_end:
            start = cursor.position
            tag = cursor.read_unsigned()
            cursor.read(cursor.read_length())
            if tag == USER_INFORMATION:
                content = b"\x04" + encode_length(len(information)) + information
                fields += bytes((tag,)) + encode_length(len(content)) + content
            else:
                fields += apdu[start : cursor.position]
    except IllegalResponse:
        return apdu
    return apdu[:1] + encode_length(len(fields)) + bytes(fields)


def _find_association_secrets(apdu: bytes) -> list[Span]:
    """Return the spans of authentication value and dedicated key, and of all after a malformed field."""
    cursor = Cursor(apdu, 1)
    spans = []
    try:
        cursor.read_length()
        while not cursor.at_end:
            tag, length = cursor.read_unsigned(), cursor.read_length()
            start = cursor.position
            content = cursor.read(length)
            if tag in AUTHENTICATION_VALUES:
                whole = len(content) >= 2 and content[0] == 0x80 and content[1] == len(content) - 2
                spans.append((start + (2 if whole else 0), cursor.position))
            elif tag == USER_INFORMATION:
                spans += _find_dedicated_key(content, start)
    except IllegalResponse:
        spans.append((cursor.position, len(apdu)))
    return spans


def _find_dedicated_key(content: bytes, offset: int) -> list[Span]:
    """Return the span of the dedicated key in user information that begins at ``offset``."""
    cursor = Cursor(content, 1)
    cursor.read_length()
    if cursor.read_unsigned() != INITIATE_REQUEST or not cursor.read_unsigned():
        return []
    length = cursor.read_length()
    return [(offset + cursor.position, offset + min(cursor.position + length, len(content)))]


def _measure_request_head(apdu: bytes) -> int:
    head = _REQUEST_HEADS.get((apdu[0], apdu[1]), 3)
    return len(apdu) if head is None else head


def _measure_response_head(apdu: bytes) -> int:
    if apdu[0] in _ERROR_HEADS:
        return _ERROR_HEADS[apdu[0]]
    kind = (apdu[0], apdu[1] if len(apdu) > 1 else 0)
    head = _RESPONSE_HEADS.get(kind, 1)
    result_at = _RESULT_AT.get(kind)
    if result_at is not None and apdu[result_at : result_at + 1] == b"\x01":
        head += 1
    return head


def _list_span_behind(apdu: bytes, head: int) -> list[Span]:
    return [(head, len(apdu))]


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order; joins those that overlap or touch."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
