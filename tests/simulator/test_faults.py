"""Every fault, as a client sees it, and that the meter is well again afterwards."""

from collections.abc import Iterator

import pytest

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.simulator import Behaviour, Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec.axdr import decode
from osgp.simulator.codec.errors import DecipheringError, RemoteProtocolError
from osgp.simulator.codec.hdlc import Control
from osgp.simulator.codec.wrapper import encode_frame as wrap
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter

from .client import Closed, RawClient, connected, get_normal

CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
PARAMETERS = bytes.fromhex("8180140502008006020080070400000001080400000001")


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """Meters of both transports on one port."""
    with SimulatorThread(Fleet.build(60, framing=["WRAPPER", "HDLC"])) as running:
        yield running


@pytest.fixture
def meter(simulator: SimulatorThread) -> Meter:
    """A meter with the wrapper that nobody has talked to."""
    return next(
        each for each in simulator.meters.values() if not each.is_touched and each.framing == "WRAPPER"
    )


@pytest.fixture
def hdlc_meter(simulator: SimulatorThread) -> Meter:
    """A meter with HDLC that nobody has talked to."""
    return next(each for each in simulator.meters.values() if not each.is_touched and each.framing == "HDLC")


@pytest.fixture
def client(simulator: SimulatorThread, meter: Meter) -> Iterator[RawClient]:
    """An associated client."""
    with connected(simulator, meter) as associated:
        associated.associate()
        yield associated


def is_well(simulator: SimulatorThread, meter: Meter) -> bool:
    """Whether a new session with the meter works, and no fault is left."""
    with connected(simulator, meter) as client:
        client.associate()
        client.get(CLOCK)
        client.release()
    return meter.faults.as_list() == []


def test_a_refused_connection(simulator, meter) -> None:
    meter.faults.switch_on(FaultKind.REFUSE_CONNECTION, 1)
    with connected(simulator, meter) as client, pytest.raises(Closed):
        client.associate()
    assert meter.memory.statistics.faults == 1
    assert is_well(simulator, meter)


def test_a_refused_connection_on_a_port_of_its_own() -> None:
    with SimulatorThread(Fleet.build(2, port_per_meter=True)) as simulator:
        assert len(set(simulator.fleet.ports)) == 2
        first, second = simulator.meters.values()
        first.faults.switch_on(FaultKind.REFUSE_CONNECTION, 1)
        with connected(simulator, first) as client, pytest.raises(Closed):
            client.take_frame()
        assert is_well(simulator, first)
        assert is_well(simulator, second)


def test_a_refused_association(simulator, meter) -> None:
    meter.faults.switch_on(FaultKind.REFUSE_ASSOCIATION, 1)
    with connected(simulator, meter) as client:
        aare = client.open()
        assert (aare.result, aare.diagnostic) == (1, 1)
    assert is_well(simulator, meter)


def test_half_an_answer(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)
    client.send(client.encipher(get_normal(CLOCK)))
    received = b""
    while data := client.socket.recv(1_000):
        received += data
    assert received[:2].hex() == "0001"
    assert 8 < len(received) < 8 + received[7]
    assert is_well(simulator, client.meter)


def test_garbage(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.GARBAGE, 1)
    with pytest.raises(RemoteProtocolError):
        client.request(get_normal(CLOCK))
    client.close()
    assert is_well(simulator, client.meter)


def test_endless_octets(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.ENDLESS, 1)
    client.send(client.encipher(get_normal(CLOCK)))
    received = 0
    while received < 3_000_000:
        received += len(client.socket.recv(1_000_000))
    client.close()
    assert is_well(simulator, client.meter)


def test_a_wrong_tag(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.WRONG_TAG, 1)
    with pytest.raises(DecipheringError):
        client.request(get_normal(CLOCK))
    assert client.get(CLOCK)


def test_a_replayed_counter(simulator, client) -> None:
    client.get(CLOCK)
    client.meter.faults.switch_on(FaultKind.REPLAYED_COUNTER, 1)
    client.get(CLOCK)
    client.get(CLOCK)
    before, replayed, after = client.server_counters[-3:]
    assert replayed == before
    assert after == before + 1


