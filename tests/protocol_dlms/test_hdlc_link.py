"""Sessions over HDLC: the data link, segments both ways, and peers that get it wrong."""

import socket
from collections.abc import Callable

import pytest

from osgp.protocol_dlms import Data, DataType, Framing, Limits, Meter, MeterAddress, Security, errors
from osgp.protocol_dlms.transport.hdlc_link import HdlcLink
from tests.protocol_dlms.hdlc_peers import DM, LLC, RR, UA, HdlcMeter, frame, receive_frame
from tests.protocol_dlms.hdlc_scripts import AARE, QUICK, Scripted, Step, receive_octets
from tests.protocol_dlms.peers import Peer, aare, initiate_response
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


@pytest.mark.parametrize(
    ("limits", "proposed"),
    [
        (Limits(), "8180140502040006020400070400000001080400000001"),
        (
            Limits(hdlc_information_size=300, hdlc_window=5),
            "8180140502012c0602012c070400000005080400000005",
        ),
    ],
)
def test_the_set_up_always_has_parameters(limits: Limits, proposed: str) -> None:
    meter_side = HdlcMeter(Echo())
    with session(meter_side, hls=False, hdlc=True, limits=limits):
        pass
    assert meter_side.snrm.hex() == proposed


def test_segments_are_no_longer_than_proposed() -> None:
    """The meter would take 2030 octets, but perhaps not what lies between."""
    meter_side = HdlcMeter(Echo(), parameters=bytes.fromhex("818008050207ee060207ee"))
    with session(meter_side, hls=False, hdlc=True, limits=Limits(hdlc_information_size=200)) as meter:
        meter.set(ENERGY, LONG)
    assert meter_side.longest_information == 200


def instead_of(number: int, octets: bytes) -> Callable[[int, bytes], bytes]:
    """Frame 0 is the UA, 1 the AARE, 2 the first answer."""
    return lambda index, proper: octets if index == number else proper


ANSWER = LLC + bytes.fromhex("c401c1001105")
PROPER = frame(0x52, ANSWER)

BROKEN = {
    "no LLC": frame(0x52, ANSWER[3:]),
    "LLC of a command": frame(0x52, b"\xe6\xe6\x00" + ANSWER[3:]),
    "LLC and nothing else": frame(0x52, LLC),
    "an empty frame": frame(0x52),
    "an empty segment": frame(0x52, segmented=True),
    "a control field that does not exist": frame(0x19),
    "noise without end": bytes(20_000),
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN.keys())
def test_answers_that_nothing_mends(octets: bytes) -> None:
    """What gateways do to frames is in test_hdlc_recovery; here it is the meter itself that is wrong."""
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


REQUEST_SEGMENTS = [0x30 | number << 1 for number in range(1, 7)]
"""With the poll bit; N(R) 1, since the AARE was received."""


def without_poll(control: int) -> int:
    return control & ~0x10


def test_windows_up_to_what_the_meter_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blue Book, class 23: windows are 1 to 7. Only the last frame of a window has the poll bit."""
    monkeypatch.setattr(HdlcLink, "pace", QUICK)
    one, two, three, four, five, six = REQUEST_SEGMENTS
    steps: list[Step] = [
        ((without_poll(one), without_poll(two), three), frame(RR | 4 << 5)),
        ((without_poll(four), without_poll(five), six), frame(0xF2, LLC + bytes.fromhex("c501c100"))),
    ]
    meter_side = Scripted(steps, bytes.fromhex("81800c 070400000005 080400000003"))
    limits = Limits(hdlc_window=7)
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED, limits=limits) as meter:
        meter.set(ENERGY, LONG)
    assert meter_side.finished


def test_what_gets_lost_in_a_window_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """RR acknowledges all frames before its number; the others are sent again, and nothing else."""
    monkeypatch.setattr(HdlcLink, "pace", QUICK)
    one, two, three, four, five, six = REQUEST_SEGMENTS
    steps: list[Step] = [
        ((without_poll(one), without_poll(two), without_poll(three), four), frame(RR | 3 << 5)),
        ((without_poll(three), four), frame(RR | 5 << 5)),
        ((without_poll(five), six), b""),
        (RR | 1 << 5, frame(0x15 | 6 << 5)),  # RNR: it has the fifth
        (RR | 1 << 5, frame(RR | 6 << 5)),
        (six, frame(0xF2, LLC + bytes.fromhex("c501c100"))),
    ]
    meter_side = Scripted(steps, bytes.fromhex("818006 080400000004"))
    limits = Limits(hdlc_window=4)
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED, limits=limits) as meter:
        meter.set(ENERGY, LONG)
    assert meter_side.finished


def test_a_meter_that_waits_at_the_end_of_its_window_without_saying_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen in the field: the last frame of the window lacks the final bit."""
    monkeypatch.setattr(HdlcLink, "pace", QUICK)
    steps: list[Step] = [
        (0x32, frame(0x42, ANSWER[:4], segmented=True) + frame(0x44, ANSWER[4:5], segmented=True)),
        (RR | 3 << 5, frame(0x56, ANSWER[5:])),
    ]
    meter_side = Scripted(steps, bytes.fromhex("818006 070400000002"))
    limits = Limits(hdlc_window=2)
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED, limits=limits) as meter:
        assert meter.get(ENERGY) == Data(DataType.UNSIGNED, 5)


ADDRESSES = [
    ({}, "03"),
    ({"server_address_length": 2, "server_lower_address": 17}, "0223"),
    ({"server_lower_address": 17}, "0223"),
    ({"server_lower_address": 1234}, "000212a5"),
    ({"server_address_length": 4, "server_lower_address": 17}, "00020023"),
    ({"server_address_length": 4}, "00020001"),
]


@pytest.mark.parametrize(("settings", "server"), ADDRESSES)
@pytest.mark.parametrize("answers_in_short", [False, True])
def test_addresses_of_the_meter(settings: dict[str, int], server: str, answers_in_short: bool) -> None:
    """Green Book 8.4.2: upper and lower address in 1, 2 or 4 octets. The meter may choose another length."""
    octets = bytes.fromhex(server)
    lower = settings.get("server_lower_address")
    source = octets
    if answers_in_short:
        source = bytes((2, lower << 1 | 1)) if lower and lower < 127 else octets

    def talk(connection: socket.socket) -> None:
        for control, information in ((UA, b""), (0x30, AARE), (0x52, ANSWER)):
            assert receive_octets(connection)[3:].startswith(octets + b"\x03")
            strangers = [source[:-1] + bytes((source[-1] ^ 2,))] if lower else []
            if len(source) > 1:
                strangers.append(bytes((source[0] ^ 2,)) + source[1:])
            connection.sendall(b"".join(frame(DM, server=stranger) for stranger in strangers))
            connection.sendall(frame(control, information, server=source))

    with (
        Peer(talk) as peer,
        Meter.connect(
            MeterAddress("127.0.0.1", peer.port, framing=Framing.HDLC, **settings),
            security=Security.NONE,
            deadlines=UNRELEASED,
        ) as meter,
    ):
        assert meter.get(ENERGY) == Data(DataType.UNSIGNED, 5)


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
