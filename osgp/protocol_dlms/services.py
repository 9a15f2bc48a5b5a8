"""The xDLMS services GET, SET and ACTION with logical name referencing (Green Book 9.3.6 to 9.3.8 and 9.5).

These functions handle encoded data: requests, responses, lists and blocks, not values. A refusal by the
meter is returned as an access result. Block numbers are local variables, so a failed exchange cannot leave
them in a wrong state for the next.

Errors (:mod:`osgp.protocol_dlms.errors`):

* :class:`RequestTooLong`: nothing was sent, since it would not fit what the meter takes;
* :class:`DecodeError`: the answer is complete, authentic and to this invocation, and makes no sense. The next
  request begins another invocation, and with it the meter gives up a transfer in blocks that is under way;
* anything else: the exchange failed, or the meter declined the request. That holds for blocks out of sequence
  as well: one too many or too few may have come, and the next answer would be to a former request.
"""

import struct
from collections.abc import Sequence

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.access import AccessResult, ActionResult
from osgp.protocol_dlms.answers import decode_attribute
from osgp.protocol_dlms.budget import Budget
from osgp.protocol_dlms.builder import ACTION, GET, SET
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import DecodeError, IllegalResponse, RequestTooLong
from osgp.protocol_dlms.octets import AnswerCursor
from osgp.protocol_dlms.reply_limits import check_blocks, find_most_elements, find_reply_size
from osgp.protocol_dlms.reply_room import HeldReply
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
BLOCK_HEADER_LENGTH = 1 + 4 + 3  # last block, block number, length of the raw data up to 65535


def encode_descriptor(descriptor: AttributeDescriptor | MethodDescriptor) -> bytes:
    """Return class id, logical name and attribute or method id in nine octets."""
    return _DESCRIPTOR.pack(*descriptor)


def count_descriptors(room: int) -> int:
    """Return how many attributes a list of ``room`` octets, with its count, can name; at least 1."""
    for count_length, most in ((1, 0x7F), (2, 0xFF), (3, 0xFFFF)):
        number = (room - count_length) // DESCRIPTOR_LENGTH
        if number <= most:
            break
    return max(number, 1)


def _request(
    session: Session, service: int, request_type: int, body: bytes, *, secret: bool = False
) -> tuple[int, AnswerCursor]:
    """Send one request; return the type of the response, and what follows its invoke id."""
    kind, response = session.request(service, request_type, body, secret=secret)
    return kind, AnswerCursor(response.octets, response.position)


def _check_room(session: Session, body: bytes) -> None:
    """Raise RequestTooLong if the meter cannot take a request with that body in one APDU."""
    if len(body) > session.room:
        raise RequestTooLong(
            f"the request is {len(body) - session.room} octets too long: "
            f"the meter can be sent {session.request_size} octets"
        )


# GET


def get(
    session: Session, attribute: AttributeDescriptor, selection: bytes, *, secret: bool = False
) -> bytes | AccessResult:
    """Return the encoded value of one attribute; ``selection`` is an encoded selective access, or empty."""
    body = encode_descriptor(attribute) + (b"\x01" if selection else b"\x00") + selection
    _check_room(session, body)
    session.builder.advance_invoke_id()
    kind, response = _request(session, GET, GET_NORMAL, body, secret=secret)
    if kind == GET_RESPONSE_BLOCK:
        return _receive_get_blocks(
            session, response, find_reply_size([attribute], session.limits), secret=secret
        )
    if kind != GET_RESPONSE_NORMAL:
        raise DecodeError(f"a get-response of type {kind} to a get-request-normal")
    return _read_data_or_result(response)


def get_encoded_list(session: Session, attributes: Sequence[AttributeDescriptor]) -> bytes | AccessResult:
    """Return the encoded list of results of at least two attributes, read in one request.

    If the meter declines the whole list, return the access result for all of them.
    """
    body = axdr.encode_length(len(attributes)) + b"".join(
        [encode_descriptor(attribute) + b"\x00" for attribute in attributes]
    )
    _check_room(session, body)
    session.builder.advance_invoke_id()
    kind, response = _request(session, GET, GET_WITH_LIST, body)
    if kind == GET_RESPONSE_BLOCK:
        return _receive_get_blocks(session, response, find_reply_size(attributes, session.limits))
    if kind == GET_RESPONSE_NORMAL:
        # How meters decline the whole list.
        refusal = _read_data_or_result(response)
        if isinstance(refusal, AccessResult):
            return refusal
        raise DecodeError("a get-response-normal with data to a get-request-with-list")
    if kind != GET_RESPONSE_LIST:
        raise DecodeError(f"a get-response of type {kind} to a get-request-with-list")
    return response.read_rest()


