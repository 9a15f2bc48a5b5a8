"""A small DLMS client on the simulator's codec, which says exactly what a test tells it to."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from osgp.catalogue.communication import Framing, Security
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.simulator import SimulatorThread
from osgp.simulator.codec.acse import OBJECT_IDENTIFIER_PREFIX
from osgp.simulator.codec.axdr import Data, decode, decode_from, decode_length, encode, encode_length
from osgp.simulator.codec.ciphering import Cipher
from osgp.simulator.codec.hdlc import (
    LLC_COMMAND,
    LLC_RESPONSE,
    Control,
    Frame,
    FrameDecoder,
    encode_frame,
    information_control,
    receive_ready_control,
)
from osgp.simulator.codec.wrapper import WrapperDecoder
from osgp.simulator.codec.wrapper import encode_frame as wrap
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter

CLIENT_TITLE = b"CLI00001"
CHALLENGE = b"0123456789abcdef"
CONFORMANCE = 0x00FFFF
CIPHERED = {0xC0: 0xC8, 0xC1: 0xC9, 0xC3: 0xCB}
DECIPHERED = {0xCC: 0xC4, 0xCD: 0xC5, 0xCF: 0xC7}
INVOKE_ID = 0xC1
REPLY_TO_HLS = MethodDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 1)


class Closed(Exception):
    """The meter has hung up."""


class Aare(NamedTuple):
    """An AARE, by field."""

    result: int
    diagnostic: int
    fields: dict[int, bytes]


def field(tag: int, contents: bytes) -> bytes:
    """A BER field."""
    return bytes((tag,)) + encode_length(len(contents)) + contents


def initiate_request(conformance: int = CONFORMANCE, pdu_size: int = 0xFFFF, version: int = 6) -> bytes:
    """An InitiateRequest in plain."""
    conformance_block = b"\x5f\x1f\x04\x00" + conformance.to_bytes(3, "big")
    return b"\x01\x00\x00\x00" + bytes((version,)) + conformance_block + pdu_size.to_bytes(2, "big")


def aarq(
    information: bytes,
    *,
    context: int = 1,
    mechanism: int | None = None,
    value: bytes | None = None,
    title: bytes | None = None,
    extra: bytes = b"",
) -> bytes:
    """An AARQ."""
    contents = extra + field(0xA1, field(0x06, OBJECT_IDENTIFIER_PREFIX + bytes((1, context))))
    if title is not None:
        contents += field(0xA6, field(0x04, title))
    if mechanism is not None:
        contents += b"\x8a\x02\x07\x80" + field(0x8B, OBJECT_IDENTIFIER_PREFIX + bytes((2, mechanism)))
    if value is not None:
        contents += field(0xAC, field(0x80, value))
    return field(0x60, contents + field(0xBE, field(0x04, information)))


def parse_aare(apdu: bytes) -> Aare:
    """The AARE in ``apdu``."""
    assert apdu[0] == 0x61, apdu.hex()
    length, offset = decode_length(apdu, 1)
    assert offset + length == len(apdu)
    fields = {}
    while offset < len(apdu):
        size, start = decode_length(apdu, offset + 1)
        fields[apdu[offset]] = apdu[start : start + size]
        offset = start + size
    return Aare(fields[0xA2][2], fields[0xA3][4], fields)


def get_normal(
    descriptor: AttributeDescriptor, selector: int | None = None, parameters: Data | None = None
) -> bytes:
    """GET-Request-Normal."""
    return bytes((0xC0, 1, INVOKE_ID)) + reference(descriptor, selector, parameters)


def reference(
    descriptor: AttributeDescriptor, selector: int | None = None, parameters: Data | None = None
) -> bytes:
    """An attribute descriptor with optional selective access."""
    class_id, logical_name, attribute_id = descriptor
    encoded = class_id.to_bytes(2, "big") + logical_name + bytes((attribute_id,))
    if selector is None or parameters is None:
        return encoded + b"\x00"
    return encoded + bytes((1, selector)) + encode(parameters)


def get_with_list(descriptors: Sequence[AttributeDescriptor]) -> bytes:
    """GET-Request-With-List."""
    listed = b"".join(reference(descriptor) for descriptor in descriptors)
    return bytes((0xC0, 3, INVOKE_ID)) + encode_length(len(descriptors)) + listed


def set_normal(descriptor: AttributeDescriptor, data: Data) -> bytes:
    """SET-Request-Normal."""
    return bytes((0xC1, 1, INVOKE_ID)) + reference(descriptor) + encode(data)


def method_reference(descriptor: MethodDescriptor) -> bytes:
    """A method descriptor."""
    class_id, logical_name, method_id = descriptor
    return class_id.to_bytes(2, "big") + logical_name + bytes((method_id,))


def action_normal(descriptor: MethodDescriptor, parameter: Data | None = None) -> bytes:
    """ACTION-Request-Normal."""
    encoded = b"\x00" if parameter is None else b"\x01" + encode(parameter)
    return bytes((0xC3, 1, INVOKE_ID)) + method_reference(descriptor) + encoded


class RawClient:
    """A connection to a meter. ``counter`` is the next invocation counter; tests may set it to anything."""

    def __init__(
        self, simulator: SimulatorThread, meter: Meter, client_address: int = 1, counter: int = 1
    ) -> None:
        self.meter = meter
        self.client_address = client_address
        self.server_address = meter.logical_device_address
        self.counter = counter
        port = simulator.fleet.ports[meter.port_index]
        self.socket = socket.create_connection((simulator.host, port), 10)
        self.cipher: Cipher | None = None
        self.server_counters: list[int] = []
        self.decoder: WrapperDecoder | FrameDecoder
        self.hdlc = meter.framing is Framing.HDLC
        self.decoder = FrameDecoder() if self.hdlc else WrapperDecoder()
        self.send_number = self.receive_number = 0
        self.information_field = 128

    # Link

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def take_frame(self) -> Any:
        """The next frame of the link; Closed when there is none."""
        while (frame := self.decoder.take_frame()) is None:
            try:
                data = self.socket.recv(65_536)
            except ConnectionError as error:
                raise Closed from error
            if not data:
                raise Closed
            self.decoder.receive_data(data)
        return frame

    @property
    def _hdlc_addresses(self) -> tuple[bytes, bytes]:
        address = self.server_address
        server = bytes((address >> 7 << 1, (address & 0x7F) << 1, 0, 0x03))
        return server, bytes((self.client_address << 1 | 1,))

    def send_frame(self, control: int, information: bytes = b"", segmented: bool = False) -> None:
        """Send one HDLC frame."""
        server, client = self._hdlc_addresses
        self.socket.sendall(encode_frame(Frame(server, client, control, information, segmented)))

    def connect_hdlc(self, parameters: bytes = b"") -> Frame:
        """SNRM and its answer."""
        self.send_number = self.receive_number = 0
        self.send_frame(Control.SNRM, parameters)
        return self.take_frame()

    def send(self, apdu: bytes) -> None:
        """Send an APDU; over HDLC all its segments."""
        if not self.hdlc:
            self.socket.sendall(wrap(self.client_address, self.server_address, apdu))
            return
        octets = LLC_COMMAND + apdu
        size = self.information_field
        for start in range(0, len(octets), size):
            last = start + size >= len(octets)
            control = information_control(self.send_number, self.receive_number)
            self.send_frame(control, octets[start : start + size], not last)
            self.send_number = (self.send_number + 1) % 8
            if not last:
                ready = self.take_frame()
                assert ready.is_receive_ready
                assert ready.receive_number == self.send_number

    def receive(self) -> bytes:
        """Receive an APDU."""
        if not self.hdlc:
            frame = self.take_frame()
            assert (frame.source, frame.destination) == (self.server_address, self.client_address)
            return frame.apdu
        octets = b""
        while True:
            frame = self.take_frame()
            assert frame.is_information
            assert frame.send_number == self.receive_number
            self.receive_number = (self.receive_number + 1) % 8
            octets += frame.information
            if not frame.segmented:
                assert octets[:3] == LLC_RESPONSE
                return octets[3:]
            self.send_frame(receive_ready_control(self.receive_number))

    def exchange(self, apdu: bytes) -> bytes:
        """Send an APDU as it is and receive the answer as it is."""
        self.send(apdu)
        return self.receive()

    # Application

    def take_counter(self) -> int:
        """The invocation counter for the next ciphered APDU."""
        counter = self.counter
        self.counter += 1
        return counter

    def encipher(self, apdu: bytes, tag: int | None = None) -> bytes:
        """A ciphered request."""
        assert self.cipher is not None
        return self.cipher.encipher(tag or CIPHERED[apdu[0]], self.take_counter(), apdu)

    def decipher(self, apdu: bytes) -> bytes:
        """The plain answer in a ciphered one; anything else is returned as it is."""
        if self.cipher is None or apdu[0] not in DECIPHERED:
            return apdu
        deciphered = self.cipher.decipher(apdu)
        assert deciphered.apdu[0] == DECIPHERED[apdu[0]]
        self.server_counters.append(deciphered.invocation_counter)
        return deciphered.apdu

    def request(self, apdu: bytes) -> bytes:
        """Exchange a plain request, ciphered when the association is."""
        if self.cipher is None:
            return self.exchange(apdu)
        return self.decipher(self.exchange(self.encipher(apdu)))

    def make_cipher(self) -> Cipher:
        """A cipher with the meter's keys."""
        return Cipher(
            self.meter.key(KeyName.ENCRYPTION),
            self.meter.key(KeyName.AUTHENTICATION),
            CLIENT_TITLE,
            self.meter.system_title,
        )

    def open(self, pdu_size: int = 0xFFFF, conformance: int = CONFORMANCE) -> Aare:
        """Send the AARQ that the meter wants."""
        information = initiate_request(conformance, pdu_size)
        security = self.meter.security if self.client_address == 1 else Security.NONE
        if security is Security.NONE:
            request = aarq(information)
        elif security is Security.LLS:
            request = aarq(information, mechanism=1, value=self.meter.lls_password.encode())
        else:
            self.cipher = self.make_cipher()
            ciphered = self.cipher.encipher(0x21, self.take_counter(), information)
            request = aarq(ciphered, context=3, mechanism=5, value=CHALLENGE, title=CLIENT_TITLE)
        return parse_aare(self.exchange(request))

    def authenticate(self, aare: Aare) -> bytes:
        """The answer to the meter's challenge; what the meter returns to it."""
        assert self.cipher is not None
        assert aare.fields[0xA4][2:] == self.meter.system_title
        challenge = aare.fields[0xAA][2:]
        proof = self.cipher.answer_challenge(self.take_counter(), challenge)
        return self.request(action_normal(REPLY_TO_HLS, Data(9, proof)))

    def associate(self, pdu_size: int = 0xFFFF, conformance: int = CONFORMANCE) -> None:
        """Open an association, all the way."""
        if self.hdlc:
            assert self.connect_hdlc().control == Control.UA
        aare = self.open(pdu_size, conformance)
        assert aare.result == 0, aare
        if self.cipher is not None:
            answer = self.authenticate(aare)
            assert answer[:4] == bytes((0xC7, 1, INVOKE_ID, 0)), answer.hex()
            assert self.cipher.check_challenge(decode(answer[6:]).value, CHALLENGE) >= 0

    def release(self) -> bytes:
        """RLRQ and its answer."""
        return self.exchange(b"\x62\x03\x80\x01\x00")

    def get(
        self, descriptor: AttributeDescriptor, selector: int | None = None, parameters: Data | None = None
    ) -> Data:
        """One attribute, with block transfer as needed; AssertionError when it is refused."""
        answer = self.request(get_normal(descriptor, selector, parameters))
        if answer[1] == 2:
            return decode(self.collect(answer))
        assert answer[:4] == bytes((0xC4, 1, INVOKE_ID, 0)), answer.hex()
        return decode(answer[4:])

    def collect(self, answer: bytes) -> bytes:
        """The octets of a long GET whose first block is ``answer``."""
        collected, number = b"", 1
        while True:
            assert answer[:3] == bytes((0xC4, 2, INVOKE_ID)), answer.hex()
            assert int.from_bytes(answer[4:8], "big") == number
            assert answer[8] == 0, answer.hex()
            length, start = decode_length(answer, 9)
            assert start + length == len(answer)
            collected += answer[start:]
            if answer[3]:
                return collected
            answer = self.request(bytes((0xC0, 2, INVOKE_ID)) + number.to_bytes(4, "big"))
            number += 1

    def get_result(
        self, descriptor: AttributeDescriptor, selector: int | None = None, parameters: Data | None = None
    ) -> int:
        """The Data-Access-Result of a GET that is refused, 0 when it is not."""
        answer = self.request(get_normal(descriptor, selector, parameters))
        assert answer[:3] == bytes((0xC4, 1, INVOKE_ID)), answer.hex()
        return answer[4] if answer[3] else 0

    def set(self, descriptor: AttributeDescriptor, data: Data) -> int:
        """The Data-Access-Result of a SET."""
        answer = self.request(set_normal(descriptor, data))
        assert answer[:3] == bytes((0xC5, 1, INVOKE_ID)), answer.hex()
        return answer[3]

    def action(self, descriptor: MethodDescriptor, parameter: Data | None = None) -> int:
        """The Action-Result of an ACTION."""
        answer = self.request(action_normal(descriptor, parameter))
        assert answer[:3] == bytes((0xC7, 1, INVOKE_ID)), answer.hex()
        return answer[3]


def list_results(answer: bytes) -> list[Data | int]:
    """The results in a GET-Response-With-List (from its count on): data, or the reason why there is none."""
    count, offset = decode_length(answer, 0)
    results: list[Data | int] = []
    for _ in range(count):
        if answer[offset]:
            results.append(answer[offset + 1])
            offset += 2
        else:
            data, offset = decode_from(answer, offset + 1)
            results.append(data)
    assert offset == len(answer)
    return results


@contextmanager
def connected(
    simulator: SimulatorThread, meter: Meter, client_address: int = 1, counter: int | None = None
) -> Iterator[RawClient]:
    """A client with the next counter that the meter takes, hung up in the end."""
    if counter is None:
        counter = meter.memory.counters.highest + 1
    client = RawClient(simulator, meter, client_address, counter)
    try:
        yield client
    finally:
        client.close()
