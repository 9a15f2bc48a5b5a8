"""Sessions over HDLC: segments both ways, repeated and damaged frames, several connections."""

from collections.abc import Iterator

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType, encode
from osgp.simulator.codec.hdlc import (
    LLC_COMMAND,
    Control,
    Frame,
    encode_frame,
    information_control,
    receive_ready_control,
)

from .client import Closed, RawClient, connected, get_normal, set_normal
from .samples import special_days

CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
OBJECT_LIST = AttributeDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 2)
SPECIAL_DAYS = AttributeDescriptor(11, bytes((0, 0, 11, 0, 0, 255)), 2)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """More meters than an address of two octets can tell apart."""
    with SimulatorThread(Fleet.build(300, framing="HDLC")) as running:
        yield running


@pytest.fixture
def client(simulator: SimulatorThread) -> Iterator[RawClient]:
    """A client associated with the last meter."""
    with connected(simulator, simulator.meters["SIME0000000000300"]) as associated:
        associated.associate()
        yield associated


def test_long_answers_come_in_segments(client: RawClient) -> None:
    assert len(client.get(OBJECT_LIST).value) == len(client.meter.type.objects)


def test_long_requests_go_out_in_segments(client: RawClient) -> None:
    table = special_days(40)
    assert len(encode(table)) > 2 * client.information_field
    assert client.set(SPECIAL_DAYS, table) == 0
    assert client.get(SPECIAL_DAYS) == table
    assert client.release()[0] == 0x63


def test_larger_segments_can_be_agreed(simulator) -> None:
    with connected(simulator, simulator.meters["SIME0000000000299"], client_address=16) as client:
        answer = client.connect_hdlc(bytes.fromhex("81800705020064060120"))
        # the meter sends at most what the client takes (32), and takes what the client sends (100)
        assert answer.information.hex() == "81801205012006016407040000000108040000000 1".replace(" ", "")
        client.open()
        assert len(client.get(CLOCK).value) == 12


def test_a_repeated_request_gets_the_same_answer(client: RawClient) -> None:
    gets = client.meter.memory.statistics.gets
    request = LLC_COMMAND + client.encipher(get_normal(CLOCK))
    control = information_control(client.send_number, client.receive_number)
    client.send_frame(control, request)
    first = client.take_frame()
    client.send_frame(control, request)
    assert client.take_frame() == first
    assert client.meter.memory.statistics.gets == gets + 1
    # not acknowledged: the client asks for it once more
    client.send_frame(receive_ready_control(client.receive_number))
    assert client.take_frame() == first


def test_a_damaged_frame_gets_no_answer(client: RawClient) -> None:
    server, address = client._hdlc_addresses
    octets = bytearray(encode_frame(Frame(server, address, receive_ready_control(client.receive_number))))
    octets[-2] ^= 1
    client.socket.sendall(octets)
    client.get(CLOCK)


def test_a_disconnected_client_is_told_so(simulator) -> None:
    with connected(simulator, simulator.meters["SIME0000000000002"]) as client:
        client.send_frame(information_control(0, 0), LLC_COMMAND + get_normal(CLOCK))
        assert client.take_frame().control == Control.DM
        client.send_frame(Control.DISC)
        assert client.take_frame().control == Control.DM
        client.associate()
        client.send_frame(0x83)
        assert client.take_frame().control == Control.FRMR
        client.send_frame(Control.DISC)
        assert client.take_frame().control == Control.UA
        assert client.meter.memory.associated is None


def test_connecting_again_ends_the_association(client: RawClient) -> None:
    assert client.connect_hdlc().control == Control.UA
    assert client.meter.memory.associated is None
    assert client.exchange(get_normal(CLOCK)).hex() == "d80101"


def test_a_wrong_llc_header_ends_it(client: RawClient) -> None:
    client.send_frame(information_control(client.send_number, client.receive_number), b"\xe6\xe7\x00\xc0")
    with pytest.raises(Closed):
        client.take_frame()


def test_an_unknown_meter_does_not_answer(simulator) -> None:
    with connected(simulator, simulator.meters["SIME0000000000003"]) as client:
        client.server_address = 5_000
        with pytest.raises(Closed):
            client.connect_hdlc()


def test_a_request_that_never_ends_is_given_up(client: RawClient) -> None:
    server, address = client._hdlc_addresses
    number = client.send_number

    def flood() -> None:
        nonlocal number
        for _ in range(200):
            control = information_control(number, client.receive_number)
            client.socket.sendall(encode_frame(Frame(server, address, control, bytes(500), True)))
            client.take_frame()
            number = (number + 1) % 8

    with pytest.raises((Closed, ConnectionError)):
        flood()


def test_two_clients_on_one_connection(simulator) -> None:
    meter = simulator.meters["SIME0000000000004"]
    with connected(simulator, meter) as client:
        client.associate()
        public = RawClient(simulator, meter, client_address=16)
        public.socket.close()
        public.socket, public.decoder = client.socket, client.decoder
        public.associate()
        assert len(public.get(CLOCK).value) == 12
        assert len(client.get(CLOCK).value) == 12
        assert public.request(set_normal(SPECIAL_DAYS, Data(DataType.ARRAY, ()))).hex() == "d80102"
