"""Simulated meters that speak out of turn, or over UDP, as the head-end gets on with them.

Seen in the field: notifications within associations, gateways that deliver answers twice, meters that share a
line with other clients, modems that need a pause after a connection, meters that take 160 octets at most.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from osgp import catalogue
from osgp.catalogue.communication import Carrier
from osgp.protocol_dlms import (
    CosemDateTime,
    Data,
    DataType,
    Deadlines,
    Framing,
    Keys,
    Line,
    Meter,
    MeterAddress,
    RangeDescriptor,
    Security,
    errors,
    read_invocation_counter,
)
from osgp.simulator import Behaviour, FaultKind, Fleet, FleetSettings, SimulatorThread, connection
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.quirks import Quirk
from tests.protocol_dlms.peers import Counter

NOW = datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CLIENT_TITLE = b"   \x00\x00\x00\x00\x01"
UNHURRIED = Deadlines(connect=20, apdu=30, session=120, release=20)
QUICK = Deadlines(connect=20, apdu=2, session=120, release=2)
PROFILE = catalogue.find_profile("SMR", "5.1")
CLOCK = PROFILE["CLOCK"].address_attribute("time")
COUNTER = PROFILE["INVOCATION_COUNTER"].address_attribute("value")
SPECIAL_DAYS = PROFILE["SPECIAL_DAYS_TABLE"].address_attribute(2)
INTERVALS = PROFILE["INTERVAL_VALUES_E"].address_attribute("buffer")
OUT_OF_TURN = frozenset({Quirk.NOTIFIES_BETWEEN, Quirk.ANSWERS_TWICE, Quirk.OTHER_CLIENTS})

each_security = pytest.mark.parametrize("security", Security)


@pytest.fixture
def running() -> Iterator[SimulatorThread]:
    """A meter of each security, behind the wrapper, and one over HDLC."""
    securities = list(Security)
    fleet = Fleet.build(
        len(securities) + 1,
        "SMR-5.1",
        security=[*securities, Security.HLS5],
        framing=[Framing.WRAPPER] * len(securities) + [Framing.HDLC],
        polyphase=True,
        settings=FleetSettings(clock=NOW.timestamp),
    )
    with SimulatorThread(fleet) as running:
        yield running


def find(running: SimulatorThread, security: Security, framing: Framing = Framing.WRAPPER) -> SimulatedMeter:
    [meter] = [
        each for each in running.meters.values() if (each.security, each.framing) == (security, framing)
    ]
    return meter


def locate(running: SimulatorThread, meter: SimulatedMeter, carrier: Carrier = Carrier.TCP) -> MeterAddress:
    return MeterAddress(
        running.host, running.port, meter.logical_device_address, Framing(meter.framing.value), carrier
    )


def connect(
    running: SimulatorThread, meter: SimulatedMeter, carrier: Carrier = Carrier.TCP, **changes: Any
) -> Meter:
    [keys] = [
        each["keys"]
        for each in running.fleet.describe()
        if each["add_device"]["device_identification"] == meter.identification
    ]
    options: dict[str, Any] = {
        "security": Security(meter.security.value),
        "keys": Keys(
            bytes.fromhex(keys["authentication_key"]),
            bytes.fromhex(keys["encryption_key"]),
            keys["lls_password"].encode(),
        ),
        "counter": Counter(meter.memory.counters.highest + 1000),
        "client_system_title": CLIENT_TITLE,
        "with_list_max": 16,
        "deadlines": UNHURRIED,
    }
    return Meter.connect(locate(running, meter, carrier), **{**options, **changes})


def read_day(meter: Meter) -> list[tuple[object, ...]]:
    begin, end = (CosemDateTime.from_datetime(NOW - timedelta(hours=hours), AMSTERDAM) for hours in (24, 0))
    return meter.read_profile(INTERVALS, RangeDescriptor(begin, end))


def use(meter: Meter) -> list[object]:
    """Reads in one piece, in a list and in blocks, and writes in blocks."""
    days = meter.get(SPECIAL_DAYS)
    meter.set(SPECIAL_DAYS, days)
    many = meter.get_many([CLOCK] * 5)
    rows = read_day(meter)
    assert len(rows) == 96
    return [days, many, rows, [meter.get(CLOCK) for _ in range(20)]]


@each_security
@pytest.mark.parametrize("quirk", sorted(OUT_OF_TURN))
def test_out_of_turn(running: SimulatorThread, security: Security, quirk: Quirk) -> None:
    simulated = find(running, security)
    with connect(running, simulated) as meter:
        expected = use(meter)
        usual = meter.statistics.bytes_received
    simulated.memory.quirks = frozenset({quirk})
    line, heard = Line(), []
    line.on_notification = heard.append
    with connect(running, simulated, line=line) as meter:
        assert use(meter) == expected
        received = meter.statistics.bytes_received
    assert simulated.memory.statistics.exceptions == 0
    if quirk is Quirk.NOTIFIES_BETWEEN:
        assert [apdu[0] for apdu in heard[:4]] == [0x0F, 0xC2, 0x0F, 0xC2]
        assert simulated.identification.encode() in heard[0]
    else:
        assert heard == []
    assert received > usual


@each_security
@pytest.mark.parametrize("carrier", Carrier)
def test_all_of_it_at_once(running: SimulatorThread, security: Security, carrier: Carrier) -> None:
    simulated = find(running, security)
    simulated.memory.quirks = OUT_OF_TURN | {Quirk.SMALL_RECEIVE_SIZE}
    with connect(running, simulated, carrier) as meter:
        use(meter)
    assert simulated.memory.statistics.exceptions == 0
    assert simulated.memory.counters.repeated == []


@each_security
def test_a_meter_that_takes_little(running: SimulatorThread, security: Security) -> None:
    simulated = find(running, security)
    simulated.memory.quirks = frozenset({Quirk.SMALL_RECEIVE_SIZE})
    with connect(running, simulated) as meter:
        value = Data(DataType.OCTET_STRING, bytes(400))
        with pytest.raises(errors.AccessError):
            meter.set(CLOCK, value)
        use(meter)
    assert simulated.memory.statistics.exceptions == 0


def test_what_is_too_long_is_declined(running: SimulatorThread) -> None:
    simulated = find(running, Security.NONE)
    simulated.memory.quirks = frozenset({Quirk.SMALL_RECEIVE_SIZE})
    with connect(running, simulated) as meter:
        assert meter._session.send_size == 160
        meter._session.send_size = 1024
        with pytest.raises(errors.ExceptionResponse) as failure:
            meter.set(CLOCK, Data(DataType.OCTET_STRING, bytes(150)))
    assert (failure.value.state_error, failure.value.service_error) == (1, 4)


@pytest.mark.parametrize("carrier", Carrier)
def test_a_pause_after_a_connection(
    running: SimulatorThread, monkeypatch: pytest.MonkeyPatch, carrier: Carrier
) -> None:
    monkeypatch.setattr(connection, "PAUSE_SECONDS", 1.5)
    simulated = find(running, Security.HLS5)
    simulated.memory.quirks = frozenset({Quirk.PAUSE_NEEDED})
    with connect(running, simulated, carrier):
        pass
    while not simulated.memory.rests_until:
        time.sleep(0.01)
    failures = (
        (errors.ResponseTimeout,)
        if carrier is Carrier.UDP
        else (errors.SocketClosedByRemote, errors.ConnectionReset)
    )
    with pytest.raises(failures):
        connect(running, simulated, carrier, deadlines=Deadlines(apdu=0.2))
    time.sleep(1.6)
    with connect(running, simulated, carrier) as meter:
        assert meter.get(CLOCK)


# UDP


@each_security
def test_over_udp(running: SimulatorThread, security: Security) -> None:
    simulated = find(running, security)
    with connect(running, simulated) as meter:
        expected = use(meter)
    for _ in range(6):  # the meter holds four connections at a time, of those that last
        with connect(running, simulated, Carrier.UDP) as meter:
            assert use(meter) == expected
    statistics = simulated.memory.statistics
    assert (statistics.associations, statistics.releases, statistics.exceptions) == (7, 7, 0)
    assert simulated.memory.counters.repeated == []
    deadline = time.monotonic() + 20
    while (simulated.memory.connections or running.server.connections) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert simulated.memory.connections == 0
    assert not running.server.connections


def test_the_counter_over_udp(running: SimulatorThread) -> None:
    simulated = find(running, Security.HLS5)
    with connect(running, simulated, Carrier.UDP) as meter:
        meter.get(CLOCK)
    address = locate(running, simulated, Carrier.UDP)
    assert read_invocation_counter(address, COUNTER) == simulated.memory.counters.highest


@each_security
def test_a_lost_answer_over_udp(running: SimulatorThread, security: Security) -> None:
    simulated = find(running, security)
    with connect(running, simulated, Carrier.UDP, deadlines=QUICK) as meter:
        for _ in range(3):
            simulated.faults.switch_on(FaultKind.HANG, 1)
            assert meter.get(CLOCK)
        assert len(read_day(meter)) == 96
    assert simulated.memory.counters.repeated == []


@pytest.mark.parametrize("kind", [FaultKind.SLOW, FaultKind.ENDLESS, FaultKind.GARBAGE, FaultKind.HANG])
def test_faults_over_udp(running: SimulatorThread, kind: FaultKind) -> None:
    simulated = find(running, Security.HLS5)
    deadlines = Deadlines(connect=20, apdu=0.4, session=60, release=0.4)
    with connect(running, simulated, Carrier.UDP, deadlines=deadlines) as meter:
        simulated.faults.switch_on(kind)
        with pytest.raises(errors.DlmsError) as failure:
            meter.get(CLOCK)
        assert failure.value.code in (231, 233)
    simulated.faults.switch_off()
    # The meter was told that the session is over.
    deadline = time.monotonic() + 20
    while simulated.memory.associated is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    with connect(running, simulated, Carrier.UDP) as meter:
        assert meter.get(CLOCK)


def test_many_losses_over_udp(running: SimulatorThread) -> None:
    simulated = find(running, Security.HLS5)
    with connect(running, simulated, Carrier.UDP, deadlines=QUICK) as meter:
        simulated.memory.behaviour = Behaviour(loss=0.2)
        read = 0
        while meter.is_open and read < 10:
            try:
                assert meter.get(CLOCK)
                read += 1
            except errors.ResponseTimeout:
                break
        assert read
    assert simulated.memory.counters.repeated == []


def test_notifications_over_hdlc(running: SimulatorThread) -> None:
    """In UI frames, which are not counted (Green Book 8.4)."""
    simulated = find(running, Security.HLS5, Framing.HDLC)
    simulated.memory.quirks = frozenset({Quirk.NOTIFIES_BETWEEN, Quirk.OTHER_CLIENTS})
    line = Line()
    heard: list[bytes] = []
    line.on_notification = heard.append
    with connect(running, simulated, line=line) as meter:
        use(meter)
    assert [apdu[0] for apdu in heard[:4]] == [0x0F, 0xC2, 0x0F, 0xC2]
