"""Meters of a standard that is not Dutch, known by its profile alone (tests/profiles/tst-1.0.toml)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from osgp import catalogue
from osgp.catalogue import Profile, assembly
from osgp.catalogue.communication import Framing, Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import Data, DataType, Deadlines, Keys, Meter, MeterAddress, read_invocation_counter
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec import axdr as meter_axdr
from osgp.simulator.meter import history
from osgp.simulator.meter.load_curve import START
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.meter.query import AccessError
from osgp.simulator.occurrence import OccurrenceError
from osgp.simulator.scenario import carry_out, plan
from tests.processes import embedded_environment
from tests.protocol_dlms.peers import Counter

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "tests/profiles"
NOW = datetime(2026, 6, 15, 12, 10, tzinfo=UTC)
CLIENT_TITLE = b"   \x00\x00\x00\x00\x01"
UNHURRIED = Deadlines(connect=30, apdu=60, session=300, release=30)
HALF_HOUR = 1_800
DAYLIGHT_SAVING, POWER_DOWN, CLOCK_ADJUSTED = 0b100, 0b1, 0b10


class Time:
    """True time, which tests move."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


class Bench:
    """A running fleet of such meters, and how to connect to them."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.time = Time()
        self.fleet = Fleet.build(
            2,
            profile,
            polyphase=False,
            framing=[Framing.WRAPPER, Framing.HDLC],
            settings=FleetSettings(clock=self.time, calm_from=None),
        )

    @property
    def simulated(self) -> SimulatedMeter:
        """The first meter."""
        return next(iter(self.fleet.meters.values()))

    def address(self, simulated: SimulatedMeter) -> MeterAddress:
        port = self.fleet.ports[simulated.port_index]
        transport = Framing(simulated.framing.value)
        return MeterAddress("127.0.0.1", port, simulated.logical_device_address, transport)

    def connect(self, simulated: SimulatedMeter) -> Meter:
        """An association with high level security, with the invocation counter that the meter tells."""
        source = self.profile.invocation_counter
        assert source is not None
        counter = self.profile[source.tag].address_attribute("value")
        address = self.address(simulated)
        described = {
            each["add_device"]["device_identification"]: each["keys"] for each in self.fleet.describe()
        }
        keys = described[simulated.identification]
        return Meter.connect(
            address,
            security=Security.HLS5,
            keys=Keys(bytes.fromhex(keys["authentication_key"]), bytes.fromhex(keys["encryption_key"]), b""),
            counter=Counter(read_invocation_counter(address, counter, UNHURRIED) + 1),
            client_system_title=CLIENT_TITLE,
            deadlines=UNHURRIED,
        )

    def happen(self, **table: Any) -> None:
        """An occurrence to the first meter, now."""
        table["meters"] = self.simulated.identification
        carry_out(plan(table, self.fleet, self.time()))

    def codes(self) -> list[int]:
        """What the log of the first meter holds."""
        log = meter_axdr.decode(
            self.simulated.get(self.profile["METER_EVENT_LOG"].address_attribute("buffer"))
        )
        return [row.value[1].value for row in log.value]


@pytest.fixture(scope="module")
def profile() -> Profile:
    folders = (catalogue.DATA, PROFILES)
    loaded = assembly.load(folders, assembly.load_classes(folders))
    return next(each for each in loaded if each.key == "TST-1.0")


@pytest.fixture
def bench(profile: Profile) -> Iterator[Bench]:
    built = Bench(profile)
    with SimulatorThread(built.fleet):
        yield built


def plain(data: Data | meter_axdr.Data) -> Any:
    """Data of either codec, comparable."""
    value = data.value
    if isinstance(value, (tuple, list)):
        value = [plain(item) for item in value]
    return data.type.name, value


def test_every_object_is_read_with_high_level_security(bench: Bench) -> None:
    for simulated in bench.fleet.meters.values():
        with bench.connect(simulated) as meter:
            for cosem_object in bench.profile:
                if cosem_object.class_id == 15:
                    continue  # tells about the association itself
                for attribute in cosem_object.attributes.values():
                    descriptor = cosem_object.address_attribute(attribute.attribute_id)
                    if not attribute.readable or attribute.name in ("client_system_title", "value"):
                        continue
                    held = meter_axdr.decode(simulated.get(descriptor))
                    assert plain(meter.get(descriptor)) == plain(held), (cosem_object.tag, attribute.name)
            counter = meter.get(bench.profile["INVOCATION_COUNTER"].address_attribute("value"))
            assert counter.value > 0
        assert simulated.memory.counters.repeated == []


def test_the_public_client_reads_no_more_than_it_should(bench: Bench) -> None:
    with Meter.connect(
        bench.address(bench.simulated), security=Security.NONE, client_address=16, deadlines=UNHURRIED
    ) as meter:
        listed = meter.get(bench.profile["ASSOCIATION_LN"].address_attribute("object_list"))
    names = {bytes(item.value[2].value) for item in listed.value}
    tags = {"ASSOCIATION_LN", "LOGICAL_DEVICE_NAME", "DEVICE_ID_1", "CLOCK", "INVOCATION_COUNTER"}
    assert names == {bench.profile[tag].get_logical_name() for tag in tags}


def test_the_log_has_the_codes_of_the_profile(bench: Bench) -> None:
    outages = history.list_outages(bench.simulated, START, bench.time())
    codes = bench.codes()
    assert codes[0] == 0x0F00
    assert codes.count(1) == codes.count(2) == len(outages) > 10
    assert codes.count(10) == codes.count(11) > 10
    assert set(codes) == {0x0F00, 1, 2, 10, 11}
    last = meter_axdr.decode(
        bench.simulated.get(bench.profile["METER_EVENT_CODE"].address_attribute("value"))
    )
    assert last.value == codes[-1]


def test_the_relay_switches_and_is_logged(bench: Bench) -> None:
    relay = bench.profile["DISCONNECT_CONTROL"]
    with bench.connect(bench.simulated) as meter:
        for method, state, connected in (("remote_disconnect", 0, False), ("remote_reconnect", 1, True)):
            meter.invoke(relay.address_method(method), Data(DataType.INTEGER, 0))
            assert meter.get(relay.address_attribute("control_state")).value == state
            assert meter.get(relay.address_attribute("output_state")).value is connected
        # Nothing changes, so nothing is told.
        meter.invoke(relay.address_method("remote_reconnect"), Data(DataType.INTEGER, 0))
    assert bench.codes()[-2:] == [40, 41]


def test_rows_have_the_status_bits_of_the_profile(bench: Bench) -> None:
    bench.happen(kind="power-failure", duration="2h")
    bench.time.now += 3 * 3_600
    bench.happen(kind="clock-shift", by="-20m")
    bench.time.now += 3_600
    buffer = bench.profile["INTERVAL_VALUES_E"].address_attribute("buffer")
    with bench.connect(bench.simulated) as meter:
        rows = meter.get(buffer).value
    # 14:30 of the meter's summer time is the first after two hours from 12:10Z.
    flags = [row.value[1].value for row in rows[-4:]]
    assert flags == [
        DAYLIGHT_SAVING | POWER_DOWN,
        DAYLIGHT_SAVING,
        DAYLIGHT_SAVING | CLOCK_ADJUSTED,
        DAYLIGHT_SAVING,
    ]
    assert all(row.value[1].type is DataType.UNSIGNED for row in rows)


def test_whatever_is_in_the_table_can_happen(bench: Bench) -> None:
    bench.happen(kind="event", name="BREAKER_OPENED_BY_LIMITER")
    bench.happen(kind="event", code=201)
    bench.happen(kind="event", code=202, log="METER_EVENT_LOG")
    assert bench.codes()[-3:] == [42, 201, 202]
    bench.happen(kind="event", name="EVENTLOG_CLEARED")
    bench.time.now += 60
    assert bench.codes() == [0x0F00]
    for table, complaint in (
        ({"kind": "event", "code": 40_000}, "code: 40000 is no event in any log"),
        ({"kind": "event", "name": "TERMINAL_COVER_REMOVED"}, "name: TERMINAL_COVER_REMOVED is no event"),
        ({"kind": "event", "code": 1, "log": "STANDARD_EVENT_LOG"}, "is none of METER_EVENT_LOG"),
        ({"kind": "event"}, "code: is missing"),
        ({"kind": "event", "code": 1, "name": "POWER_RETURNED"}, "name: goes without code"),
        ({"kind": "alarm", "name": "POWER_UP"}, "no selected meter has the objects"),
        ({"kind": "alarm", "register": 1, "bit": 2}, "no selected meter has the objects"),
        ({"kind": "mbus-install", "channel": 1}, "no selected meter has the objects"),
    ):
        with pytest.raises(OccurrenceError, match=complaint):
            bench.happen(**table)


def test_what_meters_lack_they_do_not_have(bench: Bench) -> None:
    with pytest.raises(AccessError):
        bench.simulated.get(
            catalogue.find_profile("SMR", "5.1")["FRAUD_DETECTION_EVENT_LOG"].address_attribute("buffer")
        )
    assert bench.simulated.type.alarm_registers == {}
    assert bench.simulated.type.channels == ()


def test_the_command_line_simulates_it(tmp_path: Path) -> None:
    described = tmp_path / "fleet.json"
    command = [sys.executable, "manage.py", "simulate", "--count", "2", "--profile", "TST-1.0"]
    process = subprocess.Popen(
        [*command, "--phases", "single", "--port", "0", "--json", str(described)],
        cwd=ROOT,
        env={**embedded_environment(), "OSGP_PROFILES": str(PROFILES)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("2 meters on 127.0.0.1 port ")
        fields = [each["add_device"] for each in json.loads(described.read_text())]
        address = MeterAddress(
            "127.0.0.1", fields[1]["port"], fields[1]["logical_device_address"], Framing.WRAPPER
        )
        assert [each["protocol_name"] for each in fields] == ["TST", "TST"]
        # 0-0:43.1.3.255
        counter = AttributeDescriptor(1, bytes((0, 0, 43, 1, 3, 255)), 2)
        assert read_invocation_counter(address, counter, UNHURRIED) == 0
    finally:
        process.terminate()
        process.wait(30)
