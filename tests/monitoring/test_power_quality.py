"""GetActualPowerQuality and GetPowerQualityProfile with simulated meters of every profile."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from osgp import catalogue
from osgp.catalogue import CaptureColumn
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.signal_quality import find_signal_quality
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.cells import make_cells_reader
from osgp.monitoring.get_power_quality_profile import GetPowerQualityProfile
from osgp.protocol_dlms.errors import AccessError
from osgp.simulator.codec.axdr import (
    NULL_DATA,
    array,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from osgp.simulator.meter.meter import Meter
from tests.catalogue.generations import ALL, BY_KEY, DSMR2, DSMR4, FROM_52, NOT_DSMR2
from tests.monitoring.fleet import MonitoredFleet, TimedAssociation
from tests.monitoring.rows import at, clock, parameters
from tests.visited import METERS

[DSMR_2] = DSMR2
PUBLIC, PRIVATE = "PUBLIC", "PRIVATE"
DLP, PQP1, PQP2 = "DEFINABLE_LOAD_PROFILE", "POWER_QUALITY_PROFILE_1", "POWER_QUALITY_PROFILE_2"


class TestActual:
    @pytest.mark.parametrize("profile", ALL)
    @pytest.mark.parametrize(
        ("profile_type", "polyphase", "count"),
        [(PUBLIC, False, 6), (PUBLIC, True, 14), (PRIVATE, False, 11), (PRIVATE, True, 27)],
    )
    @pytest.mark.parametrize("with_list_max", [1, 32])
    def test_the_objects_of_a_dutch_profile(
        self,
        fleet: MonitoredFleet,
        profile: str,
        profile_type: str,
        polyphase: bool,
        count: int,
        with_list_max: int,
    ) -> None:
        if profile == DSMR_2 and profile_type == PRIVATE:
            count = 4 if polyphase else 2
        result = fleet.perform(
            "GetActualPowerQuality",
            profile,
            {"profile_type": profile_type},
            polyphase=polyphase,
            with_list_max=with_list_max,
        )
        assert (result["profile_type"], result["unavailable"]) == (profile_type, [])
        assert result["log_time"] == "2026-11-04T10:20:30Z"
        values = {value["name"]: value for value in result["power_quality_values"]}
        assert len(values) == len(result["power_quality_values"]) == count
        order = [item.tag for item in catalogue.find_profile(*profile.split("-"))]
        assert [order.index(name) for name in values] == sorted(order.index(name) for name in values)
        assert not polyphase or any(name.endswith("L3") for name in values)
        assert polyphase or not any(name.endswith(("L2", "L3")) for name in values)
        for name, value in values.items():
            units = {
                "NUMBER_OF": None,
                "VOLTAGE": "V",
                "CURRENT": "A",
                "REACTIVE": "var",
                "ACTIVE_POWER": "W",
            }
            assert value["unit"] == next(unit for part, unit in units.items() if part in name)
            assert Decimal(value["value"]) >= 0

    @pytest.mark.parametrize(("profile", "polyphase"), METERS)
    def test_the_objects_that_the_profile_lists(
        self, fleet: MonitoredFleet, profile: str, polyphase: bool
    ) -> None:
        asked = "ACTUAL_PP" if polyphase else "ACTUAL_SP"
        for profile_type in (PUBLIC, PRIVATE):
            listed = [
                item.tag
                for item in BY_KEY[profile]
                if item.power_quality_profile == profile_type and asked in item.power_quality_requests
            ]
            result = fleet.perform(
                "GetActualPowerQuality", profile, {"profile_type": profile_type}, polyphase=polyphase
            )
            assert [value["name"] for value in result["power_quality_values"]] == listed
            assert result["unavailable"] == []

    @pytest.mark.parametrize(("profile", "polyphase"), METERS)
    def test_voltages_are_those_of_a_household(
        self, fleet: MonitoredFleet, profile: str, polyphase: bool
    ) -> None:
        """Whatever the scaler that the profile states."""
        asked = {"profile_type": PUBLIC}
        result = fleet.perform("GetActualPowerQuality", profile, asked, polyphase=polyphase)
        volts = [value for value in result["power_quality_values"] if value["unit"] == "V"]
        momentary = 3 if polyphase else 1
        # Dutch meters tell averages as well.
        assert len(volts) == (2 * momentary if profile in ALL else momentary)
        assert all(207 <= Decimal(value["value"]) <= 253 for value in volts)

    def test_scalers(self, fleet: MonitoredFleet) -> None:
        """Fixed by the profile in SMR 5; DSMR 4 meters have voltages of either scaler."""
        asked = {"profile_type": PUBLIC}
        for profile in ("SMR-5.1", "DSMR-4.2.2"):
            meter = fleet.meter(profile)
            fleet.put(meter, "INSTANTANEOUS_VOLTAGE_L1", long_unsigned(2301))
            fleet.put(meter, "INSTANTANEOUS_VOLTAGE_L1", structure(integer(-1), b"\x16\x23"), 3)
            result = fleet.perform("GetActualPowerQuality", profile, asked)
            assert result["power_quality_values"][0] == {
                "name": "INSTANTANEOUS_VOLTAGE_L1",
                "value": "230.1",
                "unit": "V",
            }

    def test_all_of_them_in_one_round_trip(self, fleet: MonitoredFleet) -> None:
        operation = registry.find_operation("GetActualPowerQuality")
        with fleet.visit("DSMR-4.2.2", polyphase=True, with_list_max=64) as meter:
            before = meter.association.statistics.round_trips
            operation.perform(meter, {"profile_type": PUBLIC})
            assert meter.association.statistics.round_trips - before == 1

    def test_what_makes_no_sense_does_not_cost_the_others(self, fleet: MonitoredFleet) -> None:
        meter = fleet.meter("DSMR-4.2.2")
        fleet.put(meter, "NUMBER_OF_POWER_FAILURES", octet_string(b"7"))
        fleet.put(meter, "NUMBER_OF_LONG_POWER_FAILURES", NULL_DATA)
        fleet.put(meter, "INSTANTANEOUS_VOLTAGE_L1", structure(integer(99), b"\x16\x23"), 3)
        fleet.put(meter, "AVERAGE_VOLTAGE_L1", b"\x09\x84\xff\xff\xff\xff")
        result = fleet.perform("GetActualPowerQuality", "DSMR-4.2.2", {"profile_type": PUBLIC})
        assert {each["name"] for each in result["unavailable"]} == {
            "NUMBER_OF_POWER_FAILURES",
            "INSTANTANEOUS_VOLTAGE_L1",
            "AVERAGE_VOLTAGE_L1",
        }
        assert all(each["reason"] for each in result["unavailable"])
        values = {value["name"]: value["value"] for value in result["power_quality_values"]}
        assert len(values) == 3
        assert values["NUMBER_OF_LONG_POWER_FAILURES"] is None

    def test_an_object_that_the_meter_lacks(self, fleet: MonitoredFleet) -> None:
        """A meter that was registered as polyphase and has one phase."""
        result = fleet.perform("GetActualPowerQuality", "SMR-5.1", {"profile_type": PUBLIC}, polyphase=False)
        operation = registry.find_operation("GetActualPowerQuality")
        with fleet.visit("SMR-5.1", polyphase=False) as single:
            told_wrong = replace(single, polyphase=True)
            wrong = operation.represent_result(operation.perform(told_wrong, {"profile_type": PUBLIC}))
        names = {value["name"] for value in result["power_quality_values"]}
        assert {value["name"] for value in wrong["power_quality_values"]} == names
        assert {each["name"] for each in wrong["unavailable"]} >= {"INSTANTANEOUS_VOLTAGE_L2"}

    @pytest.mark.parametrize("lasting", [0, 1])
    def test_when_no_value_can_be_read_for_now(
        self, fleet: MonitoredFleet, monkeypatch: pytest.MonkeyPatch, lasting: int
    ) -> None:
        """It is tried again if one of them at least is refused for now (temporary-failure)."""
        operation = registry.find_operation("GetActualPowerQuality")
        get_each = VisitedMeter.get_each

        def refuse(meter: VisitedMeter, attributes: Any) -> list[Any]:
            clock, *values = get_each(meter, attributes)
            code = FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
            return [clock, *(Fault(code, "no", retryable=number >= lasting) for number in range(len(values)))]

        monkeypatch.setattr(VisitedMeter, "get_each", refuse)
        with fleet.visit("SMR-5.1", polyphase=False) as meter:
            with pytest.raises(Fault, match="no") as caught:
                operation.perform(meter, {"profile_type": PUBLIC})
            assert caught.value.retryable

    @pytest.mark.parametrize("encoded", [NULL_DATA, octet_string(b"\xff" * 12), unsigned(1)])
    def test_without_a_clock(self, fleet: MonitoredFleet, encoded: bytes) -> None:
        """Values are worth something without the meter's time, too."""
        fleet.put(fleet.meter("SMR-5.1"), "CLOCK", encoded)
        result = fleet.perform("GetActualPowerQuality", "SMR-5.1", {"profile_type": PUBLIC})
        assert result["log_time"] is None
        assert result["power_quality_values"]
        [missing] = result["unavailable"]
        assert missing["name"] == "log_time"
        assert "clock" in missing["reason"]


