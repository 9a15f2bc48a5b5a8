"""The xDLMS services GET, SET and ACTION with logical name referencing (Green Book 9.3.6 to 9.3.8 and 9.5).

These functions handle encoded data: requests, responses, lists and blocks, not values. A refusal by the meter
is returned as an access result; an exception means that the exchange failed. Block numbers are local
variables, so a failed exchange cannot leave them in a wrong state for the next.
"""

import struct
from collections.abc import Sequence

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.access import AccessResult, ActionResult
from osgp.protocol_dlms.builder import ACTION, GET, SET
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import DecodeError, IllegalResponse, ReplyTooLarge
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.session import Session

GET_NORMAL, GET_NEXT, GET_WITH_LIST = 1, 2, 3
GET_RESPONSE_NORMAL, GET_RESPONSE_BLOCK, GET_RESPONSE_LIST = 1, 2, 3

SET_NORMAL, SET_FIRST_BLOCK, SET_BLOCK, SET_WITH_LIST, SET_LIST_FIRST_BLOCK = 1, 2, 3, 4, 5
SET_RESPONSE_NORMAL, SET_RESPONSE_BLOCK, SET_RESPONSE_LAST, SET_RESPONSE_LAST_LIST, SET_RESPONSE_LIST = (
    1,
    2,
    3,
    4,
    5,
)

ACTION_NORMAL, ACTION_NEXT, ACTION_FIRST_BLOCK, ACTION_BLOCK = 1, 2, 4, 6
ACTION_RESPONSE_NORMAL, ACTION_RESPONSE_BLOCK, ACTION_RESPONSE_NEXT = 1, 2, 4

_DATA, _RESULT = 0, 1
_DESCRIPTOR = struct.Struct(">H6sb")
DESCRIPTOR_LENGTH = _DESCRIPTOR.size + 1  # with the flag for selective access
_BLOCK_HEADER_LENGTH = 1 + 4 + 3  # last block, block number, length of the raw data up to 65535


def encode_descriptor(descriptor: AttributeDescriptor | MethodDescriptor) -> bytes:
    """Return class id, logical name and attribute or method id in nine octets."""
    return _DESCRIPTOR.pack(*descriptor)


# GET


def get(
    session: Session, attribute: AttributeDescriptor, selection: bytes, *, secret: bool = False
) -> bytes | AccessResult:
    """Return the encoded value of one attribute; ``selection`` is an encoded selective access, or empty."""
    flag = b"\x01" if selection else b"\x00"
    session.builder.advance_invoke_id()
    kind, response = session.request(
        GET, GET_NORMAL, encode_descriptor(attribute) + flag + selection, secret=secret
    )
    if kind == GET_RESPONSE_BLOCK:
        return _receive_get_blocks(session, response, secret=secret)
    if kind != GET_RESPONSE_NORMAL:
        raise IllegalResponse(f"a get-response of type {kind} to a get-request-normal")
    return _read_data_or_result(response)


def get_list(session: Session, attributes: Sequence[AttributeDescriptor]) -> list[Data | AccessResult]:
    """Return the values or access results of at least two attributes, read in one request."""
    raw = get_encoded_list(session, attributes)
    if isinstance(raw, AccessResult):
        return [raw] * len(attributes)
    return decode_list(raw, len(attributes))


def get_encoded_list(session: Session, attributes: Sequence[AttributeDescriptor]) -> bytes | AccessResult:
    """Return the encoded list of results of at least two attributes, read in one request.

    If the meter declines the whole list, return the access result for all of them.
    """
    body = axdr.encode_length(len(attributes)) + b"".join(
        [encode_descriptor(attribute) + b"\x00" for attribute in attributes]
    )
    session.builder.advance_invoke_id()
    kind, response = session.request(GET, GET_WITH_LIST, body)
    if kind == GET_RESPONSE_BLOCK:
        return _receive_get_blocks(session, response)
    if kind == GET_RESPONSE_NORMAL:
        # How meters decline the whole list.
        refusal = _read_data_or_result(response)
        if isinstance(refusal, AccessResult):
            return refusal
        raise IllegalResponse("a get-response-normal with data to a get-request-with-list")
    if kind != GET_RESPONSE_LIST:
        raise IllegalResponse(f"a get-response of type {kind} to a get-request-with-list")
    return response.read_rest()


def decode_list(encoded: bytes, expected: int) -> list[Data | AccessResult]:
    """Decode the list that :func:`get_encoded_list` returned.

    Raises :class:`IllegalResponse` unless it has the ``expected`` number of results.
    """
    response = Cursor(encoded)
    if response.read_length() != expected:
        raise IllegalResponse("a list of another length than was asked for")
    results: list[Data | AccessResult] = []
    for _ in range(expected):
        if _read_choice(response) == _DATA:
            data, response.position = axdr.decode_prefix(response.octets, response.position)
            results.append(data)
        else:
            results.append(_read_refusal(response))
    response.expect_end()
    return results


