"""ACSE APDUs in BER (Green Book "ACSE APDUs"): AARQ, AARE, RLRQ and RLRE."""

from enum import IntEnum
from typing import NamedTuple

from .axdr import decode_length, encode_length
from .errors import RemoteProtocolError

AARQ = 0x60
AARE = 0x61
RLRQ = 0x62
RLRE = 0x63

OBJECT_IDENTIFIER_PREFIX = bytes.fromhex("60857405 08")
"""joint-iso-ccitt(2) country(16) country-name(756) identified-organisation(5) DLMS-UA(8)."""


NO_COMMON_ACSE_VERSION = 2
"""Result-source-diagnostic of the AARE, choice acse-service-provider."""


class ApplicationContext(IntEnum):
    """Application context names: referencing by logical name (LN) or short name (SN), with or without
    ciphering."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4


class Mechanism(IntEnum):
    """Authentication mechanism names."""

    LOWEST = 0
    LOW = 1
    HIGH = 2
    HIGH_MD5 = 3
    HIGH_SHA1 = 4
    HIGH_GMAC = 5
    HIGH_SHA256 = 6
    HIGH_ECDSA = 7


class AssociationResult(IntEnum):
    """Association-result of the AARE."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class Diagnostic(IntEnum):
    """Result-source-diagnostic of the AARE, choice acse-service-user."""

    NULL = 0
    NO_REASON_GIVEN = 1
    APPLICATION_CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED = 11
    AUTHENTICATION_MECHANISM_NAME_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class AssociationRequest(NamedTuple):
    """An AARQ. ``context`` and ``mechanism`` are the last arc of their names, None when absent or foreign."""

    context: int | None
    calling_ap_title: bytes | None
    mechanism: int | None
    authentication_value: bytes | None
    user_information: bytes | None


class ReleaseRequest(NamedTuple):
    """An RLRQ with its reason (0 normal, 1 urgent, 30 user-defined) and user-information."""

    reason: int | None
    user_information: bytes | None


def _read_fields(apdu: bytes) -> dict[int, bytes]:
    """The fields of a constructed ACSE APDU by tag; each tag may come once."""
    length, offset = decode_length(apdu, 1)
    if offset + length != len(apdu):
        raise RemoteProtocolError("the length of an ACSE APDU is not that of its contents")
    fields: dict[int, bytes] = {}
    while offset < len(apdu):
        tag = apdu[offset]
        size, start = decode_length(apdu, offset + 1)
        offset = start + size
        if offset > len(apdu) or tag in fields:
            raise RemoteProtocolError(f"field {tag:#04x} of an ACSE APDU is malformed")
        fields[tag] = apdu[start:offset]
    return fields


def _unwrap(value: bytes | None, *tags: int) -> bytes | None:
    """What is inside a field that wraps one primitive of one of ``tags``."""
    if value is None:
        return None
    if not value or value[0] not in tags:
        raise RemoteProtocolError("a field of an ACSE APDU holds another type than expected")
    length, offset = decode_length(value, 1)
    if offset + length != len(value):
        raise RemoteProtocolError("a field of an ACSE APDU is malformed")
    return value[offset:]


def _read_last_arc(identifier: bytes | None, group: int) -> int | None:
    """The last arc of a DLMS UA object identifier of ``group`` (1 context names, 2 mechanism names)."""
    if (
        identifier is None
        or len(identifier) != 7
        or identifier[:6] != OBJECT_IDENTIFIER_PREFIX + bytes((group,))
    ):
        return None
    return identifier[6]


def decode_association_request(apdu: bytes) -> AssociationRequest:
    """The AARQ in ``apdu``."""
    if not apdu or apdu[0] != AARQ:
        raise RemoteProtocolError("not an AARQ")
    fields = _read_fields(apdu)
    mechanism_name = fields.get(0x8B)
    return AssociationRequest(
        context=_read_last_arc(_unwrap(fields.get(0xA1), 0x06), 1),
        calling_ap_title=_unwrap(fields.get(0xA6), 0x04),
        mechanism=_read_last_arc(mechanism_name, 2) if mechanism_name is not None else None,
        authentication_value=_unwrap(fields.get(0xAC), 0x80, 0x81, 0x82),
        user_information=_unwrap(fields.get(0xBE), 0x04),
    )


def has_protocol_version_1(apdu: bytes) -> bool:
    """Whether an AARQ leaves its protocol-version out or offers version 1 (the first bit of the bit
    string)."""
    offered = _read_fields(apdu).get(0x80)
    return offered is None or (len(offered) >= 2 and bool(offered[1] & 0x80))


def _encode_field(tag: int, contents: bytes) -> bytes:
    return bytes((tag,)) + encode_length(len(contents)) + contents


def encode_association_response(
    *,
    context: int,
    result: AssociationResult,
    diagnostic: int,
    provider_diagnostic: bool = False,
    system_title: bytes | None = None,
    mechanism: int | None = None,
    challenge: bytes | None = None,
    user_information: bytes | None = None,
    protocol_version: bool = False,
) -> bytes:
    """An AARE.

    ``diagnostic`` is of the acse-service-user, or of the acse-service-provider when ``provider_diagnostic``.
    ``challenge`` (the server's, for HLS) and ``mechanism`` go together. ``protocol_version`` (1) is left out
    as a rule, since it is the default.
    """
    contents = [
        *([b"\x80\x02\x07\x80"] if protocol_version else []),
        _encode_field(0xA1, _encode_field(0x06, OBJECT_IDENTIFIER_PREFIX + bytes((1, context)))),
        _encode_field(0xA2, bytes((0x02, 0x01, result))),
        _encode_field(
            0xA3, _encode_field(0xA2 if provider_diagnostic else 0xA1, bytes((0x02, 0x01, diagnostic)))
        ),
    ]
    if system_title is not None:
        contents.append(_encode_field(0xA4, _encode_field(0x04, system_title)))
    if challenge is not None and mechanism is not None:
        contents.append(b"\x88\x02\x07\x80")
        contents.append(_encode_field(0x89, OBJECT_IDENTIFIER_PREFIX + bytes((2, mechanism))))
        contents.append(_encode_field(0xAA, _encode_field(0x80, challenge)))
    if user_information is not None:
        contents.append(_encode_field(0xBE, _encode_field(0x04, user_information)))
    return _encode_field(AARE, b"".join(contents))


def decode_release_request(apdu: bytes) -> ReleaseRequest:
    """The RLRQ in ``apdu``."""
    if not apdu or apdu[0] != RLRQ:
        raise RemoteProtocolError("not an RLRQ")
    fields = _read_fields(apdu)
    reason = fields.get(0x80)
    if reason is not None and len(reason) != 1:
        raise RemoteProtocolError("the reason of an RLRQ is malformed")
    return ReleaseRequest(reason[0] if reason else None, _unwrap(fields.get(0xBE), 0x04))


def encode_release_response(reason: int = 0, user_information: bytes | None = None) -> bytes:
    """An RLRE; reason 0 normal, 1 not finished, 30 user-defined."""
    contents = bytes((0x80, 0x01, reason))
    if user_information is not None:
        contents += _encode_field(0xBE, _encode_field(0x04, user_information))
    return _encode_field(RLRE, contents)
