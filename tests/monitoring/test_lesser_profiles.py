"""Messages to meters of profiles that have only some of the objects that others have."""

from dataclasses import replace
from typing import Any

import pytest

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.catalogue.definitions import POWER_QUALITY_PROFILES
from osgp.devices.models import Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.monitoring.power_quality import ProfileType
from osgp.simulator.codec.axdr import NULL_DATA, array, double_long_unsigned, structure, unsigned
from tests.monitoring.fleet import MonitoredFleet
from tests.monitoring.profiles import capturing, selecting, silent_about, without
from tests.monitoring.rows import clock, energy, parameters

SMR_5_1 = catalogue.find_profile("SMR", "5.1")
SMR_5_5 = catalogue.find_profile("SMR", "5.5")
DLP, PQP1, PQP2 = "DEFINABLE_LOAD_PROFILE", "POWER_QUALITY_PROFILE_1", "POWER_QUALITY_PROFILE_2"
REGISTERS = ("ALARM_REGISTER_1", "ALARM_REGISTER_2", "ALARM_REGISTER_3")
GAS_VALUES = ("MBUS_MASTER_VALUE_5MIN", "MBUS_MASTER_VALUE")
DAYS = ("2026-10-20 00:00", "2026-10-31 00:00")


def find(message: str) -> MeterOperation[Any, Any]:
    operation = registry.find_operation(message)
    assert isinstance(operation, MeterOperation)
    return operation


def refusal(message: str, profile: Profile, body: dict[str, str]) -> Fault | None:
    """What a POST would be refused with."""
    operation = find(message)
    asked = operation.parse(body)
    kind = DeviceType.SMART_METER_G if "Gas" in message else DeviceType.SMART_METER_E
    device = Device(identification="E1", device_type=kind, channel=1 if "Gas" in message else None)
    device.profile = profile
    try:
        operation.check_profile(profile, asked)
        operation.check_device(device, asked)
    except Fault as fault:
        return fault
    return None


def perform(
    fleet: MonitoredFleet, message: str, profile: Profile, body: dict[str, str], **visit: Any
) -> dict[str, Any]:
    operation = find(message)
    with fleet.visit(profile.key, **visit) as meter:
        result = operation.perform(replace(meter, profile=profile), operation.parse(body))
    return operation.represent_result(result)


