"""The client's xDLMS services GET, SET and ACTION, decoded (Green Book "xDLMS APDUs")."""

from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor

from .axdr import Data, decode_from, decode_length
from .errors import RemoteProtocolError

GET_REQUEST = 0xC0
SET_REQUEST = 0xC1
ACTION_REQUEST = 0xC3


class Selection(NamedTuple):
    """Selective access: the selector (1 range, 2 entry for profile buffers) and its parameters."""

    selector: int
    parameters: Data


class Block(NamedTuple):
    """A data block of a long SET or ACTION: number from 1, and octets of the value being put together."""

    last: bool
    number: int
    octets: bytes


class AttributeReference(NamedTuple):
    """One attribute of a request, perhaps with selective access."""

    descriptor: AttributeDescriptor
    selection: Selection | None


class GetRequest(NamedTuple):
    """GET normal or with-list (``with_list``)."""

    invoke_id: int
    with_list: bool
    references: tuple[AttributeReference, ...]


class GetNextRequest(NamedTuple):
    """GET next: the number of the block that arrived last."""

    invoke_id: int
    block_number: int


class SetRequest(NamedTuple):
    """SET normal or with-list. With ``block``, the values come in data blocks and ``values`` is empty."""

    invoke_id: int
    with_list: bool
    references: tuple[AttributeReference, ...]
    values: tuple[bytes, ...]
    block: Block | None


class SetBlockRequest(NamedTuple):
    """SET with a further data block."""

    invoke_id: int
    block: Block


class ActionRequest(NamedTuple):
    """ACTION normal or with-list; a parameter is encoded data or None. With ``block`` they come in blocks."""

    invoke_id: int
    with_list: bool
    methods: tuple[MethodDescriptor, ...]
    parameters: tuple[bytes | None, ...]
    block: Block | None


class ActionNextRequest(NamedTuple):
    """ACTION next-pblock: the number of the result block that arrived last."""

    invoke_id: int
    block_number: int


class ActionBlockRequest(NamedTuple):
    """ACTION with a further parameter block."""

    invoke_id: int
    block: Block


Request = (
    GetRequest
    | GetNextRequest
    | SetRequest
    | SetBlockRequest
    | ActionRequest
    | ActionNextRequest
    | ActionBlockRequest
)


class Reader:
    """Reads a request from left to right; whatever is missing is the peer's error."""

    __slots__ = ("buffer", "offset")

    def __init__(self, buffer: bytes, offset: int = 0) -> None:
        self.buffer = buffer
        self.offset = offset

    def octet(self) -> int:
        """The next octet."""
        return self.octets(1)[0]

    def octets(self, length: int) -> bytes:
        """The next ``length`` octets."""
        end = self.offset + length
        if end > len(self.buffer):
            raise RemoteProtocolError("a request is cut short")
        taken = self.buffer[self.offset : end]
        self.offset = end
        return taken

    def count(self) -> int:
        """The number of elements of a list, not more than there are octets left."""
        count, self.offset = decode_length(self.buffer, self.offset)
        if count > len(self.buffer) - self.offset:
            raise RemoteProtocolError("a list announces more elements than octets")
        return count

    def data(self) -> Data:
        """The next value."""
        data, self.offset = decode_from(self.buffer, self.offset)
        return data

    def take_encoded_data(self) -> bytes:
        """The next value, checked, in its encoded form."""
        start = self.offset
        _, self.offset = decode_from(self.buffer, start)
        return self.buffer[start : self.offset]

    def optional(self) -> bool:
        """Whether an OPTIONAL element follows."""
        flag = self.octet()
        if flag > 1:
            raise RemoteProtocolError("the flag of an optional element is neither 0 nor 1")
        return flag == 1

    def end(self) -> None:
        """Nothing may be left."""
        if self.offset != len(self.buffer):
            raise RemoteProtocolError("octets are left behind a request")

    def attribute(self) -> AttributeReference:
        """An attribute descriptor with its optional selective access."""
        octets = self.octets(9)
        descriptor = AttributeDescriptor(int.from_bytes(octets[:2], "big"), octets[2:8], octets[8])
        if not self.optional():
            return AttributeReference(descriptor, None)
        selector = self.octet()
        return AttributeReference(descriptor, Selection(selector, self.data()))

    def method(self) -> MethodDescriptor:
        """A method descriptor."""
        octets = self.octets(9)
        return MethodDescriptor(int.from_bytes(octets[:2], "big"), octets[2:8], octets[8])

    def block(self) -> Block:
        """A data block with its octets."""
        last = bool(self.octet())
        number = int.from_bytes(self.octets(4), "big")
        length, self.offset = decode_length(self.buffer, self.offset)
        return Block(last, number, self.octets(length))


