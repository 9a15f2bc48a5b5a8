"""Registers that are read now: as the meter describes them, and without what makes no sense."""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.knowledge import Knowledge
from osgp.messages.operation import MeterOperation
from osgp.messages.readings import Readings
from osgp.simulator.codec.axdr import (
    NULL_DATA,
    double_long_unsigned,
    enum,
    integer,
    octet_string,
    structure,
    unsigned,
)
from tests.monitoring.fleet import NOW, MonitoredFleet
from tests.visited import METERS, WITH_MBUS

IMPORT, RATE_1 = "ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_IMPORT_RATE_1"
WH, M3, UNDEFINED, COUNT = 30, 13, 0, 255


def scaling(scaler: int, unit: int) -> bytes:
    return structure(integer(scaler), enum(unit))


def carry_out(
    fleet: MonitoredFleet, message: str, profile: str = "SMR-5.1", **visit: Any
) -> tuple[dict[str, Any], list[Readings], int]:
    """Result and readings of a message, and the round trips that it took."""
    operation = registry.find_operation(message)
    assert isinstance(operation, MeterOperation)
    parameters = {"profile_type": "PRIVATE"} if message == "GetActualPowerQuality" else {}
    with fleet.visit(profile, **{"visit_begin": NOW} | visit) as meter:
        before = meter.association.statistics.round_trips
        result = operation.perform(meter, parameters)
        round_trips = meter.association.statistics.round_trips - before
        readings = list(operation.list_readings(parameters, result))
    return operation.represent_result(result), readings, round_trips


def names(result: Mapping[str, Any]) -> list[str]:
    return [each["name"] for each in result["unavailable"]]


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
@pytest.mark.parametrize("message", ["ActualMeterReads", "GetActualPowerQuality", "GetThdFingerprint"])
def test_a_meter_that_is_known_costs_one_round_trip(
    fleet: MonitoredFleet, message: str, profile: str, polyphase: bool
) -> None:
    """Its descriptions and its firmware identifier come in the list of the values, or not at all."""
    operation = registry.find_operation(message)
    if not operation.supports(fleet.meter(profile, polyphase=polyphase).type.profile):
        return
    knowledge = Knowledge()
    first, again = (
        carry_out(fleet, message, profile, polyphase=polyphase, knowledge=knowledge, with_list_max=100)
        for _ in range(2)
    )
    assert again[2] == 1
    assert first[2] <= 3
    assert first[0] == again[0]
    assert not first[0]["unavailable"]


@pytest.mark.parametrize("profile", WITH_MBUS)
@pytest.mark.parametrize(("with_list_max", "first", "again"), [(1, 4, 2), (32, 1, 1)])
def test_round_trips_of_gas(
    fleet: MonitoredFleet, profile: str, with_list_max: int, first: int, again: int
) -> None:
    knowledge = Knowledge()
    for expected in (first, again, again):
        _, readings, round_trips = carry_out(
            fleet,
            "ActualMeterReadsGas",
            profile,
            channel=1,
            identification="G1",
            knowledge=knowledge,
            with_list_max=with_list_max,
        )
        assert round_trips == expected
        assert len(readings) == 1


def test_without_lists_a_known_meter_is_asked_for_values_alone(fleet: MonitoredFleet) -> None:
    knowledge = Knowledge()
    carry_out(fleet, "ActualMeterReads", knowledge=knowledge, with_list_max=1)
    result, _, round_trips = carry_out(fleet, "ActualMeterReads", knowledge=knowledge, with_list_max=1)
    registers = [value for name, value in result.items() if name.startswith("active") and value]
    assert round_trips == 1 + len(registers) == 7


@pytest.mark.parametrize(("scaler", "expected"), [(1, "50.00"), (-2, "0.05000"), (3, "5000"), (0, "5.000")])
def test_the_scaler_is_the_meters(fleet: MonitoredFleet, scaler: int, expected: str) -> None:
    """Blue Book, class 3, scaler_unit. Seen in the field: meters with other scalers than their profile."""
    meter = fleet.meter("SMR-5.1")
    fleet.put(meter, IMPORT, double_long_unsigned(5_000))
    fleet.put(meter, IMPORT, scaling(scaler, WH), 3)
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert result["active_energy_import"] == {"value": expected, "unit": "kWh"}
    assert readings[0].values == (Decimal(expected),)


@pytest.mark.parametrize(
    "told", [NULL_DATA, scaling(0, UNDEFINED), scaling(0, COUNT), scaling(25, WH), octet_string(b"1")]
)
def test_a_meter_that_does_not_describe_a_register_has_the_profiles(
    fleet: MonitoredFleet, told: bytes
) -> None:
    meter = fleet.meter("SMR-5.1")
    fleet.put(meter, IMPORT, double_long_unsigned(5_000))
    fleet.put(meter, IMPORT, told, 3)
    result, _, _ = carry_out(fleet, "ActualMeterReads")
    assert result["active_energy_import"] == {"value": "5.000", "unit": "kWh"}
    assert result["unavailable"] == []


