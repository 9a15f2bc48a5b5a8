"""The head-end's client reads meters to which things happen, and finds what the meters' own codec says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from osgp import catalogue, simulator
from osgp.protocol_dlms import (
    CosemDateTime,
    Data,
    DataType,
    Deadlines,
    Meter,
    MeterAddress,
    RangeDescriptor,
    Security,
    errors,
)
from osgp.simulator.codec import axdr as meter_axdr
from osgp.simulator.meter import history
from osgp.simulator.meter.load_curve import START
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.scenario import carry_out, plan
from tests.visited import METERS, PROFILES, WITH_MBUS

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""Hours after the clocks were changed."""
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
UNHURRIED = Deadlines(connect=60, apdu=60, session=300, release=30)
PROFILE_GENERIC = 7


class Time:
    """True time, which tests move."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


class Living:
    """A running fleet without security, one meter of each profile, to which everything happens."""

    def __init__(self) -> None:
        self.time = Time()
        self.fleet = simulator.Fleet.build(
            len(PROFILES),
            PROFILES,
            polyphase=[(profile, True) in METERS for profile in PROFILES],
            security=simulator.Security.NONE,
            gas_meters=[int(profile in WITH_MBUS) for profile in PROFILES],
            settings=simulator.FleetSettings(clock=self.time, calm_from=None, null_compressed=1.0),
        )

    def meter(self, profile: str) -> SimulatedMeter:
        return list(self.fleet.meters.values())[PROFILES.index(profile)]

    def connect(self, meter: SimulatedMeter) -> Meter:
        port = self.fleet.ports[meter.port_index]
        address = MeterAddress("127.0.0.1", port, meter.logical_device_address)
        return Meter.connect(address, security=Security.NONE, with_list_max=8, deadlines=UNHURRIED)

    def happen(self, meter: SimulatedMeter, table: dict[str, Any]) -> None:
        """An occurrence, at its time."""
        table = {**table, "meters": meter.identification}
        carry_out(plan(table, self.fleet, self.time()))


@pytest.fixture
def living() -> Iterator[Living]:
    fleet = Living()
    with simulator.SimulatorThread(fleet.fleet):
        yield fleet


def plain(data: Data | meter_axdr.Data) -> Any:
    """Data of either codec, comparable."""
    value = data.value
    if isinstance(value, (tuple, list)):
        value = [plain(item) for item in value]
    return data.type.name, value


@pytest.mark.parametrize("profile", PROFILES)
def test_every_attribute_reads_as_the_meter_has_it(living: Living, profile: str) -> None:
    simulated = living.meter(profile)
    with living.connect(simulated) as meter:
        for cosem_object in catalogue.find_profile(*profile.split("-")):
            if cosem_object.class_id == 15:
                continue  # tells about the association itself
            channel = 1 if cosem_object.per_channel else None
            for attribute_id in cosem_object.attributes:
                descriptor = cosem_object.address_attribute(attribute_id, channel)
                if cosem_object.class_id == PROFILE_GENERIC and attribute_id == 2:
                    continue  # below
                held = meter_axdr.decode(simulated.get(descriptor))
                assert plain(meter.get(descriptor)) == plain(held), (cosem_object.tag, attribute_id)


@pytest.mark.parametrize("profile", PROFILES)
def test_buffers_of_two_days_read_as_the_meter_has_them(living: Living, profile: str) -> None:
    simulated = living.meter(profile)
    outage = [each for each in history.list_outages(simulated, START, living.time()) if each.seconds > 1_800][
        -1
    ]
    living.time.now = outage.end + 86_400
    now = datetime.fromtimestamp(living.time(), UTC)
    bounds = [CosemDateTime.from_datetime(moment, AMSTERDAM) for moment in (now - timedelta(days=2), now)]
    gaps = 0
    with living.connect(simulated) as meter:
        for cosem_object in catalogue.find_profile(*profile.split("-")):
            if cosem_object.class_id != PROFILE_GENERIC:
                continue
            channel = 1 if cosem_object.per_channel else None
            rows = meter.read_profile(cosem_object.address_attribute(2, channel), RangeDescriptor(*bounds))
            columns = meter_axdr.decode(simulated.get(cosem_object.address_attribute(3, channel))).value
            assert {len(row) for row in rows} <= {len(columns)}
            if cosem_object.tag == "INTERVAL_VALUES_E":
                full = 2 * 86_400 // int(cosem_object["capture_period"].value or 0)
                assert 0.78 * full < len(rows) < full
                status = [row[1] for row in rows]
                flags = catalogue.find_profile(*profile.split("-"))["AMR_PROFILE_STATUS"].flags
                assert flags
                marked = [flags.decode(int(each)).names for each in status]  # type: ignore[call-overload]
                assert sum("POWER_DOWN" in names for names in marked) == 1
                gaps = sum(row[0] is not None for row in rows) - 1
    # Stamps are told at the beginning and where a row does not follow from the one before.
    assert gaps == 1


def test_alarms_come_with_what_happens_and_stay_cleared(living: Living) -> None:
    simulated = living.meter("SMR-5.5")
    profile = catalogue.find_profile("SMR", "5.5")
    zero = Data(DataType.DOUBLE_LONG_UNSIGNED, 0)
    registers = [profile[f"ALARM_REGISTER_{number}"].address_attribute(2) for number in (1, 2, 3)]
    with living.connect(simulated) as meter:
        meter.set_many([(register, zero) for register in registers])
        assert [meter.get(register).value for register in registers] == [0, 0, 0]
        living.happen(simulated, {"kind": "event", "code": 40})
        living.happen(simulated, {"kind": "event", "code": 95})
        living.happen(simulated, {"kind": "event", "code": 25})
        assert [meter.get(register).value for register in registers] == [1 << 13, 1 << 2, 1 << 1]
        assert meter.read_profile(profile["FRAUD_DETECTION_EVENT_LOG"].address_attribute(2))[-1][1] == 40
        meter.set_many([(register, zero) for register in registers])
        assert [meter.get(register).value for register in registers] == [0, 0, 0]


def test_the_relay_obeys_its_control_mode(living: Living) -> None:
    simulated = living.meter("DSMR-4.2.2")
    control = catalogue.find_profile("DSMR", "4.2.2")["DISCONNECT_CONTROL"]
    none = Data(DataType.INTEGER, 0)
    with living.connect(simulated) as meter:
        for mode, reconnected in ((4, 1), (5, 2)):
            meter.set(control.address_attribute(4), Data(DataType.ENUM, mode))
            meter.invoke(control.address_method(1), none)
            assert meter.get(control.address_attribute(3)).value == 0
            meter.invoke(control.address_method(2), none)
            assert meter.get(control.address_attribute(3)).value == reconnected
        meter.set(control.address_attribute(4), Data(DataType.ENUM, 0))
        with pytest.raises(errors.DlmsError):
            meter.invoke(control.address_method(1), none)


def test_a_meter_without_power_is_out_of_reach_and_tells_of_it_afterwards(living: Living) -> None:
    simulated = living.meter("SMR-5.0.0")
    profile = catalogue.find_profile("SMR", "5.0.0")
    living.happen(simulated, {"kind": "power-failure", "duration": "10m"})
    with pytest.raises(errors.DlmsError):
        living.connect(simulated)
    living.time.now += 600
    wrong = timedelta(seconds=simulated.clock_offset_at(living.time()))
    with living.connect(simulated) as meter:
        stamp, seconds = meter.read_profile(profile["POWER_FAILURE_EVENT_LOG"].address_attribute(2))[-1]
        assert isinstance(stamp, bytes)
        assert CosemDateTime.from_bytes(stamp).to_datetime() == NOW + timedelta(minutes=10) + wrong
        assert seconds == 600