def decode_request(apdu: bytes) -> Request:
    """The GET, SET or ACTION request in ``apdu``; RemoteProtocolError when it is none or malformed."""
    reader = Reader(apdu, 3)
    if len(apdu) < 3:
        raise RemoteProtocolError("a request is cut short")
    decoder = _DECODERS.get((apdu[0], apdu[1]))
    if decoder is None:
        raise RemoteProtocolError(f"service {apdu[0]:#04x} has no request of kind {apdu[1]}")
    request = decoder(reader, apdu[2])
    reader.end()
    return request


def _get_normal(reader: Reader, invoke_id: int) -> Request:
    return GetRequest(invoke_id, False, (reader.attribute(),))


def _get_next(reader: Reader, invoke_id: int) -> Request:
    return GetNextRequest(invoke_id, int.from_bytes(reader.octets(4), "big"))


def _get_with_list(reader: Reader, invoke_id: int) -> Request:
    return GetRequest(invoke_id, True, _read_attributes(reader))


def _read_attributes(reader: Reader) -> tuple[AttributeReference, ...]:
    return tuple(reader.attribute() for _ in range(reader.count()))


def decode_values(buffer: bytes, expected: int | None = None) -> tuple[bytes, ...]:
    """The encoded values that were sent in blocks: one, or with ``expected`` a list of that many."""
    reader = Reader(buffer)
    if expected is None:
        values: tuple[bytes, ...] = (reader.take_encoded_data(),)
    else:
        values = tuple(reader.take_encoded_data() for _ in range(reader.count()))
        if len(values) != expected:
            raise RemoteProtocolError("there are not as many values as attributes or methods")
    reader.end()
    return values


def _set_normal(reader: Reader, invoke_id: int) -> Request:
    return SetRequest(invoke_id, False, (reader.attribute(),), (reader.take_encoded_data(),), None)


def _set_first_block(reader: Reader, invoke_id: int) -> Request:
    return SetRequest(invoke_id, False, (reader.attribute(),), (), reader.block())


def _set_further_block(reader: Reader, invoke_id: int) -> Request:
    return SetBlockRequest(invoke_id, reader.block())


def _set_with_list(reader: Reader, invoke_id: int) -> Request:
    references = _read_attributes(reader)
    values = tuple(reader.take_encoded_data() for _ in range(reader.count()))
    if len(values) != len(references):
        raise RemoteProtocolError("there are not as many values as attributes")
    return SetRequest(invoke_id, True, references, values, None)


def _set_with_list_first_block(reader: Reader, invoke_id: int) -> Request:
    references = _read_attributes(reader)
    return SetRequest(invoke_id, True, references, (), reader.block())


def _read_action_normal(reader: Reader, invoke_id: int) -> Request:
    method = reader.method()
    parameter = reader.take_encoded_data() if reader.optional() else None
    return ActionRequest(invoke_id, False, (method,), (parameter,), None)


def _read_action_next(reader: Reader, invoke_id: int) -> Request:
    return ActionNextRequest(invoke_id, int.from_bytes(reader.octets(4), "big"))


def _read_action_with_list(reader: Reader, invoke_id: int) -> Request:
    methods = tuple(reader.method() for _ in range(reader.count()))
    parameters = tuple(reader.take_encoded_data() for _ in range(reader.count()))
    if len(parameters) != len(methods):
        raise RemoteProtocolError("there are not as many parameters as methods")
    return ActionRequest(invoke_id, True, methods, parameters, None)


def _read_action_first_block(reader: Reader, invoke_id: int) -> Request:
    return ActionRequest(invoke_id, False, (reader.method(),), (), reader.block())


def _read_action_with_list_first_block(reader: Reader, invoke_id: int) -> Request:
    methods = tuple(reader.method() for _ in range(reader.count()))
    return ActionRequest(invoke_id, True, methods, (), reader.block())


def _read_action_further_block(reader: Reader, invoke_id: int) -> Request:
    return ActionBlockRequest(invoke_id, reader.block())


_DECODERS = {
    (GET_REQUEST, 1): _get_normal,
    (GET_REQUEST, 2): _get_next,
    (GET_REQUEST, 3): _get_with_list,
    (SET_REQUEST, 1): _set_normal,
    (SET_REQUEST, 2): _set_first_block,
    (SET_REQUEST, 3): _set_further_block,
    (SET_REQUEST, 4): _set_with_list,
    (SET_REQUEST, 5): _set_with_list_first_block,
    (ACTION_REQUEST, 1): _read_action_normal,
    (ACTION_REQUEST, 2): _read_action_next,
    (ACTION_REQUEST, 3): _read_action_with_list,
    (ACTION_REQUEST, 4): _read_action_first_block,
    (ACTION_REQUEST, 5): _read_action_with_list_first_block,
    (ACTION_REQUEST, 6): _read_action_further_block,
}