def test_dribbled_octets(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.SLOW, 1)
    client.send(client.encipher(get_normal(CLOCK)))
    client.send(client.encipher(get_normal(CLOCK)))
    piece = client.socket.recv(1_000)
    assert len(piece) < 20
    client.decoder.receive_data(piece)
    # both are whole, and the one behind has not overtaken it
    client.decipher(client.receive())
    client.decipher(client.receive())
    assert client.server_counters[-2] + 1 == client.server_counters[-1]


def test_no_answer(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.HANG, 1)
    client.send(client.encipher(get_normal(CLOCK)))
    client.send(client.encipher(get_normal(CLOCK)))
    client.decipher(client.receive())
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.receive()


def test_an_answer_for_somebody_else(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.WRONG_ADDRESS, 1)
    client.send(client.encipher(get_normal(CLOCK)))
    frame = client.take_frame()
    assert frame.source != client.server_address
    assert frame.destination != client.client_address


def test_an_answer_to_another_request(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.WRONG_INVOKE_ID, 1)
    assert client.request(get_normal(CLOCK))[2] != 0xC1
    assert client.request(get_normal(CLOCK))[2] == 0xC1


def test_trailing_bytes(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.TRAILING_BYTES, 1)
    answer = client.request(get_normal(CLOCK))
    assert len(decode(answer[4:-3]).value) == 12


def test_a_cut_answer(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.CUT_SHORT, 1)
    assert client.request(get_normal(CLOCK)).hex() == "c401c1"


def test_an_answer_in_plain(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.UNCIPHERED, 1)
    assert client.exchange(client.encipher(get_normal(CLOCK)))[0] == 0xC4
    assert client.exchange(client.encipher(get_normal(CLOCK)))[0] == 0xCC


def test_a_release_answered_with_an_exception(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.RELEASE_EXCEPTION, 1)
    assert client.release().hex() == "d80101"
    assert is_well(simulator, client.meter)


def test_a_release_that_is_ignored(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.RELEASE_IGNORED, 1)
    client.send(b"\x62\x03\x80\x01\x00")
    assert client.exchange(get_normal(CLOCK)).hex() == "d80101"
    assert is_well(simulator, client.meter)


def test_a_refused_hdlc_connection(simulator, hdlc_meter) -> None:
    hdlc_meter.faults.switch_on(FaultKind.SNRM_REFUSED, 1)
    with connected(simulator, hdlc_meter) as client:
        assert client.connect_hdlc().control == Control.DM
        assert client.connect_hdlc().control == Control.UA
    assert is_well(simulator, hdlc_meter)


def test_an_hdlc_answer_for_somebody_else(simulator, hdlc_meter) -> None:
    with connected(simulator, hdlc_meter) as client:
        client.associate()
        hdlc_meter.faults.switch_on(FaultKind.WRONG_ADDRESS, 1)
        client.send(client.encipher(get_normal(CLOCK)))
        frame = client.take_frame()
        server, address = client._hdlc_addresses
        assert frame.source != server
        assert frame.destination != address


def test_an_hdlc_connection_without_parameters_is_refused(simulator, hdlc_meter) -> None:
    hdlc_meter.faults.switch_on(FaultKind.SNRM_PARAMETERS_REQUIRED)
    with connected(simulator, hdlc_meter) as client:
        assert client.connect_hdlc().control == Control.DM
        assert client.connect_hdlc(PARAMETERS).control == Control.UA
    hdlc_meter.faults.switch_off()
    assert is_well(simulator, hdlc_meter)


def test_an_aare_with_a_protocol_version(simulator, meter) -> None:
    meter.faults.switch_on(FaultKind.PROTOCOL_VERSION, 1)
    with connected(simulator, meter) as client:
        aare = client.open()
        assert aare.fields[0x80].hex() == "0780"
        assert client.authenticate(aare)[3] == 0
    assert is_well(simulator, meter)


def test_an_aare_that_does_not_say_what_it_means(simulator, meter) -> None:
    meter.faults.switch_on(FaultKind.DIAGNOSTIC_NULL, 1)
    with connected(simulator, meter) as client:
        aare = client.open()
        assert (aare.result, aare.diagnostic) == (0, 0)
        assert client.authenticate(aare)[3] == 0
    assert is_well(simulator, meter)


