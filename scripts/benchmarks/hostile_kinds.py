"""The kinds of hostile meters, by what they are hostile with: the line, the services, or the values."""

import asyncio
import itertools
import socket
import struct
from typing import ClassVar

from osgp.catalogue.communication import Framing
from osgp.simulator.codec import hdlc, responses
from osgp.simulator.codec.acse import encode_release_response
from osgp.simulator.codec.axdr import DataType, encode_length, octet_string
from osgp.simulator.codec.exceptions import ServiceError, StateError, encode_exception_response
from osgp.simulator.codec.hdlc import Control, Frame, FrameDecoder
from osgp.simulator.codec.notifications import encode_data_notification
from osgp.simulator.codec.requests import AttributeReference, GetNextRequest, GetRequest, Request
from osgp.simulator.codec.results import DataAccessResult
from osgp.simulator.codec.wrapper import HEADER, VERSION, WrapperFrame, encode_frame
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from osgp.simulator.services import NotAllowed
from osgp.simulator.session import Session
from scripts.benchmarks.hostile_line import GETS, HostileServices, Kind, Line, Measure, Silence

_RESET = struct.pack("ii", 1, 0)
_GLO_GET_RESPONSE = 0xCC
_CHUNK = 16 * 1024
_NESTED = b"\x02\x01" * 14 + b"\x00"
MOST_ELEMENTS = 249_999
"""Elements that are taken of one value."""
_RIGHTS = 20
_LISTED = (
    bytes.fromhex("0204 120003 1100 0906 0100010800ff 0202 01")
    + bytes((_RIGHTS,))
    + bytes.fromhex("0203 0f02 1601 00") * _RIGHTS
    + bytes.fromhex("0100")
)
"""A register with the same right again and again."""
_ELEMENTS_OF_LISTED = 1 + 4 + 2 + 4 * _RIGHTS
MOST_LISTED_ELEMENTS = 49_999
"""Elements that are taken of a list of objects."""


# The line


class Silent(Kind):
    """Accepts, reads and says nothing."""

    async def talk(self, line: Line) -> None:
        await line.wait_for_end()


class ZeroWindow(Kind):
    """Accepts, and never reads what it is sent."""

    async def talk(self, line: Line) -> None:
        line.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        assert isinstance(line.writer.transport, asyncio.Transport)
        line.writer.transport.pause_reading()
        # Who does not read does not notice that the client has hung up.
        await asyncio.sleep(60 * self.measure.seconds_per_octet)


class FullBacklog(Kind):
    """Never accepts: the system's queue of connections is full."""

    accepts: ClassVar[bool] = False


class ClosesAfterAccept(Kind):
    """Closes the connection as soon as there is one."""

    async def talk(self, line: Line) -> None:
        line.writer.close()


class Banner(Kind):
    """Is no meter but a text service, which greets."""

    async def talk(self, line: Line) -> None:
        await line.send(b"220 mail.example.com ESMTP ready\r\n")
        await line.wait_for_end()


class DripAare(Kind):
    """Sends a valid AARE, and all other answers, octet by octet."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        await line.drip(encode_frame(frame.destination, frame.source, answer))


class DripLongAnswer(Kind):
    """Announces an APDU of 65,535 octets, which comes octet by octet."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        if frame.apdu[:1] in GETS:
            await line.send(HEADER.pack(VERSION, frame.destination, frame.source, 0xFFFF))
            await line.drip(answer + bytes(0xFFFF - len(answer)))
        else:
            await super().send(line, session, frame, answer)