def decode_list(
    encoded: bytes, attributes: Sequence[AttributeDescriptor], budget: Budget
) -> list[Data | AccessResult]:
    """Decode the list of these attributes that :func:`get_encoded_list` returned.

    Raises :class:`DecodeError` unless it has a result for each, and what they make together is within the
    ``budget``, of which it is the next reply.
    """
    response = AnswerCursor(encoded)
    budget.begin(len(encoded), find_most_elements(attributes))
    if response.read_length() != len(attributes):
        raise DecodeError("a list of another length than was asked for")
    results: list[Data | AccessResult] = []
    for attribute in attributes:
        if _read_choice(response) == _DATA:
            data, response.position = decode_attribute(encoded, response.position, attribute, budget)
            results.append(data)
        else:
            results.append(_read_refusal(response))
    response.expect_end()
    return results


def _receive_get_blocks(
    session: Session, response: AnswerCursor, most: int, *, secret: bool = False
) -> bytes | AccessResult:
    """Request all further blocks and return the raw data of all, ``most`` octets at most."""
    raw, held = bytearray(), HeldReply()
    number = 1
    while True:
        last, received_number = response.read_unsigned(), response.read_unsigned(4)
        _check_sequence(received_number, number)
        if _read_choice(response) == _RESULT:
            return _read_refusal(response)
        chunk = response.read(response.read_length())
        response.expect_end()
        raw += chunk
        held.grow(len(raw))
        check_blocks(session.consumption, len(raw), number, most)
        if last:
            return bytes(raw)
        if not chunk:
            raise DecodeError("an empty data block that is not the last")
        kind, response = _request(session, GET, GET_NEXT, number.to_bytes(4, "big"), secret=secret)
        number += 1
        if kind == GET_RESPONSE_NORMAL:
            aborted = _read_data_or_result(response)
            if isinstance(aborted, AccessResult):
                return aborted
        if kind != GET_RESPONSE_BLOCK:
            raise DecodeError(f"a get-response of type {kind} amidst data blocks")


def _read_data_or_result(response: AnswerCursor) -> bytes | AccessResult:
    if _read_choice(response) == _DATA:
        if response.at_end:
            raise DecodeError("the answer is cut short")
        return response.read_rest()
    return _read_refusal(response)


def _read_choice(response: AnswerCursor) -> int:
    if response.at_end:
        raise DecodeError("the answer is cut short")
    choice = response.read_unsigned()
    if choice not in (_DATA, _RESULT):
        raise DecodeError(f"neither data nor a result, but choice {choice}")
    return choice


def _read_refusal(response: AnswerCursor) -> AccessResult:
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
    kind, response = _request(session, SET, SET_NORMAL, head + value, secret=secret)
    if kind != SET_RESPONSE_NORMAL:
        raise DecodeError(f"a set-response of type {kind} to a set-request-normal")
    return _read_set_results(response, 1, listed=False)[0]


def set_list(session: Session, values: Sequence[tuple[AttributeDescriptor, bytes]]) -> list[AccessResult]:
    """Set at least two attributes in one request, or in blocks, and return the access result of each."""
    count = axdr.encode_length(len(values))
    head = count + b"".join([encode_descriptor(attribute) + b"\x00" for attribute, _ in values])
    data = count + b"".join([value for _, value in values])
    session.builder.advance_invoke_id()
    if len(head) + len(data) > session.room:
        return _send_set_blocks(session, SET_LIST_FIRST_BLOCK, head, data, len(values))
    kind, response = _request(session, SET, SET_WITH_LIST, head + data)
    if kind == SET_RESPONSE_NORMAL:
        # How meters decline the whole list.
        return _read_set_results(response, 1, listed=False) * len(values)
    if kind != SET_RESPONSE_LIST:
        raise DecodeError(f"a set-response of type {kind} to a set-request-with-list")
    return _read_set_results(response, len(values), listed=True)


def _send_set_blocks(
    session: Session, first_type: int, head: bytes, data: bytes, expected: int, *, secret: bool = False
) -> list[AccessResult]:
    request_type = first_type
    for number, last, block in _split_into_blocks(session, head, data):
        kind, response = _request(session, SET, request_type, block, secret=secret)
        request_type = SET_BLOCK
        if kind == SET_RESPONSE_BLOCK and not last:
            _check_sequence(response.read_unsigned(4), number)
        elif kind in (SET_RESPONSE_LAST, SET_RESPONSE_LAST_LIST):
            listed = kind == SET_RESPONSE_LAST_LIST
            results = _read_set_results(response, expected if listed else 1, listed=listed, number=number)
            return _check_set_results(results if listed else results * expected, last=last)
        elif kind == SET_RESPONSE_NORMAL:
            return _check_set_results(_read_set_results(response, 1, listed=False) * expected, last=last)
        else:
            raise DecodeError(f"a set-response of type {kind} to block {number}")
    raise AssertionError("the last block always returns or raises")


