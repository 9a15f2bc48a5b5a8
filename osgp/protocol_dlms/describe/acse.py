"""AARQ, AARE, RLRQ, RLRE and the initiate services within them, in words (Green Book 9.4 and 9.5)."""

from osgp.protocol_dlms import names_of_errors
from osgp.protocol_dlms.describe.text import Lines, format_octets
from osgp.protocol_dlms.octets import Cursor

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
INITIATE_REQUEST, INITIATE_RESPONSE, CONFIRMED_SERVICE_ERROR = 0x01, 0x08, 0x0E
GLO_INITIATE_REQUEST, GLO_INITIATE_RESPONSE = 0x21, 0x28

_CONTEXTS = {
    1: "logical names",
    2: "short names",
    3: "logical names, ciphered",
    4: "short names, ciphered",
}
_MECHANISMS = {
    0: "none",
    1: "low level (LLS)",
    2: "high level (HLS)",
    3: "HLS MD5",
    4: "HLS SHA-1",
    5: "HLS GMAC",
    6: "HLS SHA-256",
    7: "HLS ECDSA",
}
_RELEASE_REASONS = {0: "normal", 1: "urgent (or not finished)", 30: "user defined"}
_CONFORMANCE = (
    "reserved-zero",
    "general-protection",
    "general-block-transfer",
    "read",
    "write",
    "unconfirmed-write",
    "delta-value-encoding",
    "reserved-seven",
    "attribute0-with-set",
    "priority-management",
    "attribute0-with-get",
    "block-transfer-with-get",
    "block-transfer-with-set",
    "block-transfer-with-action",
    "multiple-references",
    "information-report",
    "data-notification",
    "access",
    "parameterized-access",
    "get",
    "set",
    "selective-access",
    "event-notification",
    "action",
)


def add_association(lines: Lines, apdu: bytes) -> None:
    """Add the fields of an AARQ or AARE. Raises IllegalResponse at a malformed field."""
    cursor = Cursor(apdu, 1)
    fields = Cursor(cursor.read(min(cursor.read_length(), len(apdu) - cursor.position)))
    while not fields.at_end:
        tag = fields.read_unsigned()
        _add_field(lines, apdu[0], tag, fields.read(fields.read_length()))


def _add_field(lines: Lines, apdu: int, tag: int, content: bytes) -> None:
    if tag == 0xA1:
        lines.add(f"application context: {_format_name(_CONTEXTS, content[-1:])}")
    elif tag == 0xA2 and apdu == AARE:
        lines.add(f"result: {_format_code(names_of_errors.ASSOCIATION_RESULTS, content[-1:])}")
    elif tag == 0xA3 and apdu == AARE:
        by_provider = content[:1] == b"\xa2"
        known = names_of_errors.PROVIDER_DIAGNOSTICS if by_provider else names_of_errors.USER_DIAGNOSTICS
        who = "provider" if by_provider else "user"
        lines.add(f"diagnostic of the service {who}: {_format_code(known, content[-1:])}")
    elif tag in (0xA4, 0xA6) and (tag == 0xA4) == (apdu == AARE):
        lines.add(f"system title: {format_octets(content[2:])}")
    elif tag in (0x88, 0x8A):
        lines.add("ACSE requirements: authentication")
    elif tag in (0x89, 0x8B):
        lines.add(f"authentication mechanism: {_format_name(_MECHANISMS, content[-1:])}")
    elif tag in (0xAA, 0xAC):
        lines.add(f"authentication value: {max(len(content) - 2, 0)} octets, hidden")
    elif tag == 0xBE:
        _add_information(lines, content)
    else:
        lines.add(f"field {tag:02x}: {format_octets(content)}")


def _add_information(lines: Lines, content: bytes) -> None:
    cursor = Cursor(content, 1)
    information = cursor.read(cursor.read_length())
    inner = Cursor(information)
    tag = inner.read_unsigned()
    if tag == INITIATE_REQUEST:
        if inner.read_unsigned():
            inner.read(inner.read_length())
            lines.add("dedicated key: hidden")
        if inner.read_unsigned():
            lines.add(f"response allowed: {'yes' if inner.read_unsigned() else 'no'}")
        if inner.read_unsigned():
            lines.add(f"proposed quality of service: {inner.read_unsigned()}")
        _add_initiate(lines, inner, "proposed", "client")
    elif tag == INITIATE_RESPONSE:
        if inner.read_unsigned():
            lines.add(f"negotiated quality of service: {inner.read_unsigned()}")
        _add_initiate(lines, inner, "negotiated", "server")
        if not inner.at_end:
            lines.add(f"VAA name: {format_octets(inner.read_rest())}")
    elif tag == CONFIRMED_SERVICE_ERROR:
        service, kind, value = (inner.read_unsigned() for _ in range(3))
        lines.add(names_of_errors.name_confirmed_service_error(service, kind, value))
    elif tag in (GLO_INITIATE_REQUEST, GLO_INITIATE_RESPONSE):
        lines.add(f"user information: ciphered, {len(information)} octets")
    else:
        lines.add(f"user information: {format_octets(information)}")


def _add_initiate(lines: Lines, inner: Cursor, which: str, who: str) -> None:
    lines.add(f"DLMS version: {inner.read_unsigned()}")
    inner.read(1)  # [APPLICATION 31], in one octet or in two
    length = inner.read_unsigned()
    if length == 0x1F:
        length = inner.read_unsigned()
    bits = inner.read(length)[1:]
    number = int.from_bytes(bits[:3], "big")
    known = [name for position, name in enumerate(_CONFORMANCE) if number >> (23 - position) & 1]
    lines.add(f"{which} conformance: {', '.join(known) or 'none'}")
    lines.add(f"largest APDU that the {who} takes: {inner.read_unsigned(2) or 'any'} octets")


def add_release(lines: Lines, apdu: bytes) -> None:
    """Add the reason in an RLRQ or RLRE, if any. Raises IllegalResponse at a malformed field."""
    cursor = Cursor(apdu, 1)
    fields = Cursor(cursor.read(min(cursor.read_length(), len(apdu) - cursor.position)))
    while not fields.at_end:
        tag, content = fields.read_unsigned(), fields.read(fields.read_length())
        if tag == 0x80:
            lines.add(f"reason: {_format_name(_RELEASE_REASONS, content[-1:])}")
        elif tag == 0xBE:
            lines.add(f"user information: {len(content)} octets")


def _format_name(names: dict[int, str], octet: bytes) -> str:
    if not octet:
        return "not given"
    return names.get(octet[0], f"unknown ({octet[0]})")


def _format_code(names: dict[int, str], octet: bytes) -> str:
    return names_of_errors.name(names, octet[0]) if octet else "not given"