@pytest.fixture(autouse=True)
def _profile_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices have the profile that a test gives them, instead of looking theirs up."""
    monkeypatch.setattr(Device, "profile", None)


class TestPeriodicReads:
    @pytest.mark.parametrize(
        ("message", "suffix"), [("PeriodicMeterReads", "E"), ("PeriodicMeterReadsGas", "G")]
    )
    def test_only_the_period_types_that_are_missing_are_refused(self, message: str, suffix: str) -> None:
        lesser = without(SMR_5_1, f"INTERVAL_VALUES_{suffix}", f"MONTHLY_VALUES_{suffix}")
        assert find(message).supports(lesser)
        for period in ("INTERVAL", "MONTHLY"):
            fault = refusal(message, lesser, parameters(period, *DAYS))
            assert fault is not None
            assert fault.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
            assert fault.pointer == "/period_type"
            assert f"{period}_VALUES_{suffix}" in fault.message
        assert refusal(message, lesser, parameters("DAILY", *DAYS)) is None
        assert not find(message).supports(without(lesser, f"DAILY_VALUES_{suffix}"))

    def test_gas_needs_the_value_itself(self) -> None:
        fault = refusal(
            "PeriodicMeterReadsGas", without(SMR_5_1, "MBUS_MASTER_VALUE"), parameters("DAILY", *DAYS)
        )
        assert fault is not None
        assert (fault.code, fault.pointer) == (
            FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
            "",
        )

    @pytest.mark.parametrize("selective_access", [True, False])
    def test_registers_of_a_single_tariff(self, fleet: MonitoredFleet, selective_access: bool) -> None:
        totals = ("ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_EXPORT")
        rates = [f"{total}_RATE_{rate}" for total in totals for rate in (1, 2)]
        captured = ("CLOCK", "AMR_PROFILE_STATUS_DAILY_E", *totals)
        single = without(capturing(SMR_5_1, "DAILY_VALUES_E", captured), *rates)
        row = structure(clock("2026-10-25 00:00"), unsigned(0), *energy(1000, 2000))
        fleet.put(fleet.meter("SMR-5.1"), "DAILY_VALUES_E", array([row]))
        # The meter does not tell its capture objects: then they are as in the profile.
        fleet.put(fleet.meter("SMR-5.1"), "DAILY_VALUES_E", NULL_DATA, 3)
        asked = parameters("DAILY", *DAYS)
        assert refusal("PeriodicMeterReads", single, asked) is None
        result = perform(fleet, "PeriodicMeterReads", single, asked, selective_access=selective_access)
        assert result["periodic_meter_reads"] == [
            {
                "log_time": "2026-10-24T22:00:00Z",
                "active_energy_import": {"value": "1.000", "unit": "kWh"},
                "active_energy_export": {"value": "2.000", "unit": "kWh"},
                "amr_profile_status": [],
            }
        ]

    @pytest.mark.parametrize("name", ["capture_period", "profile_entries"])
    def test_how_much_a_buffer_holds_may_be_unknown(self, fleet: MonitoredFleet, name: str) -> None:
        """Then any part of time may be asked for."""
        asked = parameters("DAILY", "2020-01-01 00:00", "2026-10-31 00:00")
        assert refusal("PeriodicMeterReads", SMR_5_1, asked) is not None
        unknown = silent_about(SMR_5_1, "DAILY_VALUES_E", name)
        assert refusal("PeriodicMeterReads", unknown, asked) is None
        result = perform(fleet, "PeriodicMeterReads", unknown, asked)
        assert result["periodic_meter_reads"][-1]["log_time"] == "2026-10-30T23:00:00Z"


class TestAlarms:
    @pytest.mark.parametrize("tag", REGISTERS)
    def test_any_register_is_enough(self, fleet: MonitoredFleet, tag: str) -> None:
        lesser = without(SMR_5_5, *(other for other in REGISTERS if other != tag))
        fleet.put(fleet.meter("SMR-5.5"), tag, double_long_unsigned(1))
        expected = {
            "ALARM_REGISTER_1": "CLOCK_INVALID",
            "ALARM_REGISTER_2": "VOLTAGE_SAG_IN_PHASE_DETECTED_L1",
            "ALARM_REGISTER_3": "LAST_GASP",
        }
        for message in ("ReadAlarmRegister", "ClearAlarmRegister"):
            assert refusal(message, lesser, {}) is None
            result = perform(fleet, message, lesser, {})
            assert result == {"alarm_types": [expected[tag]], "unknown_alarms": [], "unavailable": []}
        assert perform(fleet, "ReadAlarmRegister", lesser, {})["alarm_types"] == []

    @pytest.mark.parametrize("message", ["ReadAlarmRegister", "ClearAlarmRegister"])
    def test_none_is_refused(self, fleet: MonitoredFleet, message: str) -> None:
        """Also at the meter, whose profile may have changed since."""
        lesser = without(SMR_5_5, *REGISTERS)
        fault = refusal(message, lesser, {})
        assert fault is not None
        assert fault.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
        with pytest.raises(Fault) as caught:
            perform(fleet, message, lesser, {})
        assert caught.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


def test_actual_gas_values_come_from_either_object(fleet: MonitoredFleet) -> None:
    for tag in GAS_VALUES:
        lesser = without(SMR_5_5, tag)
        assert refusal("ActualMeterReadsGas", lesser, {}) is None
        result = perform(fleet, "ActualMeterReadsGas", lesser, {}, channel=1)
        assert result["consumption"]["unit"] == "m³"
        assert "tag" not in result
    fault = refusal("ActualMeterReadsGas", without(SMR_5_5, *GAS_VALUES), {})
    assert fault is not None
    assert fault.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


class TestPowerQuality:
    def asked(self, profile_type: str) -> dict[str, str]:
        part = parameters("", "2026-11-03 00:00", "2026-11-04 00:00")
        del part["period_type"]
        return part | {"profile_type": profile_type}

    def test_profile_types_are_those_of_the_catalogue(self) -> None:
        assert list(ProfileType) == list(POWER_QUALITY_PROFILES)

    def test_a_profile_type_of_which_nothing_is_captured_is_refused(self, fleet: MonitoredFleet) -> None:
        """Before anything is stored, and at a meter whose profile has changed since."""
        lesser = selecting(without(SMR_5_1, PQP1, PQP2), DLP, "CLOCK", "NUMBER_OF_VOLTAGE_SAGS_FOR_L1")
        assert refusal("GetPowerQualityProfile", lesser, self.asked("PUBLIC")) is None
        fault = refusal("GetPowerQualityProfile", lesser, self.asked("PRIVATE"))
        assert fault is not None
        assert fault.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
        assert fault.pointer == "/profile_type"
        with pytest.raises(Fault, match="no PRIVATE power quality profile"):
            perform(fleet, "GetPowerQualityProfile", lesser, self.asked("PRIVATE"))

    def test_what_the_profile_does_not_say_is_asked_of_the_meter(self, fleet: MonitoredFleet) -> None:
        unknown = silent_about(SMR_5_1, PQP1, "capture_period", "profile_entries")
        asked = self.asked("PRIVATE")
        assert refusal("GetPowerQualityProfile", unknown, asked) is None
        assert perform(fleet, "GetPowerQualityProfile", unknown, asked) == perform(
            fleet, "GetPowerQualityProfile", SMR_5_1, asked
        )