TOTAL = "INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES"
POWERS = [f"AVERAGE_{kind}_POWER_{way}" for kind in ("ACTIVE", "REACTIVE") for way in ("IMPORT", "EXPORT")]


def expected_columns(profile: str, profile_type: str, polyphase: bool) -> dict[str, set[str]]:
    """Object names by buffer, of meters that capture all that they can."""
    phases = ["L1", "L2", "L3"] if polyphase else ["L1"]
    powers = {f"{power}_{phase}" for power in POWERS for phase in phases}
    if profile in DSMR4:
        if profile_type == PRIVATE:
            single = {"INSTANTANEOUS_CURRENT_L1", "AVERAGE_CURRENT_L1"}
            return {DLP: powers | ({TOTAL} if polyphase else single)}
        voltages = {f"{kind}_VOLTAGE_{phase}" for kind in ("INSTANTANEOUS", "AVERAGE") for phase in phases}
        counters = {"VOLTAGE_SWELLS_FOR_L1", "VOLTAGE_SAGS_FOR_L1", "POWER_FAILURES"}
        numbers = set() if polyphase else {f"NUMBER_OF_{counter}" for counter in counters}
        return {DLP: voltages | numbers | ({"CDMA_DIAGNOSTIC"} if profile == "SMR-4.3" else set())}
    if profile_type == PRIVATE:
        currents = {f"AVERAGE_CURRENT_{phase}" for phase in phases}
        return {PQP1: powers, PQP2: currents | (set() if polyphase else {"INSTANTANEOUS_CURRENT_L1"})}
    voltages = {f"AVERAGE_VOLTAGE_{phase}" for phase in phases}
    numbers = {f"NUMBER_OF_VOLTAGE_{kind}_FOR_{phase}" for kind in ("SAGS", "SWELLS") for phase in phases}
    modems = {"CDMA_DIAGNOSTIC", "GPRS_DIAGNOSTIC"}
    if profile in FROM_52:
        modems.add("LTE_DIAGNOSTIC")
    return {
        DLP: numbers | modems | {"NUMBER_OF_POWER_FAILURES"},
        PQP2: voltages | (set() if polyphase else {"INSTANTANEOUS_VOLTAGE_L1"}),
    }


