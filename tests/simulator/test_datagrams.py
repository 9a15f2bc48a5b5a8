"""Simulated meters over UDP: peers, their associations, and what is no frame."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from osgp.catalogue.communication import Security
from osgp.simulator import Behaviour, Fleet, FleetSettings, SimulatorThread, datagrams
from osgp.simulator.codec.hdlc import LLC_RESPONSE, Control, FrameDecoder
from osgp.simulator.codec.wrapper import encode_frame as wrap
from osgp.simulator.datagrams import holds_whole_frames
from osgp.simulator.hdlc_link import HdlcLink
from osgp.simulator.links import FrameToSend
from osgp.simulator.meter.meter import Meter

PUBLIC = 16
AARQ = bytes.fromhex("601d a109 0607608574050801 01 be10 040e 01000000065f1f0400001e1d ffff")
RLRQ = bytes.fromhex("6203800100")
GET_COUNTER = bytes.fromhex("c001c1 0001 00002b0100ff 02 00")


@pytest.fixture
def running() -> Iterator[SimulatorThread]:
    settings = FleetSettings(idle_seconds=3.0, behaviour=Behaviour(maximum_connections=2))
    fleet = Fleet.build(2, "SMR-5.1", security=Security.HLS5, settings=settings)
    with SimulatorThread(fleet) as running:
        yield running


@pytest.fixture
def meter(running: SimulatorThread) -> Meter:
    return running.meters["SIME0000000000001"]


class Peer:
    """A client on a port of its own."""

    def __init__(self, running: SimulatorThread, server: int = 1) -> None:
        self._server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(20)
        self._socket.connect((running.host, running.port))

    def send(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    def ask(self, apdu: bytes) -> bytes:
        self.send(wrap(PUBLIC, self._server, apdu))
        answer = self._socket.recv(65536)
        assert answer[:6] == bytes((0, 1, 0, self._server, 0, PUBLIC))
        return answer[8:]

    def hears_nothing(self) -> bool:
        self._socket.settimeout(0.3)
        try:
            self._socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(20)
        return False


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_association_and_its_end(running: SimulatorThread, meter: Meter) -> None:
    peer = Peer(running)
    assert peer.ask(AARQ)[0] == 0x61
    assert peer.ask(GET_COUNTER)[:4] == bytes.fromhex("c401c100")
    assert len(running.server.connections) == 1
    assert peer.ask(RLRQ)[0] == 0x63
    eventually(lambda: not running.server.connections)
    assert meter.memory.connections == 0
    # Without association, as after any release.
    assert peer.ask(GET_COUNTER)[0] == 0xD8


def test_peers_have_associations_of_their_own(running: SimulatorThread) -> None:
    first, second, other = Peer(running), Peer(running), Peer(running, 2)
    for peer in (first, second, other):
        assert peer.ask(AARQ)[0] == 0x61
    assert first.ask(RLRQ)[0] == 0x63
    assert second.ask(GET_COUNTER)[0] == other.ask(GET_COUNTER)[0] == 0xC4
    # The meter takes two at a time.
    assert Peer(running).ask(AARQ)[0] == 0x61
    third = Peer(running)
    third.send(wrap(PUBLIC, 1, AARQ))
    assert third.hears_nothing()


def test_idle_peers_go(running: SimulatorThread, meter: Meter) -> None:
    assert Peer(running).ask(AARQ)[0] == 0x61
    assert meter.memory.connections == 1
    eventually(lambda: meter.memory.connections == 0)
    assert not running.server.connections


def test_there_are_never_too_many_peers(running: SimulatorThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "MAXIMUM_PEERS", 1)
    first, second = Peer(running), Peer(running, 2)
    assert first.ask(AARQ)[0] == 0x61
    second.send(wrap(PUBLIC, 2, AARQ))
    assert second.hears_nothing()
    assert first.ask(RLRQ)[0] == 0x63
    eventually(lambda: not running.server.connections)
    assert second.ask(AARQ)[0] == 0x61


@pytest.mark.parametrize(
    "datagram", [b"", b"\x00", b"\x7e\xa0", wrap(16, 1, AARQ)[:-1], wrap(16, 1, AARQ) + b"\x00", bytes(8)]
)
def test_what_is_no_frame(running: SimulatorThread, datagram: bytes) -> None:
    assert not holds_whole_frames(datagram)
    peer = Peer(running)
    peer.send(datagram)
    assert peer.ask(AARQ)[0] == 0x61
    assert len(running.server.connections) == 1


def test_several_frames_in_a_datagram(running: SimulatorThread) -> None:
    assert holds_whole_frames(wrap(16, 1, AARQ) + wrap(16, 1, GET_COUNTER))
    peer = Peer(running)
    peer.send(wrap(PUBLIC, 1, AARQ) + wrap(PUBLIC, 1, GET_COUNTER))
    assert [peer._socket.recv(65536)[8] for _ in range(2)] == [0x61, 0xC4]


def test_an_unknown_meter_says_nothing(running: SimulatorThread) -> None:
    peer = Peer(running, 9)
    peer.send(wrap(PUBLIC, 9, AARQ))
    assert peer.hears_nothing()
    eventually(lambda: not running.server.connections)


def test_a_port_that_is_taken(running: SimulatorThread) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), SimulatorThread(Fleet.build(1), port=port):
            pass


def test_notifications_over_hdlc_are_ui_frames() -> None:
    """Green Book 8.4: UI frames carry no sequence numbers."""
    link = HdlcLink()
    assert link.notify(PUBLIC, 1, b"\x0f") == b""
    assert link.send_to_other(PUBLIC, 1, b"\x0f") == b""
    link.receive_data(bytes.fromhex("7ea00703219" + "30f017e"))  # SNRM of client 16 to server 1
    event = link.take_event()
    assert isinstance(event, FrameToSend)
    assert event.opening
    decoder = FrameDecoder()
    decoder.receive_data(link.notify(PUBLIC, 1, b"\x0f\x01") + link.send_to_other(PUBLIC, 1, b"\xc4"))
    notified, other = decoder.take_frame(), decoder.take_frame()
    assert notified is not None
    assert other is not None
    assert (notified.control, notified.information) == (Control.UI, LLC_RESPONSE + b"\x0f\x01")
    assert (notified.destination, notified.source) == (b"\x21", b"\x03")
    assert other.destination == b"\xa1"
