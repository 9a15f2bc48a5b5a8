"""Lines that do things to HDLC frames, and meters that use windows and both addresses."""

from collections.abc import Iterator

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.codec.hdlc import (
    LLC_COMMAND,
    LLC_RESPONSE,
    Control,
    Frame,
    LinkParameters,
    encode_frame,
    encode_parameters,
    information_control,
    receive_not_ready_control,
    receive_ready_control,
)
from osgp.simulator.hdlc_link import HdlcLink
from osgp.simulator.links import ApduReceived, FrameToSend
from osgp.simulator.quirks import Quirk

from .client import RawClient, connected

OBJECT_LIST = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
CLIENT, SERVER = b"\x03", b"\x02\x23"
LONG = bytes(range(200))


class Talk:
    """A link and what is said on it. ``unseen`` is the part of the answers that was not looked at."""

    def __init__(self, *quirks: Quirk, window: int = 1, size: int = 50) -> None:
        self.link = HdlcLink(lambda address: frozenset(quirks) if address == 1 else frozenset())
        self.parameters = LinkParameters(size, size, window, window)

    def say(self, control: int, information: bytes = b"", more: bool = False, answer: bytes = LONG) -> bytes:
        """Everything that comes back on one frame; an APDU gets ``answer``."""
        self.link.receive_data(encode_frame(Frame(SERVER, CLIENT, control, information, more)))
        octets = b""
        while (event := self.link.take_event()) is not None:
            if isinstance(event, FrameToSend):
                octets += event.octets
            elif isinstance(event, ApduReceived):
                octets += self.link.send(event.client_address, event.server_address, answer)
        return octets

    def connect(self) -> bytes:
        return self.say(Control.SNRM, encode_parameters(self.parameters))


def sent(control: int, information: bytes = b"", more: bool = False) -> bytes:
    return encode_frame(Frame(CLIENT, SERVER, control, information, more))


def test_a_window_of_segments() -> None:
    """Only the last frame of a window has the final bit, and what is not acknowledged comes again."""
    talk = Talk(window=3)
    granted = encode_parameters(LinkParameters(50, 50, 3, 3))
    assert talk.connect() == sent(Control.UA, granted)
    octets = LLC_RESPONSE + LONG
    parts = [octets[start : start + 50] for start in range(0, len(octets), 50)]
    first = talk.say(information_control(0, 0), LLC_COMMAND + b"\xc0")
    assert first == b"".join(
        sent(information_control(number, 1, final=number == 2), parts[number], True) for number in range(3)
    )
    assert talk.say(receive_ready_control(1)) == b"".join(
        sent(information_control(number, 1, final=number == 2), parts[number], True) for number in (1, 2)
    )
    assert talk.say(receive_ready_control(3)) == sent(
        information_control(3, 1, final=False), parts[3], True
    ) + sent(information_control(4, 1), parts[4])
    assert talk.say(receive_ready_control(5)) == sent(receive_ready_control(1))


def test_a_window_of_segments_from_the_client() -> None:
    talk = Talk(window=3)
    talk.connect()
    assert talk.say(information_control(0, 0, final=False), LLC_COMMAND + b"\xc0", True) == b""
    # the second is missing
    assert talk.say(information_control(2, 0), b"\x02", True) == sent(receive_ready_control(1))
    assert talk.say(information_control(1, 0, final=False), b"\x01", True) == b""
    assert talk.say(information_control(2, 0), b"\x02", answer=b"\xd8") == sent(
        information_control(0, 3), LLC_RESPONSE + b"\xd8"
    )


@pytest.mark.parametrize("address", ["ff", "0aff", "ff03", "fefe0003", "0002feff"])
def test_all_stations_are_nobody(address: str) -> None:
    link = HdlcLink()
    link.receive_data(encode_frame(Frame(bytes.fromhex(address), CLIENT, Control.SNRM)))
    assert link.take_event() is None


@pytest.mark.parametrize("address", ["03", "0223", "02fd", "00020023", "00021269"])
def test_a_meter_answers_from_the_address_that_it_was_called_by(address: str) -> None:
    link, server = HdlcLink(), bytes.fromhex(address)
    link.receive_data(encode_frame(Frame(server, CLIENT, Control.SNRM)))
    event = link.take_event()
    assert isinstance(event, FrameToSend)
    assert (event.client_address, event.server_address, event.opening) == (1, 1, True)
    assert event.octets == encode_frame(
        Frame(CLIENT, server, Control.UA, encode_parameters(LinkParameters()))
    )


def test_dm_until_the_client_has_disconnected() -> None:
    talk = Talk(Quirk.HDLC_DM_FIRST)
    assert talk.connect() == talk.connect() == sent(Control.DM)
    assert talk.say(Control.DISC) == sent(Control.DM)
    assert talk.connect()[5:] != sent(Control.DM)[5:]
    assert talk.say(receive_ready_control(0)) == sent(receive_ready_control(0))


def test_echo() -> None:
    talk = Talk(Quirk.HDLC_ECHO)
    said = encode_frame(Frame(SERVER, CLIENT, Control.DISC))
    assert talk.say(Control.DISC) == said + sent(Control.DM)


def test_not_ready_before_every_second_answer() -> None:
    talk = Talk(Quirk.HDLC_NOT_READY)
    talk.connect()
    answer = LLC_RESPONSE + b"\xd8"
    said = talk.say(information_control(0, 0), LLC_COMMAND + b"\xc0", answer=b"\xd8")
    assert said == sent(information_control(0, 1), answer)
    said = talk.say(information_control(1, 1), LLC_COMMAND + b"\xc0", answer=b"\xd8")
    assert said == talk.say(receive_ready_control(1)) == sent(receive_not_ready_control(2))
    assert talk.say(receive_ready_control(1)) == sent(information_control(1, 2), answer)


def collect(*quirks: Quirk) -> list[bytes]:
    talk = Talk(*quirks)
    return [talk.say(Control.DISC) for _ in range(100)]


PROPER = sent(Control.DM)


def test_some_frames_get_lost_both_ways() -> None:
    said = collect(Quirk.HDLC_LOST_FRAMES)
    assert set(said) == {b"", PROPER}
    assert 5 < said.count(b"") < 30
    assert all(said[place] or said[place + 1] for place in range(99))


def test_some_frames_come_twice_or_damaged() -> None:
    assert dict.fromkeys(collect(Quirk.HDLC_REPEATED_FRAMES)) == {
        PROPER: None,
        PROPER * 2: None,
    }
    damaged = PROPER[:-2] + bytes((PROPER[-2] ^ 1,)) + PROPER[-1:]
    said = collect(Quirk.HDLC_BAD_FCS)
    assert set(said) == {PROPER, damaged}
    assert said == collect(Quirk.HDLC_BAD_FCS)


def test_noise_is_before_frames() -> None:
    said = collect(Quirk.HDLC_NOISE)
    assert all(octets.endswith(PROPER) and octets != PROPER for octets in said)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(2, framing="HDLC")) as running:
        yield running


def test_quirks_are_those_of_the_meter(simulator: SimulatorThread) -> None:
    odd, even = simulator.meters.values()
    odd.memory.quirks = frozenset({Quirk.HDLC_DM_FIRST})

    def connect(client: RawClient) -> int:
        control: int = client.connect_hdlc().control
        return control

    with connected(simulator, odd) as client:
        assert connect(client) == Control.DM
    with connected(simulator, even) as client:
        assert connect(client) == Control.UA
