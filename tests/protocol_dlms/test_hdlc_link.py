"""Sessions over HDLC: the data link, segments both ways, and peers that get it wrong."""

import socket
from collections.abc import Callable

import pytest

from osgp.protocol_dlms import Data, DataType, Limits, errors
from tests.protocol_dlms.hdlc_peers import DM, LLC, RR, UA, HdlcMeter, frame, receive_frame
from tests.protocol_dlms.peers import aare, initiate_response
from tests.protocol_dlms.sessions import ENERGY, UNRELEASED, session

LONG = Data(DataType.OCTET_STRING, bytes(index % 251 for index in range(700)))


class Echo:
    """Keeps what is set, and gives it back."""

    kept = b""

    def __call__(self, request: bytes) -> bytes:
        if request[0] == 0xC1:
            self.kept = request[13:]
            return b"\xc5\x01" + request[2:3] + b"\x00"
        return b"\xc4\x01" + request[2:3] + b"\x00" + self.kept


PARAMETERS = bytes.fromhex("818014 05020080 06020080 070400000001 080400000001".replace(" ", ""))


@pytest.mark.parametrize("segment", [4, 20, 128, 1024])
@pytest.mark.parametrize("window", [1, 3])
def test_values_in_any_segments(segment: int, window: int) -> None:
    meter_side = HdlcMeter(Echo(), segment=segment, window=window)
    with session(meter_side, hls=False, hdlc=True) as meter:
        for _ in range(3):
            meter.set(ENERGY, LONG)
            assert meter.get(ENERGY) == LONG
    assert meter_side.said_goodbye


@pytest.mark.parametrize(
    ("parameters", "longest"),
    [
        (b"", 128),
        (PARAMETERS, 128),
        (bytes.fromhex("818003060140"), 64),
        (bytes.fromhex("81800406020200"), 512),
        (bytes.fromhex("8180040602ffff"), 1024),
    ],
    ids=["none", "default", "64", "512", "much"],
)
def test_segments_are_no_longer_than_the_meter_takes(parameters: bytes, longest: int) -> None:
    meter_side = HdlcMeter(Echo(), parameters=parameters)
    with session(meter_side, hls=False, hdlc=True) as meter:
        meter.set(ENERGY, LONG)
        assert meter.get(ENERGY) == LONG
    assert meter_side.longest_information == min(longest, 3 + 13 + 3 + 701)


def test_the_set_up_always_has_parameters() -> None:
    meter_side = HdlcMeter(Echo())
    with session(meter_side, hls=False, hdlc=True):
        pass
    assert meter_side.snrm.hex() == "8180140502040006020400070400000001080400000001"


def test_a_data_link_that_is_refused() -> None:
    def talk(connection: socket.socket) -> None:
        receive_frame(connection)
        connection.sendall(frame(DM))
        connection.recv(1)

    with pytest.raises(errors.ConnectionEstablishError) as failure, session(talk, hls=False, hdlc=True):
        pass
    assert failure.value.code == 228


def instead_of(number: int, octets: bytes) -> Callable[[int, bytes], bytes]:
    """Frame 0 is the UA, 1 the AARE, 2 the first answer."""
    return lambda index, proper: octets if index == number else proper


ANSWER = LLC + bytes.fromhex("c401c1001105")
PROPER = frame(0x52, ANSWER)

BROKEN = {
    "no frame at all": b"garbage, surely not HDLC",
    "another format type": b"\x7e\x90" + PROPER[2:],
    "a length of nothing": b"\x7e\xa0\x00" + PROPER[3:],
    "a length too long": b"\x7e\xa7\xff" + bytes(3000),
    "no closing flag": PROPER[:-1] + b"\x00",
    "flipped in the header": PROPER[:4] + bytes((PROPER[4] ^ 1,)) + PROPER[5:],
    "flipped in the information": PROPER[:-5] + bytes((PROPER[-5] ^ 1,)) + PROPER[-4:],
    "for another client": frame(0x52, ANSWER, client=b"\x05"),
    "from another server": frame(0x52, ANSWER, server=b"\x05"),
    "from a server with a longer address": frame(0x52, ANSWER, server=b"\x02\x03"),
    "another send sequence number": frame(0x54, ANSWER),
    "another receive sequence number": frame(0x32, ANSWER),
    "no LLC": frame(0x52, ANSWER[3:]),
    "LLC of a command": frame(0x52, b"\xe6\xe6\x00" + ANSWER[3:]),
    "LLC and nothing else": frame(0x52, LLC),
    "an empty frame": frame(0x52),
    "an empty segment": frame(0x52, segmented=True),
    "receive ready": frame(RR | 2 << 5),
    "unnumbered acknowledgement": frame(UA),
    "flags without end": b"\x7e" * 1000,
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN.keys())
def test_broken_frames(octets: bytes) -> None:
    meter_side = HdlcMeter(Echo(), tamper=instead_of(2, octets))
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        with pytest.raises(errors.IllegalResponse) as failure:
            meter.get(ENERGY)
        assert failure.value.code == 232
        assert not meter.is_open


def test_the_proper_frame_that_the_broken_ones_derive_from() -> None:
    for octets in (PROPER, b"\x7e" * 5 + PROPER):
        meter_side = HdlcMeter(Echo(), tamper=instead_of(2, octets))
        with session(meter_side, hls=False, hdlc=True) as meter:
            assert meter.get(ENERGY) == Data(DataType.UNSIGNED, 5)


def test_a_data_link_that_the_meter_ends() -> None:
    meter_side = HdlcMeter(Echo(), tamper=instead_of(2, frame(DM)))
    with session(meter_side, hls=False, hdlc=True) as meter, pytest.raises(errors.SocketClosedByRemote):
        meter.get(ENERGY)


def test_no_acknowledgement_of_the_set_up() -> None:
    for octets in (PROPER, frame(RR)):
        meter_side = HdlcMeter(Echo(), tamper=instead_of(0, octets))
        with pytest.raises(errors.IllegalResponse), session(meter_side, hls=False, hdlc=True):
            pass


def test_no_leave_for_the_next_segment() -> None:
    for octets in (frame(RR), frame(0x15), PROPER):
        meter_side = HdlcMeter(Echo(), tamper=instead_of(2, octets))
        with session(meter_side, hls=False, hdlc=True) as meter, pytest.raises(errors.IllegalResponse):
            meter.set(ENERGY, LONG)


def test_segments_without_end_stop_at_the_limit() -> None:
    def talk(connection: socket.socket) -> None:
        receive_frame(connection)
        connection.sendall(frame(UA))
        receive_frame(connection)
        connection.sendall(frame(0x30, LLC + aare(initiate_response())))
        receive_frame(connection)
        sequence = 1
        while True:
            connection.sendall(frame(0x40 | sequence << 1, bytes(1000), segmented=True))
            sequence = (sequence + 1) & 7

    with session(talk, hls=False, hdlc=True, limits=Limits(apdu_size=5000)) as meter:
        with pytest.raises(errors.ReplyTooLarge):
            meter.get(ENERGY)
        assert meter.statistics.bytes_received < 40_000