MBUS = {"MBUS_CLIENT_SETUP", "MBUS_DIAGNOSTIC"}
"""Which of their attributes a meter captures of itself the profile leaves open."""


def asked(
    profile_type: str, begin: str = "2026-11-03 00:00", end: str = "2026-11-04 00:00"
) -> dict[str, str]:
    part = parameters("", begin, end)
    del part["period_type"]
    return part | {"profile_type": profile_type}


class TestProfile:
    @pytest.mark.parametrize("profile", NOT_DSMR2)
    @pytest.mark.parametrize("profile_type", [PUBLIC, PRIVATE])
    @pytest.mark.parametrize("polyphase", [False, True])
    @pytest.mark.parametrize("selective_access", [True, False])
    def test_what_the_meter_holds(
        self, fleet: MonitoredFleet, profile: str, profile_type: str, polyphase: bool, selective_access: bool
    ) -> None:
        result = fleet.perform(
            "GetPowerQualityProfile",
            profile,
            asked(profile_type),
            polyphase=polyphase,
            selective_access=selective_access,
        )
        assert (result["profile_type"], result["unavailable"]) == (profile_type, [])
        found = {
            each["name"]: {column["name"] for column in each["capture_objects"]} - MBUS
            for each in result["power_quality_profiles"]
        }
        assert found == expected_columns(profile, profile_type, polyphase)
        meter = fleet.meter(profile, polyphase=polyphase)
        for each in result["power_quality_profiles"]:
            assert each["obis_code"] == meter.type.profile[each["name"]].obis
            assert (each["rejected_rows"], each["rejected_row_count"]) == ([], 0)
            assert len(each["profile_entries"]) == (145 if each["name"] == PQP2 else 97)
            self.check_entries(fleet, meter, each)

    def check_entries(self, fleet: MonitoredFleet, meter: Meter, told: dict[str, Any]) -> None:
        """Against what the simulator's own codec reads, column by column."""
        names = [self.name_of(meter, column) for column in meter.type.default_columns(told["name"], None)]
        begin, end = at("2026-11-03 00:00"), at("2026-11-04 00:00")
        held = [row for row in fleet.held(meter, told["name"]) if begin <= row[0] <= end]
        assert [entry["log_time"] for entry in told["profile_entries"]] == [
            row[0].isoformat().replace("+00:00", "Z") for row in held
        ]
        for number, column in enumerate(told["capture_objects"]):
            position = names.index((column["obis_code"], column["attribute"], column["data_index"]))
            scale = meter.type.profile[column["name"]].attributes.get(3)
            for entry, row in zip(told["profile_entries"], held, strict=True):
                value = entry["values"][number]
                if column["attribute"] == GSM.attribute_id and column["data_index"] == 3:
                    assert value == find_signal_quality(row[position])
                elif column["unit"] is None:
                    assert value == row[position]
                else:
                    assert scale is not None
                    assert scale.stated_scaler_unit is not None
                    assert Decimal(value) == scale.stated_scaler_unit.apply(row[position])
                    assert column["unit"] == scale.stated_scaler_unit.unit.symbol

    @staticmethod
    def name_of(meter: Meter, column: Any) -> tuple[str, int, int]:
        code = catalogue.obis.to_text(column.descriptor.logical_name)
        return code, column.descriptor.attribute_id, column.data_index

    def test_only_profiles_with_the_buffers_support_it(self) -> None:
        operation = registry.find_operation("GetPowerQualityProfile")
        assert tuple(each.key for each in catalogue.list_profiles() if operation.supports(each)) == NOT_DSMR2
        with MonitoredFleet.running() as fleet, pytest.raises(Fault) as caught:
            fleet.perform("GetPowerQualityProfile", DSMR_2, asked(PUBLIC))
        assert caught.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)
