"""Negotiation of the xDLMS context: InitiateRequest, InitiateResponse and confirmed-service-error (Green
Book)."""

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple

from .axdr import decode_length
from .errors import RemoteProtocolError

INITIATE_REQUEST = 0x01
INITIATE_RESPONSE = 0x08
CONFIRMED_SERVICE_ERROR = 0x0E

DLMS_VERSION = 6
MINIMUM_PDU_SIZE = 12
"""A client that cannot take this many octets cannot take any useful answer."""

_CONFORMANCE_TAG = b"\x5f\x1f\x04\x00"
_LN_VAA_NAME = 7


class Conformance(IntFlag):
    """The conformance block, bit 0 being the most significant of 24."""

    ATTRIBUTE0_SUPPORTED_WITH_SET = 1 << 15
    PRIORITY_MGMT_SUPPORTED = 1 << 14
    ATTRIBUTE0_SUPPORTED_WITH_GET = 1 << 13
    BLOCK_TRANSFER_WITH_GET = 1 << 12
    BLOCK_TRANSFER_WITH_SET = 1 << 11
    BLOCK_TRANSFER_WITH_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


class InitiateRequest(NamedTuple):
    """The client's proposal. ``maximum_pdu_size`` 0 means no limit."""

    dedicated_key: bytes | None
    response_allowed: bool
    quality_of_service: int | None
    dlms_version: int
    conformance: Conformance
    maximum_pdu_size: int


class InitiateError(IntEnum):
    """Why an InitiateRequest is refused in a confirmed-service-error."""

    OTHER = 0
    DLMS_VERSION_TOO_LOW = 1
    INCOMPATIBLE_CONFORMANCE = 2
    PDU_SIZE_TOO_SHORT = 3


def decode_initiate_request(apdu: bytes) -> InitiateRequest:
    """The InitiateRequest in ``apdu``."""
    try:
        if apdu[0] != INITIATE_REQUEST:
            raise RemoteProtocolError("not an InitiateRequest")
        offset = 2
        dedicated_key = None
        if apdu[1]:
            length, offset = decode_length(apdu, offset)
            dedicated_key = apdu[offset : offset + length]
            offset += length
        response_allowed = True
        if apdu[offset]:
            response_allowed = bool(apdu[offset + 1])
            offset += 1
        quality_of_service = None
        if apdu[offset + 1]:
            quality_of_service = apdu[offset + 2]
            offset += 1
        offset += 2
        version = apdu[offset]
        if apdu[offset + 1 : offset + 5] != _CONFORMANCE_TAG or len(apdu) != offset + 10:
            raise RemoteProtocolError("the conformance block is malformed")
    except IndexError as error:
        raise RemoteProtocolError("an InitiateRequest is cut short") from error
    conformance = Conformance(int.from_bytes(apdu[offset + 5 : offset + 8], "big"))
    size = int.from_bytes(apdu[offset + 8 : offset + 10], "big")
    return InitiateRequest(dedicated_key, response_allowed, quality_of_service, version, conformance, size)


def encode_initiate_response(conformance: Conformance, maximum_pdu_size: int) -> bytes:
    """An InitiateResponse for logical name referencing, ``maximum_pdu_size`` being what the server takes."""
    return (
        bytes((INITIATE_RESPONSE, 0, DLMS_VERSION))
        + _CONFORMANCE_TAG
        + int(conformance).to_bytes(3, "big")
        + struct.pack(">HH", maximum_pdu_size, _LN_VAA_NAME)
    )


def encode_initiate_error(reason: InitiateError) -> bytes:
    """A confirmed-service-error that refuses an InitiateRequest."""
    return bytes((CONFIRMED_SERVICE_ERROR, INITIATE_REQUEST, 6, reason))
