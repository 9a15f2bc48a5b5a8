"""The head-end's HDLC link against simulated lines that lose, damage, repeat and add frames.

Seen in the field: meters on RS-485 behind gateways. Nothing may be lost, and nothing done twice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from osgp import catalogue
from osgp.protocol_dlms import (
    CosemDateTime,
    Data,
    DataType,
    Deadlines,
    Framing,
    Keys,
    Limits,
    Meter,
    MeterAddress,
    RangeDescriptor,
    Security,
)
from osgp.protocol_dlms.transport.hdlc_link import HdlcLink
from osgp.protocol_dlms.transport.hdlc_reader import Pace
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.quirks import Quirk
from tests.protocol_dlms.peers import Counter

NOW = datetime(2024, 6, 15, 10, 20, 30, tzinfo=UTC)
PROFILE = catalogue.find_profile("SMR", "5.1")
CALENDAR_NAME = PROFILE["ACTIVITY_CALENDAR"].address_attribute(6)
INTERVALS = PROFILE["INTERVAL_VALUES_E"].address_attribute(2)
LAST_HALF_DAY = [
    CosemDateTime.from_datetime(moment, ZoneInfo("Europe/Amsterdam"))
    for moment in (NOW - timedelta(hours=12), NOW)
]
DEADLINES = Deadlines(connect=20, apdu=60, session=300, release=20)
QUIRKS = [quirk for quirk in Quirk if quirk.startswith("hdlc-")]


@pytest.fixture(scope="module")
def simulated() -> Iterator[tuple[SimulatorThread, SimulatedMeter]]:
    fleet = Fleet.build(1, "SMR-5.1", framing="HDLC", settings=FleetSettings(clock=NOW.timestamp))
    with SimulatorThread(fleet) as running:
        (meter,) = running.meters.values()
        yield running, meter


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Pace(shortest=0.3, longest=0.3, quiet=0.05, first_pause=0.01, longest_pause=0.05)
    monkeypatch.setattr(HdlcLink, "pace", quick)


@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("quirks", [*([quirk] for quirk in QUIRKS), QUIRKS], ids=lambda each: "+".join(each))
def test_a_ciphered_session(
    simulated: tuple[SimulatorThread, SimulatedMeter], quirks: list[Quirk], window: int
) -> None:
    running, meter = simulated
    meter.memory.quirks = frozenset(quirks)
    counter = Counter(meter.memory.counters.highest + 1)
    written = Data(DataType.OCTET_STRING, bytes((7 * index + window) % 256 for index in range(1500)))
    before = meter.memory.statistics.sets
    address = MeterAddress(
        running.host,
        running.fleet.ports[0],
        meter.logical_device_address,
        Framing.HDLC,
        server_lower_address=17,
    )
    with Meter.connect(
        address,
        security=Security.HLS5,
        keys=Keys(meter.key(KeyName.AUTHENTICATION), meter.key(KeyName.ENCRYPTION)),
        counter=counter,
        client_system_title=b"CLI00001",
        deadlines=DEADLINES,
        limits=Limits(hdlc_information_size=200, hdlc_window=window),
    ) as connected:
        rows = connected.read_profile(INTERVALS, RangeDescriptor(*LAST_HALF_DAY))
        connected.set(CALENDAR_NAME, written)
        assert connected.get(CALENDAR_NAME) == written
        assert connected.statistics.invocation_counters == counter.taken
    assert len(rows) == 48
    assert len(set(counter.taken)) == len(counter.taken)
    assert meter.memory.counters.repeated == []
    assert meter.memory.statistics.sets == before + 1
    assert meter.memory.statistics.exceptions == 0