class ResetsMidAnswer(Kind):
    """Sends half of an answer and resets the connection."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        if frame.apdu[:1] in GETS:
            await line.send(encode_frame(frame.destination, frame.source, answer)[: len(answer) // 2])
            line.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            line.writer.transport.abort()
        else:
            await super().send(line, session, frame, answer)


class HdlcNotReady(Kind):
    """Opens an HDLC data link, and is not ready (RNR) whenever it is asked."""

    framing: ClassVar[Framing] = Framing.HDLC

    async def talk(self, line: Line) -> None:
        decoder = FrameDecoder()
        while octets := await line.reader.read(_CHUNK):
            decoder.receive_data(octets)
            while (frame := decoder.take_frame()) is not None:
                await self.answer(line, frame)

    async def answer(self, line: Line, frame: Frame) -> None:
        """UA to SNRM and DISC, RNR to all else."""
        if frame.control in (Control.SNRM, Control.DISC):
            granted = hdlc.encode_parameters(hdlc.decode_parameters(frame.information).agree(512))
            information = granted if frame.control == Control.SNRM else b""
            answer = Frame(frame.source, frame.destination, Control.UA, information)
            await line.send(hdlc.encode_frame(answer))
        else:
            await line.send(self.make_not_ready(frame))

    @staticmethod
    def make_not_ready(frame: Frame) -> bytes:
        """RNR, which acknowledges an I frame."""
        number = (frame.send_number + 1) % 8 if frame.is_information else frame.receive_number
        control = hdlc.receive_not_ready_control(number)
        return hdlc.encode_frame(Frame(frame.source, frame.destination, control))


class HdlcNotReadyFlood(HdlcNotReady):
    """Opens an HDLC data link, and says without end that it is not ready (RNR)."""

    async def answer(self, line: Line, frame: Frame) -> None:
        if frame.is_information:
            await line.flood(self.make_not_ready(frame) * 100)
        else:
            await super().answer(line, frame)


class HdlcNoise(Kind):
    """Sends octets without end that are no HDLC frames."""

    framing: ClassVar[Framing] = Framing.HDLC

    async def talk(self, line: Line) -> None:
        await line.flood(b"\x55" * _CHUNK)


# The services


class SilentAtGet(Kind):
    """Opens an association, and does not answer a request."""

    def respond(self, services: HostileServices, request: Request) -> bytes:
        raise Silence


class EndlessBlocks(Kind):
    """Answers in blocks of one octet, none of which is the last one."""

    def respond(self, services: HostileServices, request: Request) -> bytes:
        if not isinstance(request, GetRequest | GetNextRequest):
            return services.answer(request)
        return responses.get_block(request.invoke_id, False, self.find_number(request), b"\x09")

    @staticmethod
    def find_number(request: GetRequest | GetNextRequest) -> int:
        """The number of the block that is asked for."""
        return request.block_number + 1 if isinstance(request, GetNextRequest) else 1


class SlowBlocks(EndlessBlocks):
    """As endless blocks, each after a wait that is almost too long."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        if frame.apdu[:1] in GETS:
            await asyncio.sleep(self.measure.seconds_per_block)
        await super().send(line, session, frame, answer)


class SameBlockNumber(EndlessBlocks):
    """Sends the first block again and again."""

    @staticmethod
    def find_number(request: GetRequest | GetNextRequest) -> int:
        return 1


class LateAnswers(Kind):
    """Answers, authentic and without end, with the invoke id of a former request."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        association = session.association
        if frame.apdu[:1] in GETS and association is not None and association.cipher is not None:
            # The answer to the first request of the association, the proof of keys, had 1.
            late = responses.get_normal(0xC1, b"\x00")
            while True:
                counter = session.meter.memory.take_server_counter()
                sealed = association.cipher.encipher(_GLO_GET_RESPONSE, counter, late)
                await super().send(line, session, frame, sealed)
        await super().send(line, session, frame, answer)


class NotificationFlood(Kind):
    """Sends data-notifications without end instead of an answer."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        if frame.apdu[:1] in GETS:
            notification = encode_data_notification(1, b"", octet_string(bytes(32)))
            await line.flood(encode_frame(frame.destination, frame.source, notification) * 100)
        await super().send(line, session, frame, answer)


class ExceptionsOnly(Kind):
    """Answers all requests with an exception-response that declines this one only."""

    def respond(self, services: HostileServices, request: Request) -> bytes:
        raise NotAllowed(ServiceError.OTHER_REASON)


class AccessDenied(Kind):
    """Refuses access to each attribute."""

    def read(self, reference: AttributeReference) -> DataAccessResult:
        return DataAccessResult.READ_WRITE_DENIED


class ReleasesUnasked(Kind):
    """Answers a request with the end of the association, and hangs up; the next call begins anew."""

    async def send(self, line: Line, session: Session, frame: WrapperFrame, answer: bytes) -> None:
        if frame.apdu[:1] in GETS:
            await super().send(line, session, frame, encode_release_response())
            line.writer.close()
        else:
            await super().send(line, session, frame, answer)