def _check_set_results(results: list[AccessResult], *, last: bool) -> list[AccessResult]:
    """Return the results. A meter may refuse before the last block, but not succeed."""
    if not last and AccessResult.SUCCESS in results:
        raise DecodeError("success before the last block")
    return results


def _read_set_results(
    response: AnswerCursor, expected: int, *, listed: bool, number: int | None = None
) -> list[AccessResult]:
    if listed and response.read_length() != expected:
        raise DecodeError("a list of another length than was asked for")
    results = [AccessResult.from_code(response.read_unsigned()) for _ in range(expected)]
    if number is not None:
        _check_sequence(response.read_unsigned(4), number)
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
        kind, response = _request(session, ACTION, ACTION_NORMAL, head + b"\x00", secret=secret)
    elif len(head) + 1 + len(parameter) <= session.room:
        kind, response = _request(session, ACTION, ACTION_NORMAL, head + b"\x01" + parameter, secret=secret)
    else:
        kind, response = _send_action_blocks(session, head, parameter, secret=secret)
    if kind == ACTION_RESPONSE_BLOCK:
        return _parse_action_blocks(_receive_action_blocks(session, response, secret=secret))
    if kind != ACTION_RESPONSE_NORMAL:
        raise DecodeError(f"an action-response of type {kind}")
    return _read_action_result(response)


def _send_action_blocks(
    session: Session, head: bytes, parameter: bytes, *, secret: bool
) -> tuple[int, AnswerCursor]:
    request_type = ACTION_FIRST_BLOCK
    for number, last, block in _split_into_blocks(session, head, parameter):
        kind, response = _request(session, ACTION, request_type, block, secret=secret)
        request_type = ACTION_BLOCK
        if last:
            return kind, response
        if kind == ACTION_RESPONSE_NORMAL and response.octets[response.position :][:1] != b"\x00":
            return kind, response
        if kind != ACTION_RESPONSE_NEXT:
            raise DecodeError(f"an action-response of type {kind} to block {number}")
        _check_sequence(response.read_unsigned(4), number)
    raise AssertionError("the last block always returns or raises")


def _receive_action_blocks(session: Session, response: AnswerCursor, *, secret: bool) -> bytes:
    raw = bytearray()
    number = 1
    while True:
        last, received_number = response.read_unsigned(), response.read_unsigned(4)
        _check_sequence(received_number, number)
        chunk = response.read(response.read_length())
        response.expect_end()
        raw += chunk
        check_blocks(session.consumption, len(raw), number, session.limits.value_size)
        if last:
            return bytes(raw)
        if not chunk:
            raise DecodeError("an empty block that is not the last")
        kind, response = _request(session, ACTION, ACTION_NEXT, number.to_bytes(4, "big"), secret=secret)
        number += 1
        if kind != ACTION_RESPONSE_BLOCK:
            raise DecodeError(f"an action-response of type {kind} amidst blocks")


def _parse_action_blocks(raw: bytes) -> tuple[ActionResult | AccessResult, bytes | None]:
    """Parse joined blocks. Meters send either a result with its optional data, or the return value alone."""
    try:
        axdr.decode(raw)
    except DecodeError:
        return _read_action_result(AnswerCursor(raw))
    return ActionResult.SUCCESS, raw


def _read_action_result(response: AnswerCursor) -> tuple[ActionResult | AccessResult, bytes | None]:
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
        size = session.room - len(head) - BLOCK_HEADER_LENGTH
        if size < 1:
            raise RequestTooLong(
                f"the meter can be sent {session.request_size} octets, "
                "which leaves no room for data in a block"
            )
        raw = data[position : position + size]
        position += len(raw)
        last = position >= len(data)
        header = bytes((last,)) + number.to_bytes(4, "big") + axdr.encode_length(len(raw))
        blocks.append((number, last, head + header + raw))
        if last:
            return blocks
        head = b""
        number += 1


def _check_sequence(received: int, number: int) -> None:
    """Raise unless the ``received`` number of a block, or of one acknowledged, is the one whose turn it is.

    An answer to the first request of an invocation answers that: only a later one may be out of sequence.
    """
    if received != number:
        what = f"block {received} instead of {number}"
        raise DecodeError(what) if number == 1 else IllegalResponse(what)