GSM = AttributeDescriptor(47, bytes((0, 1, 25, 6, 0, 255)), 6)
MBUS_STATUS = AttributeDescriptor(72, bytes((0, 2, 24, 1, 0, 255)), 11)
SAGS = AttributeDescriptor(1, bytes((1, 0, 32, 32, 0, 255)), 2)
STRANGE = AttributeDescriptor(1, bytes((0, 0, 96, 99, 98, 255)), 2)


def definition(attribute: AttributeDescriptor, data_index: int = 0) -> bytes:
    class_id, logical_name, attribute_id = attribute
    return structure(
        long_unsigned(class_id), octet_string(logical_name), integer(attribute_id), long_unsigned(data_index)
    )


class TestChosenColumns:
    """A definable load profile captures what a client has told it to."""

    CAPTURED = [definition(GSM, 3), definition(GSM, 4), definition(CLOCK), definition(STRANGE)]
    CAPTURED += [definition(MBUS_STATUS), definition(SAGS)]

    def perform(
        self,
        fleet: MonitoredFleet,
        *rows: bytes,
        captured: list[bytes] | None = None,
        profile: str = "SMR-5.1",
        period: int = 3600,
        **visit: Any,
    ) -> dict[str, Any]:
        meter = fleet.meter(profile)
        fleet.put(meter, DLP, array(self.CAPTURED if captured is None else captured), 3)
        fleet.put(meter, DLP, double_long_unsigned(period), 4)
        fleet.put(meter, DLP, array(rows))
        result = fleet.perform(
            "GetPowerQualityProfile", profile, asked(PUBLIC), **{"selective_access": False} | visit
        )
        found = [each for each in result["power_quality_profiles"] if each["name"] == DLP]
        return found[0] if found else result

    def row(self, *cells: bytes, time: str | None = "2026-11-03 01:00") -> bytes:
        told = NULL_DATA if time is None else clock(time)
        signal, errors, strange, status, sags = cells
        return structure(signal, errors, told, strange, status, sags)

    def test_elements_of_structures_channels_and_strangers(self, fleet: MonitoredFleet) -> None:
        cells = (unsigned(13), unsigned(2), octet_string(b"?"), unsigned(5), long_unsigned(7))
        told = self.perform(fleet, self.row(*cells), self.row(*[NULL_DATA] * 5, time=None))
        assert [
            (column["name"], column["obis_code"], column["attribute"], column["data_index"], column["unit"])
            for column in told["capture_objects"]
        ] == [
            ("CDMA_DIAGNOSTIC", "0-1:25.6.0.255", 6, 3, None),
            ("CDMA_DIAGNOSTIC", "0-1:25.6.0.255", 6, 4, None),
            ("MBUS_CLIENT_SETUP", "0-2:24.1.0.255", 11, 0, None),
            ("NUMBER_OF_VOLTAGE_SAGS_FOR_L1", "1-0:32.32.0.255", 2, 0, None),
        ]
        assert told["profile_entries"] == [
            {"log_time": "2026-11-03T00:00:00Z", "values": ["MINUS_87_DBM", 2, 5, 7]},
            # The period that the meter was set to, not that of the profile. Null-data is the value of the row
            # before (Blue Book, class 7, buffer).
            {"log_time": "2026-11-03T01:00:00Z", "values": ["MINUS_87_DBM", 2, 5, 7]},
        ]

    def test_columns_are_selected_where_the_meter_can(self, fleet: MonitoredFleet) -> None:
        row = structure(unsigned(99), unsigned(0), clock("2026-11-03 01:00"), unsigned(5), long_unsigned(7))
        told = self.perform(fleet, row, selective_access=True)
        assert told["profile_entries"][0]["values"] == ["NOT_KNOWN_OR_NOT_DETECTABLE", 0, 5, 7]
        wrong = self.perform(fleet, structure(*[NULL_DATA] * 7), selective_access=True)
        assert wrong["rejected_rows"] == [{"index": 0, "reason": "The row has 7 columns instead of 5."}]

    def test_a_meter_that_sends_all_columns_whatever_is_named(self, fleet: MonitoredFleet) -> None:
        """The stranger in the middle is no value of another column."""
        cells = (unsigned(99), unsigned(0), octet_string(b"?"), unsigned(5), long_unsigned(7))
        told = self.perform(fleet, self.row(*cells), selective_access=True)
        assert told["profile_entries"][0]["values"] == ["NOT_KNOWN_OR_NOT_DETECTABLE", 0, 5, 7]
        assert told["rejected_rows"] == []

    def test_a_cell_that_makes_no_sense_costs_its_value_not_its_row(self, fleet: MonitoredFleet) -> None:
        """Seen in the field: the signal quality 32, which has no meaning."""
        good = (unsigned(0), unsigned(0), NULL_DATA, NULL_DATA, long_unsigned(0))
        bad = [
            (unsigned(32), *good[1:]),
            (octet_string(b""), *good[1:]),
            (*good[:3], octet_string(b"x" * 65), good[4]),
        ]
        rows = [self.row(*cells, time=f"2026-11-03 02:0{index}") for index, cells in enumerate(bad)]
        meter = fleet.meter("SMR-5.1")
        told = self.perform(fleet, self.row(*good), *rows)
        assert (told["rejected_rows"], told["rejected_row_count"]) == ([], 0)
        lowest = "MINUS_113_DBM_OR_LESS"
        assert [entry["values"][0] for entry in told["profile_entries"]] == [lowest, None, None, lowest]
        assert [entry["values"][1] for entry in told["profile_entries"]] == [0] * 4
        assert meter.memory.overrides
        result = fleet.perform("GetPowerQualityProfile", "SMR-5.1", asked(PUBLIC), selective_access=False)
        assert result["unavailable"] == [
            {
                "name": "CDMA_DIAGNOSTIC",
                "reason": "2 values make no sense: no signal quality has the index 32.",
            },
            {
                "name": "MBUS_CLIENT_SETUP",
                "reason": "1 value makes no sense: more than 64 octets, characters or elements.",
            },
        ]

    def test_values_of_any_type(self, fleet: MonitoredFleet) -> None:
        odd = [
            (octet_string(b"\x01\xff"), "01ff"),
            (b"\x0a\x03abc", "abc"),
            (b"\x03\x01", True),
            (structure(unsigned(1), octet_string(b"a")), [1, "61"]),
            (b"\x17\x7f\xc0\x00\x00", "nan"),
        ]
        good = (unsigned(0), unsigned(0), NULL_DATA)
        rows = [
            self.row(*good, cell, NULL_DATA, time=f"2026-11-03 02:0{index}")
            for index, (cell, _) in enumerate(odd)
        ]
        for period in (3600, 0):
            told = self.perform(fleet, *rows, period=period)
            assert [entry["values"][2] for entry in told["profile_entries"]] == [value for _, value in odd]

    @pytest.mark.parametrize(
        "captured", [[], [definition(CLOCK)], [definition(SAGS)], [definition(CLOCK), definition(STRANGE)]]
    )
    def test_a_buffer_without_wanted_columns_or_clock_is_left_out(
        self, fleet: MonitoredFleet, captured: list[bytes]
    ) -> None:
        result = self.perform(fleet, captured=captured)
        assert [each["name"] for each in result["power_quality_profiles"]] == [PQP2]
        assert result["unavailable"] == []

    @pytest.mark.parametrize(
        "captured",
        [
            [unsigned(1)],
            [structure(unsigned(1))],
            [definition(AttributeDescriptor(1, b"short", 2))],
            [structure(*[octet_string(b"123456")] * 4)],
            [definition(SAGS)] * 201,
        ],
    )
    def test_capture_objects_that_make_no_sense(self, fleet: MonitoredFleet, captured: list[bytes]) -> None:
        result = self.perform(fleet, captured=captured)
        assert [each["name"] for each in result["power_quality_profiles"]] == [PQP2]
        assert [each["name"] for each in result["unavailable"]] == [DLP]

    def test_a_buffer_that_makes_no_sense(self, fleet: MonitoredFleet) -> None:
        fleet.put(fleet.meter("SMR-5.1"), PQP2, b"\x01\x84\xff\xff\xff\xff")
        result = fleet.perform("GetPowerQualityProfile", "SMR-5.1", asked(PUBLIC))
        assert [each["name"] for each in result["power_quality_profiles"]] == [DLP]
        assert [each["name"] for each in result["unavailable"]] == [PQP2]

    def test_absurd_scalers_cost_their_column(self, fleet: MonitoredFleet) -> None:
        meter = fleet.meter("DSMR-4.2.2")
        fleet.put(meter, "INSTANTANEOUS_VOLTAGE_L1", structure(integer(77), b"\x16\x23"), 3)
        result = fleet.perform("GetPowerQualityProfile", "DSMR-4.2.2", asked(PUBLIC))
        [told] = result["power_quality_profiles"]
        names = [column["name"] for column in told["capture_objects"]]
        assert "INSTANTANEOUS_VOLTAGE_L1" not in names
        assert "AVERAGE_VOLTAGE_L1" in names
        assert all(len(entry["values"]) == len(names) for entry in told["profile_entries"])
        assert [each["name"] for each in result["unavailable"]] == ["INSTANTANEOUS_VOLTAGE_L1"]

    @pytest.mark.parametrize(("period", "is_held"), [(900, False), (3600, True), (0, True)])
    def test_what_a_buffer_can_hold_depends_on_what_it_was_set_to(
        self, fleet: MonitoredFleet, period: int, is_held: bool
    ) -> None:
        fleet.put(fleet.meter("DSMR-4.2.2"), DLP, double_long_unsigned(period), 4)
        fleet.put(fleet.meter("DSMR-4.2.2"), DLP, array([]))
        a_month = asked(PUBLIC, "2026-10-01 00:00", "2026-11-01 00:00")
        if is_held:
            assert fleet.perform("GetPowerQualityProfile", "DSMR-4.2.2", a_month)["unavailable"] == []
        else:
            with pytest.raises(Fault, match="end_date") as caught:
                fleet.perform("GetPowerQualityProfile", "DSMR-4.2.2", a_month)
            assert (caught.value.code, caught.value.pointer) == (FaultCode.VALIDATION_ERROR, "/end_date")

    def test_a_meter_that_has_none_of_the_buffers(self, fleet: MonitoredFleet) -> None:
        """One that was registered with a newer profile than its own."""
        operation = GetPowerQualityProfile()
        parsed = operation.parse(asked(PRIVATE))
        with fleet.visit("DSMR-2.2") as old:
            meter = replace(old, profile=catalogue.find_profile("SMR", "5.1"))
            with pytest.raises(AccessError):
                operation.perform(meter, parsed)