def test_challenges_of_other_lengths_are_refused(simulator, meter, monkeypatch) -> None:
    meter.faults.switch_on(FaultKind.SIXTEEN_OCTET_CHALLENGE)
    with connected(simulator, meter) as client:
        client.associate()
    monkeypatch.setattr("tests.simulator.client.CHALLENGE", bytes(8))
    with connected(simulator, meter) as client:
        aare = client.open()
        assert (aare.result, aare.diagnostic) == (1, 13)
    meter.faults.switch_off()
    assert is_well(simulator, meter)


def test_an_unknown_method_ends_the_connection(simulator, client) -> None:
    client.meter.faults.switch_on(FaultKind.UNKNOWN_METHOD_CLOSES, 1)
    with pytest.raises(Closed):
        client.action(MethodDescriptor(8, CLOCK.logical_name, 99))
    client.close()
    assert is_well(simulator, client.meter)


def test_a_fault_stays_until_it_is_switched_off(simulator, client) -> None:
    faults = client.meter.faults
    faults.switch_on(FaultKind.CUT_SHORT)
    assert [len(client.request(get_normal(CLOCK))) for _ in range(3)] == [3, 3, 3]
    faults.switch_on(FaultKind.CUT_SHORT, 2)
    assert faults.as_list() == [{"kind": "cut-short", "exchanges": 2}]
    faults.switch_off()
    assert client.get(CLOCK)
    with pytest.raises(ValueError):
        faults.switch_on(FaultKind.CUT_SHORT, 0)


def test_lost_answers(simulator, client) -> None:
    client.meter.behaviour = Behaviour(loss=1.0)
    client.send(client.encipher(get_normal(CLOCK)))
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.receive()
    client.meter.behaviour = None
    client.socket.settimeout(10)
    assert client.get(CLOCK)


def test_late_answers_keep_their_order(simulator, client) -> None:
    client.meter.behaviour = Behaviour(latency=(0.0, 0.05))
    for _ in range(10):
        client.send(client.encipher(get_normal(CLOCK)))
    for _ in range(10):
        client.decipher(client.receive())
    assert client.server_counters[-10:] == sorted(client.server_counters[-10:])


def test_a_client_that_never_waits_is_hung_up_on(simulator, client) -> None:
    client.meter.behaviour = Behaviour(latency=(60.0, 60.0))
    requests = [client.encipher(get_normal(CLOCK)) for _ in range(40)]
    client.socket.sendall(b"".join(wrap(1, client.server_address, request) for request in requests))
    with pytest.raises(Closed):
        client.receive()


def test_connections_to_a_meter_are_limited(simulator, meter) -> None:
    meter.behaviour = Behaviour(maximum_connections=1)
    with connected(simulator, meter) as first:
        first.associate()
        with connected(simulator, meter, client_address=16) as second, pytest.raises(Closed):
            second.associate()
    assert is_well(simulator, meter)


@pytest.mark.parametrize("octets", ["ff", "0002000100010000", "000100010fff0001c0", "0001000a"])
def test_streams_that_make_no_sense_are_hung_up_on(octets: str) -> None:
    with SimulatorThread(Fleet.build(1, settings=FleetSettings(idle_seconds=0.1))) as simulator:
        meter = next(iter(simulator.meters.values()))
        with connected(simulator, meter) as client:
            client.socket.sendall(bytes.fromhex(octets))
            with pytest.raises(Closed):
                client.receive()


def test_a_meter_does_not_speak_the_other_transport(simulator, meter) -> None:
    with connected(simulator, meter) as client:
        client.send_frame(Control.SNRM)
        with pytest.raises(Closed):
            client.take_frame()


@pytest.mark.parametrize(
    "arguments",
    [{"latency": (2.0, 1.0)}, {"latency": (-1.0, 1.0)}, {"loss": 1.1}, {"maximum_connections": 0}],
)
def test_impossible_behaviour(arguments) -> None:
    with pytest.raises(ValueError):
        Behaviour(**arguments)
