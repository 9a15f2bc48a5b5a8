"""What serial gateways do to frames, and how the link gets on (ISO/IEC 13239, normal response mode).

Each was seen in the field, unless it names its source.
"""

import socket
from collections.abc import Callable
from itertools import count

import pytest

from osgp.protocol_dlms import Data, DataType, Deadlines, Line, errors
from osgp.protocol_dlms.transport import hdlc_reader
from osgp.protocol_dlms.transport.hdlc_link import HdlcLink
from tests.protocol_dlms.hdlc_peers import DISC, DM, RR, SNRM, UA, frame
from tests.protocol_dlms.hdlc_scripts import AARE, ANSWER, PROPER, QUICK, Scripted, Step, receive_octets
from tests.protocol_dlms.sessions import ENERGY, UNRELEASED, session

SECOND_ANSWER = ANSWER.replace(b"\xc4\x01\xc1", b"\xc4\x01\xc2")
FIVE = Data(DataType.UNSIGNED, 5)
REQUEST = 0x32
POLL = 0x31
"""RR(1) with the poll bit: the answer to the request has not come."""
RNR, FRMR, UI = 0x15, 0x97, 0x13
SEEN_BEFORE = frame(0x30, AARE)
DAMAGED = PROPER[:-3] + bytes((PROPER[-3] ^ 1,)) + PROPER[-2:]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HdlcLink, "pace", QUICK)


def echo(octets: bytes) -> bytes:
    return octets + PROPER


RECOVERED: dict[str, list[Step]] = {
    "an answer that got lost": [(REQUEST, b""), (POLL, PROPER)],
    "a request that got lost": [(REQUEST, b""), (POLL, frame(RR | 1 << 5)), (REQUEST, PROPER)],
    "a request and a poll that got lost": [(REQUEST, b""), (POLL, b""), (REQUEST, PROPER)],
    "a wrong FCS": [(REQUEST, DAMAGED), (POLL, PROPER)],
    "a wrong FCS, and again": [(REQUEST, DAMAGED), (POLL, DAMAGED), (REQUEST, PROPER)],
    "a wrong HCS": [(REQUEST, PROPER[:4] + bytes((PROPER[4] ^ 1,)) + PROPER[5:]), (POLL, PROPER)],
    "an impossible length": [(REQUEST, b"\x7e\xa0\x00" + PROPER[3:]), (POLL, PROPER)],
    "another format type": [(REQUEST, b"\x7e\x90" + PROPER[2:]), (POLL, PROPER)],
    "no closing flag": [(REQUEST, PROPER[:-1] + b"\x00"), (POLL, PROPER)],
    "a frame cut short": [(REQUEST, PROPER[:-6]), (POLL, PROPER)],
    "noise": [(REQUEST, b"\x00\xff\x55AT\r\n" + PROPER)],
    "noise with flags": [(REQUEST, b"\x7e\xa0\x7e\x7e\xa1" + PROPER)],
    "noise like the start of a long frame": [(REQUEST, b"\x7e\xa7\xff\x03" + PROPER)],
    "idle flags": [(REQUEST, b"\x7e" * 1000 + PROPER)],
    "a damaged frame before": [(REQUEST, DAMAGED + PROPER)],
    "its own echo": [(REQUEST, echo)],
    "a frame of before": [(REQUEST, SEEN_BEFORE + PROPER)],
    "only the frame of before": [(REQUEST, SEEN_BEFORE), (POLL, PROPER)],
    "the request acknowledged first": [(REQUEST, frame(RR | 2 << 5)), (POLL, PROPER)],
    "the request acknowledged, and answered unasked": [(REQUEST, frame(RR | 2 << 5) + PROPER)],
    "an acknowledgement of before": [(REQUEST, frame(RR | 1 << 5) + PROPER)],
    "not ready": [
        (REQUEST, frame(RNR | 2 << 5)),
        (POLL, frame(RNR | 2 << 5)),
        (POLL, frame(RR | 2 << 5)),
        (POLL, PROPER),
    ],
    "not ready for the request": [
        (REQUEST, frame(RNR | 1 << 5)),
        (POLL, frame(RR | 1 << 5)),
        (REQUEST, PROPER),
    ],
    "for another client": [(REQUEST, frame(0x52, ANSWER, client=b"\x05") + PROPER)],
    "from another server": [(REQUEST, frame(0x52, ANSWER, server=b"\x05") + PROPER)],
    "from a lower address": [(REQUEST, frame(0x52, ANSWER, server=b"\x02\x23"))],
    "from a long address": [(REQUEST, frame(0x52, ANSWER, server=b"\x00\x02\x00\x23"))],
    "an acknowledgement of the set-up": [(REQUEST, frame(UA) + PROPER)],
    "a number that is not due": [(REQUEST, frame(0x54, ANSWER)), (POLL, PROPER)],
    "an acknowledgement of what was not sent": [(REQUEST, frame(RR | 5 << 5)), (POLL, PROPER)],
}