@pytest.mark.parametrize(
    ("scale", "shown"),
    [
        (ScalerUnit(0, Unit.COUNT), 12),
        (ScalerUnit(1, Unit.COUNT), "120"),
        (ScalerUnit(-1, Unit.V), "1.2"),
        (ScalerUnit(0, Unit.W), "12"),
    ],
)
def test_counters_are_numbers_and_measured_values_decimal_digits(scale: ScalerUnit, shown: Any) -> None:
    register = catalogue.find_profile("SMR", "5.1")["AVERAGE_VOLTAGE_L1"]
    read = make_cells_reader(
        register.interface_class, CaptureColumn("TAG", register.address_attribute("value"), 0, None), scale
    )
    assert read((12, None, True)) == ([shown, None, None], {2: "a truth value instead of a number"})


def test_buffers_for_which_there_is_no_time(fleet: MonitoredFleet) -> None:
    operation = GetPowerQualityProfile()
    long = operation.parse(asked(PRIVATE, "2026-10-28 00:00", "2026-11-04 00:00"))
    with fleet.visit("SMR-5.1") as meter:
        timed = TimedAssociation(meter.association, seconds_left=200, seconds_per_row=1)
        result = operation.represent_result(operation.perform(replace(meter, association=timed), long))
    [told] = result["power_quality_profiles"]
    assert told["name"] == PQP1
    assert "2026-10-29" < told["complete_until"] < "2026-10-31"
    assert result["unavailable"] == [{"name": PQP2, "reason": "There was no time left to read it."}]


def test_names_of_signal_qualities() -> None:
    assert find_signal_quality(0) == "MINUS_113_DBM_OR_LESS"
    assert find_signal_quality(1) == "MINUS_111_DBM"
    assert find_signal_quality(13) == "MINUS_87_DBM"
    assert find_signal_quality(30) == "MINUS_53_DBM"
    assert find_signal_quality(31) == "MINUS_51_DBM_OR_GREATER"
    assert find_signal_quality(99) == "NOT_KNOWN_OR_NOT_DETECTABLE"
    for wrong in (-1, 32, 98, 100):
        with pytest.raises(ValueError):
            find_signal_quality(wrong)