def test_the_unit_is_the_meters_too(fleet: MonitoredFleet) -> None:
    fleet.put(fleet.meter("SMR-5.1"), IMPORT, scaling(0, 32), 3)
    result, _, _ = carry_out(fleet, "ActualMeterReads")
    assert result["active_energy_import"] is None
    reason = "The unit of ACTIVE_ENERGY_IMPORT is varh, which is neither energy nor volume."
    assert result["unavailable"] == [{"name": "active_energy_import", "reason": reason}]


def test_power_quality_has_the_meters_scalers(fleet: MonitoredFleet) -> None:
    meter = fleet.meter("SMR-5.1")
    fleet.put(meter, "INSTANTANEOUS_CURRENT_L1", b"\x12\x08\xfd")
    fleet.put(meter, "INSTANTANEOUS_CURRENT_L1", scaling(-3, 33), 3)
    values = carry_out(fleet, "GetActualPowerQuality")[0]["power_quality_values"]
    assert {"name": "INSTANTANEOUS_CURRENT_L1", "value": "2.301", "unit": "A"} in values


def test_distortion_has_the_meters_scalers(fleet: MonitoredFleet) -> None:
    meter = fleet.meter("SMR-5.5")
    fleet.put(meter, "THD_INSTANTANEOUS_CURRENT_L1", b"\x12\x00\x7d")
    fleet.put(meter, "THD_INSTANTANEOUS_CURRENT_L1", scaling(-2, 56), 3)
    result, _, _ = carry_out(fleet, "GetThdFingerprint", "SMR-5.5")
    assert result["thd_instantaneous_current_l1"] == {"value": "1.25", "unit": "%"}


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (b"\x18" + bytes.fromhex("40934a0000000000"), "1.2345"),  # float64
        (b"\x17" + bytes.fromhex("449a5000"), "1.2345"),  # float32
        (b"\x15" + (2**40).to_bytes(8, "big"), "1099511627.776"),  # long64-unsigned
        (b"\x14" + (5_000).to_bytes(8, "big"), "5.000"),  # long64
        (b"\x12\x13\x88", "5.000"),  # long-unsigned
    ],
)
def test_registers_of_every_numeric_type(fleet: MonitoredFleet, encoded: bytes, expected: str) -> None:
    """Blue Book, class 3: the value is a choice of all of them."""
    fleet.put(fleet.meter("SMR-5.1"), IMPORT, encoded)
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert result["active_energy_import"] == {"value": expected, "unit": "kWh"}
    assert readings[0].values == (Decimal(expected),)


def test_digits_that_only_a_float_has_do_not_keep_it_from_being_stored(fleet: MonitoredFleet) -> None:
    fleet.put(fleet.meter("SMR-5.1"), IMPORT, b"\x18" + struct.pack(">d", 0.1 + 0.2))
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert result["active_energy_import"] == {"value": "0.00030000000000000004", "unit": "kWh"}
    assert readings[0].values == (Decimal("0.000300"),)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"\x05\xff\xff\xff\xff", "ACTIVE_ENERGY_IMPORT_RATE_1 is negative."),
        (octet_string(b"1"), "The value of ACTIVE_ENERGY_IMPORT_RATE_1 is not a number."),
        (b"\x77", "unknown"),
    ],
)
def test_a_register_that_makes_no_sense_costs_itself(
    fleet: MonitoredFleet, encoded: bytes, reason: str
) -> None:
    fleet.put(fleet.meter("SMR-5.1"), RATE_1, encoded)
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert result["active_energy_import_tariff_one"] is None
    assert names(result) == ["active_energy_import_tariff_one"]
    assert reason in result["unavailable"][0]["reason"] or reason == "unknown"
    assert len(readings) == 5
    assert result["active_energy_import"]


def refuse(fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch, profile: str, *tags: str) -> None:
    """Have a meter refuse to tell anything of some objects."""
    meter = fleet.meter(profile)
    for tag in tags:
        item = meter.type.profile[tag]
        entry = meter.type.objects[item.get_logical_name(1 if item.per_channel else None)]
        for attribute in entry.attributes.values():
            monkeypatch.setattr(attribute, "access", 0)