@pytest.mark.parametrize("steps", RECOVERED.values(), ids=RECOVERED.keys())
def test_the_answer_comes_all_the_same(steps: list[Step]) -> None:
    meter_side = Scripted(steps)
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        assert meter.get(ENERGY) == FIVE
        assert meter.statistics.round_trips == 2
    assert meter_side.finished


def test_a_frame_is_sent_again_octet_for_octet() -> None:
    """Ciphered again, it would take another invocation counter; with another number, it is done twice."""
    meter_side = Scripted(RECOVERED["a request and a poll that got lost"])
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        meter.get(ENERGY)
    assert meter_side.heard[2] == meter_side.heard[4]


def test_frames_that_are_left_over_do_no_harm_to_the_next_request() -> None:
    steps: list[Step] = [(REQUEST, PROPER * 3), (0x54, frame(0x74, SECOND_ANSWER))]
    with session(Scripted(steps), hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        assert meter.get(ENERGY) == meter.get(ENERGY) == FIVE


def test_an_echo_with_equal_addresses_of_client_and_meter() -> None:
    """The echo of our RR has the octets of the meter's: known by the echo of SNRM, it counts as none."""
    ready = frame(RR | 1 << 5)

    def talk(connection: socket.socket) -> None:
        for due, reply in (
            (0x93, frame(UA)),
            (0x10, frame(0x30, AARE)),
            (REQUEST, b""),
            (POLL, ready),  # the meter lacks the request
            (REQUEST, PROPER),
        ):
            octets = receive_octets(connection)
            assert octets[5] == due
            assert due != POLL or octets == ready
            connection.sendall(octets + reply)

    with session(talk, hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        assert meter.get(ENERGY) == FIVE


def test_segments_that_get_lost() -> None:
    first, second, third = ANSWER[:4], ANSWER[4:7], ANSWER[7:]
    steps: list[Step] = [
        (REQUEST, frame(0x52, first, segmented=True)),
        (RR | 2 << 5, b""),
        (RR | 2 << 5, frame(0x52, first, segmented=True) + frame(0x54, second, segmented=True)),
        (RR | 3 << 5, frame(0x56, third)),
    ]
    with session(Scripted(steps), hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        assert meter.get(ENERGY) == FIVE


def test_a_window_of_the_meter_in_which_a_frame_gets_lost() -> None:
    first, second, third = ANSWER[:4], ANSWER[4:7], ANSWER[7:]
    steps: list[Step] = [
        (REQUEST, frame(0x42, first, segmented=True) + frame(0x56, third)),
        (RR | 2 << 5, frame(0x44, second, segmented=True) + frame(0x56, third)),
    ]
    with session(Scripted(steps), hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        assert meter.get(ENERGY) == FIVE


def test_unsolicited_apdus_in_ui_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdlc_reader, "MOST_UNSOLICITED", 5)
    line, heard = Line(), []
    line.on_notification = heard.append
    notification = bytes.fromhex("0f00000001000905")
    ui = frame(UI, b"\xe6\xe7\x00" + notification)
    halves = frame(0x03, b"\xe6\xe7\x00\x0f\x01", segmented=True) + frame(UI, b"\x02")
    endless = frame(0x03, bytes(2000), segmented=True) * 33 + frame(UI, b"\x01")
    others = frame(UI, b"\xe6\xe7\x00\x0f", client=b"\x05") + frame(UI, b"\xe6\xe7\x00\x0f", server=b"\x05")
    meter_side = Scripted([(REQUEST, ui + halves + endless + others + PROPER), (0x54, ui * 20 + b"\x7e")])
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED, line=line) as meter:
        assert meter.get(ENERGY) == FIVE
        assert heard == [notification, b"\x0f\x01\x02"]
        with pytest.raises(errors.SocketClosedByRemote):
            meter.get(ENERGY)
        # The link holds no more than so many of twenty.
        assert heard[2:] == [notification] * 5


# The set-up


def opening(*steps: Step) -> Scripted:
    meter_side = Scripted([])
    meter_side.steps = [*steps, *meter_side.steps[1:], *RECOVERED["its own echo"]]
    return meter_side


GRANTED: dict[str, list[Step]] = {
    "DM first": [(SNRM, frame(DM)), (DISC, frame(UA)), (SNRM, frame(UA))],
    "DM to both": [(SNRM, frame(DM)), (DISC, frame(DM)), (SNRM, frame(UA))],
    "no answer": [(SNRM, b""), (DISC, frame(DM)), (SNRM, frame(UA))],
    "no answer to both": [(SNRM, b""), (DISC, b""), (SNRM, frame(UA))],
    "a wrong FCS": [(SNRM, frame(UA)[:-2] + b"\x00\x7e"), (DISC, frame(UA)), (SNRM, frame(UA))],
    "frames of before": [(SNRM, SEEN_BEFORE + frame(RR) + frame(UA))],
    "its own echo": [(SNRM, lambda octets: octets + frame(UA))],
    "DM twice": [(SNRM, frame(DM) * 2), (DISC, frame(UA) * 2), (SNRM, frame(UA) * 2)],
}


@pytest.mark.parametrize("steps", GRANTED.values(), ids=GRANTED.keys())
def test_a_data_link_that_is_granted_in_the_end(steps: list[Step]) -> None:
    with session(opening(*steps), hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        assert meter.get(ENERGY) == FIVE


def test_a_data_link_that_is_refused_each_time() -> None:
    refused: list[Step] = [(SNRM, frame(DM)), (DISC, frame(DM))]
    meter_side = opening(*refused, *refused, (SNRM, frame(DM)))
    with pytest.raises(errors.ConnectionEstablishError), session(meter_side, hls=False, hdlc=True):
        pass


def test_a_meter_without_any_answer() -> None:
    meter_side = opening((SNRM, b""), (DISC, b""), (SNRM, b""), (DISC, b""), (SNRM, b""), (0, b""))
    deadlines = Deadlines(connect=10, apdu=5, session=60, release=0.2)
    with (
        pytest.raises(errors.ResponseTimeout),
        session(meter_side, hls=False, hdlc=True, deadlines=deadlines),
    ):
        pass
    assert not meter_side.finished


# The end


def test_a_frame_that_the_meter_rejects() -> None:
    meter_side = Scripted([(REQUEST, frame(FRMR))])
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        with pytest.raises(errors.ConnectionReset, match="rejected"):
            meter.get(ENERGY)
        assert not meter.is_open


@pytest.mark.parametrize("reply", [DAMAGED, SEEN_BEFORE, frame(0x54, ANSWER), frame(RR | 5 << 5)])
def test_wrong_frames_only(reply: bytes) -> None:
    polls = [REQUEST, POLL, REQUEST, POLL, REQUEST, POLL]
    meter_side = Scripted([*((due, reply) for due in polls), (0, b"")])
    with session(meter_side, hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        with pytest.raises(errors.IllegalResponse):
            meter.get(ENERGY)
        assert not meter.is_open


def flood(octets: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        Scripted([(REQUEST, b"")])(connection)
        while True:
            connection.sendall(octets)

    return talk


FLOODS = {
    "noise": b"\x55" * 1000,
    "flags": b"\x7e" * 1000,
    "starts of frames": b"\x7e\xa7\xff" * 300,
    "RR": frame(RR | 2 << 5) * 50,
    "RNR": frame(RNR | 2 << 5) * 50,
    "repeated frames": SEEN_BEFORE * 20,
    "wrong FCS": DAMAGED * 20,
    "for another client": frame(0x52, ANSWER, client=b"\x05") * 20,
    "UI": frame(UI, ANSWER) * 20,
}


@pytest.mark.parametrize("octets", FLOODS.values(), ids=FLOODS.keys())
def test_floods_end_soon(octets: bytes) -> None:
    with session(flood(octets), hls=False, hdlc=True, deadlines=UNRELEASED) as meter:
        with pytest.raises(errors.IllegalResponse):
            meter.get(ENERGY)
        assert meter.statistics.bytes_received < 120_000


@pytest.mark.parametrize("control", [RR | 2 << 5, RNR | 2 << 5], ids=["RR", "RNR"])
def test_a_meter_that_is_busy_for_ever_has_as_long_as_others(control: int) -> None:
    polls = count()

    def talk(connection: socket.socket) -> None:
        Scripted([(REQUEST, frame(control))])(connection)
        while True:
            assert receive_octets(connection)[5] == POLL
            next(polls)
            connection.sendall(frame(control))

    deadlines = Deadlines(connect=10, apdu=1.0, session=60, release=0.2)
    with (
        session(talk, hls=False, hdlc=True, deadlines=deadlines) as meter,
        pytest.raises(errors.ResponseTimeout),
    ):
        meter.get(ENERGY)
    # The pauses keep it from being a busy loop.
    assert 2 <= next(polls) <= 60