class WrongTag(Kind):
    """Ciphered answers have a wrong authentication tag."""

    faults: ClassVar[tuple[FaultKind, ...]] = (FaultKind.WRONG_TAG,)


class ReplayedCounter(Kind):
    """Ciphered answers have an invocation counter that was used before."""

    faults: ClassVar[tuple[FaultKind, ...]] = (FaultKind.REPLAYED_COUNTER,)


class CounterTooLow(Kind):
    """Says to each association request that it expects a higher invocation counter."""

    def __init__(self, measure: Measure) -> None:
        super().__init__(measure)
        self._expected = itertools.count(1_000_000, 1_000)

    def refuse_association(self, meter: Meter) -> bytes:
        return encode_exception_response(
            StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, next(self._expected)
        )


# The values


class _Value(Kind):
    """Has the same value in each attribute."""

    def __init__(self, measure: Measure) -> None:
        super().__init__(measure)
        self._value = self.make_value(measure.value_octets)

    def make_value(self, octets: int) -> bytes:
        """The encoded value, of about so many octets at most."""
        raise NotImplementedError

    def read(self, reference: AttributeReference) -> bytes:
        return self._value


def _with_length(tag: DataType, length: int, octets: bytes) -> bytes:
    return bytes((tag,)) + encode_length(length) + octets


class CompactArray(_Value):
    """Has compact arrays of 13 octets whose type description promises 248,000 elements."""

    def make_value(self, octets: int) -> bytes:
        return bytes.fromhex("13 0202 0101f0 0101f3 00 11 01 00")


class BitString(_Value):
    """Has bit-strings of 32 million bits."""

    def make_value(self, octets: int) -> bytes:
        return _with_length(DataType.BIT_STRING, 8 * octets, bytes(octets))


class Nulls(_Value):
    """Has arrays of a quarter of a million times nothing."""

    def make_value(self, octets: int) -> bytes:
        number = min(octets, MOST_ELEMENTS)
        return _with_length(DataType.ARRAY, number, bytes(number))


class Nesting(_Value):
    """Has arrays of structures within structures, as deep and as many as there may be."""

    def make_value(self, octets: int) -> bytes:
        number = min(octets, MOST_ELEMENTS) // len(_NESTED)
        return _with_length(DataType.ARRAY, number, _NESTED * number)


class BottomlessNesting(_Value):
    """Has structures within structures, without a bottom."""

    def make_value(self, octets: int) -> bytes:
        return b"\x02\x01" * 30_000 + b"\x00"


class HugeObjectList(_Value):
    """Has lists of objects in which all is right: as many, with as many rights, as there may be."""

    def make_value(self, octets: int) -> bytes:
        number = min(octets // len(_LISTED), MOST_LISTED_ELEMENTS // _ELEMENTS_OF_LISTED)
        return _with_length(DataType.ARRAY, number, _LISTED * number)


class LongString(_Value):
    """Has octet-strings of 4 MiB."""

    def make_value(self, octets: int) -> bytes:
        return _with_length(DataType.OCTET_STRING, octets, bytes(octets))


class HugeLength(Kind):
    """Announces octet-strings of 4 GiB, and arrays of as many elements."""

    def read(self, reference: AttributeReference) -> bytes:
        tag = DataType.ARRAY if reference.descriptor.attribute_id % 2 else DataType.OCTET_STRING
        return bytes((tag,)) + b"\x84\xff\xff\xff\xff" + bytes(16)


KINDS: tuple[type[Kind], ...] = (
    Silent,
    ZeroWindow,
    FullBacklog,
    ClosesAfterAccept,
    Banner,
    DripAare,
    DripLongAnswer,
    ResetsMidAnswer,
    HdlcNotReady,
    HdlcNotReadyFlood,
    HdlcNoise,
    SilentAtGet,
    EndlessBlocks,
    SlowBlocks,
    SameBlockNumber,
    LateAnswers,
    NotificationFlood,
    ExceptionsOnly,
    AccessDenied,
    ReleasesUnasked,
    WrongTag,
    ReplayedCounter,
    CounterTooLow,
    CompactArray,
    BitString,
    Nulls,
    Nesting,
    BottomlessNesting,
    HugeObjectList,
    LongString,
    HugeLength,
)