def _receive_get_blocks(session: Session, response: Cursor, *, secret: bool = False) -> bytes | AccessResult:
    """Request all further blocks and return the raw data of all."""
    raw = bytearray()
    number = 1
    while True:
        last, received_number = response.read_unsigned(), response.read_unsigned(4)
        if received_number != number:
            raise IllegalResponse(f"data block {received_number} instead of {number}")
        if _read_choice(response) == _RESULT:
            return _read_refusal(response)
        chunk = response.read(response.read_length())
        response.expect_end()
        raw += chunk
        if len(raw) > session.limits.reply_size:
            raise ReplyTooLarge(f"a reply of more than {session.limits.reply_size} octets")
        if last:
            return bytes(raw)
        if not chunk:
            raise IllegalResponse("an empty data block that is not the last")
        kind, response = session.request(GET, GET_NEXT, number.to_bytes(4, "big"), secret=secret)
        number += 1
        if kind == GET_RESPONSE_NORMAL:
            aborted = _read_data_or_result(response)
            if isinstance(aborted, AccessResult):
                return aborted
        if kind != GET_RESPONSE_BLOCK:
            raise IllegalResponse(f"a get-response of type {kind} amidst data blocks")


def _read_data_or_result(response: Cursor) -> bytes | AccessResult:
    if _read_choice(response) == _DATA:
        if response.at_end:
            raise DecodeError("the answer is cut short")
        return response.read_rest()
    return _read_refusal(response)


def _read_choice(response: Cursor) -> int:
    if response.at_end:
        raise DecodeError("the answer is cut short")
    choice = response.read_unsigned()
    if choice not in (_DATA, _RESULT):
        raise DecodeError(f"neither data nor a result, but choice {choice}")
    return choice


def _read_refusal(response: Cursor) -> AccessResult:
    """Read a Data-Access-Result in place of data, where SUCCESS is an error."""
    if response.at_end:
        raise DecodeError("the answer is cut short")
    result = AccessResult.from_code(response.read_unsigned())
    if result is AccessResult.SUCCESS:
        raise DecodeError("success, but no data")
    return result


# SET


def set_(
    session: Session, attribute: AttributeDescriptor, value: bytes, *, secret: bool = False
) -> AccessResult:
    """Set one attribute to an encoded value, in blocks if it does not fit one APDU."""
    head = encode_descriptor(attribute) + b"\x00"
    session.builder.advance_invoke_id()
    if len(head) + len(value) > session.room:
        results = _send_set_blocks(session, SET_FIRST_BLOCK, head, value, 1, secret=secret)
        return results[0]
    kind, response = session.request(SET, SET_NORMAL, head + value, secret=secret)
    if kind != SET_RESPONSE_NORMAL:
        raise IllegalResponse(f"a set-response of type {kind} to a set-request-normal")
    return _read_set_results(response, 1, listed=False)[0]


def set_list(session: Session, values: Sequence[tuple[AttributeDescriptor, bytes]]) -> list[AccessResult]:
    """Set at least two attributes in one request, or in blocks, and return the access result of each."""
    count = axdr.encode_length(len(values))
    head = count + b"".join([encode_descriptor(attribute) + b"\x00" for attribute, _ in values])
    data = count + b"".join([value for _, value in values])
    session.builder.advance_invoke_id()
    if len(head) + len(data) > session.room:
        return _send_set_blocks(session, SET_LIST_FIRST_BLOCK, head, data, len(values))
    kind, response = session.request(SET, SET_WITH_LIST, head + data)
    if kind == SET_RESPONSE_NORMAL:
        # How meters decline the whole list.
        return _read_set_results(response, 1, listed=False) * len(values)
    if kind != SET_RESPONSE_LIST:
        raise IllegalResponse(f"a set-response of type {kind} to a set-request-with-list")
    return _read_set_results(response, len(values), listed=True)


def _send_set_blocks(
    session: Session, first_type: int, head: bytes, data: bytes, expected: int, *, secret: bool = False
) -> list[AccessResult]:
    request_type = first_type
    for number, last, block in _split_into_blocks(session, head, data):
        kind, response = session.request(SET, request_type, block, secret=secret)
        request_type = SET_BLOCK
        if kind == SET_RESPONSE_BLOCK and not last:
            _expect_block_number(response, number)
        elif kind in (SET_RESPONSE_LAST, SET_RESPONSE_LAST_LIST):
            listed = kind == SET_RESPONSE_LAST_LIST
            results = _read_set_results(response, expected if listed else 1, listed=listed, number=number)
            return _check_set_results(results if listed else results * expected, last=last)
        elif kind == SET_RESPONSE_NORMAL:
            return _check_set_results(_read_set_results(response, 1, listed=False) * expected, last=last)
        else:
            raise IllegalResponse(f"a set-response of type {kind} to block {number}")
    raise AssertionError("the last block always returns or raises")


def _check_set_results(results: list[AccessResult], *, last: bool) -> list[AccessResult]:
    """Return the results. A meter may refuse before the last block, but not succeed."""
    if not last and AccessResult.SUCCESS in results:
        raise IllegalResponse("success before the last block")
    return results