def test_a_register_that_is_refused_costs_itself(
    fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(fleet, monkeypatch, "SMR-5.1", RATE_1)
    knowledge = Knowledge()
    for expected in (1, 1):
        result, readings, round_trips = carry_out(fleet, "ActualMeterReads", knowledge=knowledge)
        assert round_trips == expected
        assert names(result) == ["active_energy_import_tariff_one"]
        assert "read-write-denied" in result["unavailable"][0]["reason"]
        assert len(readings) == 5


def test_if_all_are_refused_the_message_fails(fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [tag for tag in fleet.meter("SMR-5.1").type.profile if tag.tag.startswith("ACTIVE_ENERGY_")]
    refuse(fleet, monkeypatch, "SMR-5.1", *(item.tag for item in tags))
    with pytest.raises(Fault, match="read-write-denied") as caught:
        carry_out(fleet, "ActualMeterReads")
    assert caught.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    assert not caught.value.retryable


def test_alarms_and_distortion_without_one_register(
    fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(fleet, monkeypatch, "SMR-5.5", "ALARM_REGISTER_2", "THD_INSTANTANEOUS_CURRENT_L1")
    fleet.put(fleet.meter("SMR-5.5"), "ALARM_REGISTER_1", double_long_unsigned(1))
    fleet.put(fleet.meter("SMR-5.5"), "ALARM_REGISTER_3", double_long_unsigned(1))
    for message in ("ReadAlarmRegister", "ClearAlarmRegister"):
        result, _, _ = carry_out(fleet, message, "SMR-5.5")
        assert result["alarm_types"] == ["CLOCK_INVALID", "LAST_GASP"]
        assert names(result) == ["ALARM_REGISTER_2"]
    result, _, _ = carry_out(fleet, "GetThdFingerprint", "SMR-5.5")
    assert names(result) == ["thd_instantaneous_current_l1"]
    assert result["thd_current_over_limit_counter_l1"] is not None


@pytest.mark.parametrize(
    ("encoded", "alarms"),
    [
        (b"\x11\x03", ["CLOCK_INVALID", "REPLACE_BATTERY"]),
        (b"\x12\x00\x03", ["CLOCK_INVALID", "REPLACE_BATTERY"]),
        (b"\x04\x20" + bytes.fromhex("00000003"), ["CLOCK_INVALID", "REPLACE_BATTERY"]),
    ],
)
def test_registers_of_alarms_are_words_of_any_length(
    fleet: MonitoredFleet, encoded: bytes, alarms: list[str]
) -> None:
    """Cleared with a value of the same type, so that the meter takes it."""
    meter = fleet.meter("SMR-5.1")
    fleet.put(meter, "ALARM_REGISTER_1", encoded)
    assert carry_out(fleet, "ReadAlarmRegister")[0]["alarm_types"] == alarms
    operation = registry.find_operation("ClearAlarmRegister")
    written: list[Any] = []
    with fleet.visit("SMR-5.1") as visited:
        visited.association.set = lambda attribute, data: written.append(data)  # type: ignore[method-assign]
        assert isinstance(operation, MeterOperation)
        operation.perform(visited, {})
    [data] = written
    assert data.type == encoded[0]
    assert data.value == ("0" * 32 if encoded[0] == 4 else 0)


# --- Times ------------------------------------------------------------------------------------------------


def clock(moment: datetime, deviation: int = 0) -> bytes:
    """The fields of a moment, whatever its zone."""
    year = moment.year.to_bytes(2, "big")
    fields = bytes((moment.month, moment.day, 0xFF, moment.hour, moment.minute, moment.second, 0))
    return octet_string(year + fields + deviation.to_bytes(2, "big", signed=True) + b"\x00")


ABSURD = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2000, 1, 1, 0, 30, tzinfo=UTC),
    NOW + timedelta(days=365),
    datetime(2070, 1, 1, tzinfo=UTC),
]
"""Seen in the field."""


@pytest.mark.parametrize("moment", ABSURD)
def test_a_wrong_clock_is_told_and_no_time_of_readings(fleet: MonitoredFleet, moment: datetime) -> None:
    fleet.put(fleet.meter("SMR-5.1"), "CLOCK", clock(moment))
    before = datetime.now(UTC)
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert datetime.fromisoformat(result["log_time"]) == moment
    assert names(result) == ["log_time"]
    assert "read_at" not in result
    assert len(readings) == 6
    for each in readings:
        assert before <= each.interval_ends[0] <= datetime.now(UTC)


def test_without_a_clock_there_are_values_all_the_same(
    fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(fleet, monkeypatch, "SMR-5.1", "CLOCK")
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert result["log_time"] is None
    assert names(result) == ["log_time"]
    assert len(readings) == 6


def test_a_clock_without_deviation_is_local_time(fleet: MonitoredFleet) -> None:
    """Blue Book 4.1.6.1: 8000. Seen in the field: Kamstrup, Kaifa, Landis+Gyr."""
    fleet.put(fleet.meter("SMR-5.1"), "CLOCK", clock(datetime(2026, 11, 4, 11, 20, 30, tzinfo=UTC), -0x8000))
    result, readings, _ = carry_out(fleet, "ActualMeterReads")
    assert result["log_time"] == "2026-11-04T10:20:30Z"
    assert readings[0].interval_ends == (NOW,)


@pytest.mark.parametrize("moment", ABSURD)
def test_an_absurd_capture_time_of_gas(fleet: MonitoredFleet, moment: datetime) -> None:
    """The value counts, at an unknown time; it is no reading."""
    tag = "MBUS_MASTER_VALUE_5MIN" if "MBUS_MASTER_VALUE_5MIN" in _profile(fleet) else "MBUS_MASTER_VALUE"
    fleet.put(fleet.meter("SMR-5.1"), tag, clock(moment), 5, 1)
    result, readings, _ = carry_out(fleet, "ActualMeterReadsGas", channel=1)
    assert result["consumption"]
    assert result["capture_time"] is None
    assert names(result) == ["capture_time"]
    assert str(moment.year) in result["unavailable"][0]["reason"]
    assert readings == []


def _profile(fleet: MonitoredFleet) -> Any:
    return fleet.meter("SMR-5.1").type.profile


@pytest.mark.parametrize(
    ("encoded", "capture_time"),
    [
        (clock(datetime(2026, 11, 4, 11, tzinfo=UTC), -0x8000), "2026-11-04T10:00:00Z"),
        # Long past, in the hour that came twice: the later of the two.
        (clock(datetime(2026, 10, 25, 2, tzinfo=UTC), -0x8000), "2026-10-25T01:00:00Z"),
        (clock(datetime(2026, 11, 4, 11, tzinfo=UTC), -60), "2026-11-04T10:00:00Z"),
    ],
)
def test_capture_times_of_gas(fleet: MonitoredFleet, encoded: bytes, capture_time: str) -> None:
    fleet.put(fleet.meter("DSMR-4.2.2"), "MBUS_MASTER_VALUE", encoded, 5, 1)
    result, readings, _ = carry_out(fleet, "ActualMeterReadsGas", "DSMR-4.2.2", channel=1)
    assert result["capture_time"] == capture_time
    assert result["unavailable"] == []
    assert readings[0].interval_ends == (datetime.fromisoformat(capture_time),)


def test_gas_of_a_negative_total(fleet: MonitoredFleet) -> None:
    fleet.put(fleet.meter("DSMR-4.2.2"), "MBUS_MASTER_VALUE", b"\x05\xff\xff\xff\xff", 2, 1)
    result, readings, _ = carry_out(fleet, "ActualMeterReadsGas", "DSMR-4.2.2", channel=1)
    assert result["consumption"] is None
    assert result["unavailable"] == [{"name": "consumption", "reason": "MBUS_MASTER_VALUE is negative."}]
    assert readings == []


def test_an_empty_channel_is_a_fault(fleet: MonitoredFleet) -> None:
    meter = fleet.meter("DSMR-4.2.2")
    fleet.put(meter, "MBUS_MASTER_VALUE", NULL_DATA, 2, 1)
    fleet.put(meter, "MBUS_MASTER_VALUE", octet_string(b"\xff" * 12), 5, 1)
    with pytest.raises(Fault, match="channel may be empty"):
        carry_out(fleet, "ActualMeterReadsGas", "DSMR-4.2.2", channel=1)


@pytest.mark.parametrize(
    ("told", "model", "expected"),
    [
        (scaling(-1, M3), "G4 RF1", "12.3"),
        (NULL_DATA, "G4 RF1", "0.123"),
        (scaling(0, COUNT), "G4 RF1", "0.123"),
        (scaling(0, 19), "", "0.123"),
    ],
)
def test_gas_has_the_scaler_of_the_gateway_or_else_that_of_its_model(
    fleet: MonitoredFleet, told: bytes, model: str, expected: str
) -> None:
    meter = fleet.meter("DSMR-4.2.2")
    fleet.put(meter, "MBUS_MASTER_VALUE", double_long_unsigned(123), 2, 1)
    fleet.put(meter, "MBUS_MASTER_VALUE", told, 3, 1)
    result, _, _ = carry_out(fleet, "ActualMeterReadsGas", "DSMR-4.2.2", channel=1, model=model)
    assert result["consumption"] == {"value": expected, "unit": "m³"}


def test_gas_that_nobody_describes(fleet: MonitoredFleet) -> None:
    meter = fleet.meter("DSMR-4.2.2")
    fleet.put(meter, "MBUS_MASTER_VALUE", unsigned(1), 3, 1)
    with pytest.raises(Fault, match="scaler and unit of MBUS_MASTER_VALUE"):
        carry_out(fleet, "ActualMeterReadsGas", "DSMR-4.2.2", channel=1)