def _read_set_results(
    response: Cursor, expected: int, *, listed: bool, number: int | None = None
) -> list[AccessResult]:
    if listed and response.read_length() != expected:
        raise IllegalResponse("a list of another length than was asked for")
    results = [AccessResult.from_code(response.read_unsigned()) for _ in range(expected)]
    if number is not None:
        _expect_block_number(response, number)
    response.expect_end()
    return results


# ACTION


def invoke(
    session: Session, method: MethodDescriptor, parameter: bytes | None, *, secret: bool = False
) -> tuple[ActionResult | AccessResult, bytes | None]:
    """Invoke a method with an encoded parameter or none; return its result and encoded return value, if any.

    The result is an AccessResult when the method succeeded but its return value was refused.
    """
    head = encode_descriptor(method)
    session.builder.advance_invoke_id()
    if parameter is None:
        kind, response = session.request(ACTION, ACTION_NORMAL, head + b"\x00", secret=secret)
    elif len(head) + 1 + len(parameter) <= session.room:
        kind, response = session.request(ACTION, ACTION_NORMAL, head + b"\x01" + parameter, secret=secret)
    else:
        kind, response = _send_action_blocks(session, head, parameter, secret=secret)
    if kind == ACTION_RESPONSE_BLOCK:
        return _parse_action_blocks(_receive_action_blocks(session, response, secret=secret))
    if kind != ACTION_RESPONSE_NORMAL:
        raise IllegalResponse(f"an action-response of type {kind}")
    return _read_action_result(response)


def _send_action_blocks(
    session: Session, head: bytes, parameter: bytes, *, secret: bool
) -> tuple[int, Cursor]:
    request_type = ACTION_FIRST_BLOCK
    for number, last, block in _split_into_blocks(session, head, parameter):
        kind, response = session.request(ACTION, request_type, block, secret=secret)
        request_type = ACTION_BLOCK
        if last:
            return kind, response
        if kind == ACTION_RESPONSE_NORMAL and response.octets[response.position :][:1] != b"\x00":
            return kind, response
        if kind != ACTION_RESPONSE_NEXT:
            raise IllegalResponse(f"an action-response of type {kind} to block {number}")
        _expect_block_number(response, number)
    raise AssertionError("the last block always returns or raises")


def _receive_action_blocks(session: Session, response: Cursor, *, secret: bool) -> bytes:
    raw = bytearray()
    number = 1
    while True:
        last, received_number = response.read_unsigned(), response.read_unsigned(4)
        if received_number != number:
            raise IllegalResponse(f"block {received_number} instead of {number}")
        chunk = response.read(response.read_length())
        response.expect_end()
        raw += chunk
        if len(raw) > session.limits.reply_size:
            raise ReplyTooLarge(f"a reply of more than {session.limits.reply_size} octets")
        if last:
            return bytes(raw)
        if not chunk:
            raise IllegalResponse("an empty block that is not the last")
        kind, response = session.request(ACTION, ACTION_NEXT, number.to_bytes(4, "big"), secret=secret)
        number += 1
        if kind != ACTION_RESPONSE_BLOCK:
            raise IllegalResponse(f"an action-response of type {kind} amidst blocks")


def _parse_action_blocks(raw: bytes) -> tuple[ActionResult | AccessResult, bytes | None]:
    """Parse joined blocks. Meters send either a result with its optional data, or the return value alone."""
    try:
        axdr.decode(raw)
    except DecodeError:
        return _read_action_result(Cursor(raw))
    return ActionResult.SUCCESS, raw


def _read_action_result(response: Cursor) -> tuple[ActionResult | AccessResult, bytes | None]:
    result = ActionResult.from_code(response.read_unsigned())
    # The flag for return parameters is not optional, but some meters omit it together with them.
    if response.at_end or not response.read_unsigned():
        response.expect_end()
        return result, None
    if _read_choice(response) == _RESULT:
        code = response.read_unsigned()
        response.expect_end()
        refusal = AccessResult.from_code(code)
        return (result if refusal is AccessResult.SUCCESS else refusal), None
    return result, response.read_rest()


# Blocks


def _split_into_blocks(session: Session, head: bytes, data: bytes) -> list[tuple[int, bool, bytes]]:
    """Split ``data`` into requests; return number, whether it is the last, and body of each."""
    blocks = []
    position, number = 0, 1
    while True:
        size = session.room - len(head) - _BLOCK_HEADER_LENGTH
        if size < 1:
            raise IllegalResponse("the meter's receive size leaves no room for data in a block")
        raw = data[position : position + size]
        position += len(raw)
        last = position >= len(data)
        header = bytes((last,)) + number.to_bytes(4, "big") + axdr.encode_length(len(raw))
        blocks.append((number, last, head + header + raw))
        if last:
            return blocks
        head = b""
        number += 1


def _expect_block_number(response: Cursor, number: int) -> None:
    if response.read_unsigned(4) != number:
        raise IllegalResponse(f"the meter acknowledges another block than {number}")
