"""PeriodicMeterReads with simulated meters of every profile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from osgp.catalogue import Profile
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.messages.readings import Period
from osgp.monitoring.periodic_meter_reads import PeriodicMeterReads
from osgp.monitoring.reads import Reads
from osgp.protocol_dlms import AccessResult
from osgp.protocol_dlms.errors import AccessError
from osgp.simulator.codec.axdr import (
    NULL_DATA,
    array,
    double_long_unsigned,
    octet_string,
    structure,
    unsigned,
)
from tests.catalogue.generations import ALL, BY_KEY, SHIPPED
from tests.monitoring.fleet import NOW, MonitoredFleet, TimedAssociation
from tests.monitoring.rows import at, clock, energy, parameters
from tests.visited import METERS

TOTALS = {"ACTIVE_ENERGY_IMPORT": "active_energy_import", "ACTIVE_ENERGY_EXPORT": "active_energy_export"}
TARIFFS = {
    "ACTIVE_ENERGY_IMPORT_RATE_1": "active_energy_import_tariff_one",
    "ACTIVE_ENERGY_IMPORT_RATE_2": "active_energy_import_tariff_two",
    "ACTIVE_ENERGY_EXPORT_RATE_1": "active_energy_export_tariff_one",
    "ACTIVE_ENERGY_EXPORT_RATE_2": "active_energy_export_tariff_two",
}


def buffer_tag(profile: Profile, period: str) -> str | None:
    """None: meters of the profile keep no values of the period."""
    return next((tag for tag in (f"{period}_VALUES_E", f"{period}_VALUES_COMBINED") if tag in profile), None)


PARTS = {
    "INTERVAL": ("2026-10-30 00:00", "2026-10-31 00:00"),
    "DAILY": ("2026-10-20 00:00", "2026-10-31 00:00"),
    "MONTHLY": ("2026-01-01 00:00", "2026-11-01 00:00"),
}
COUNTS = {"DAILY": 12, "MONTHLY": 11}
KINDS = [
    (profile, polyphase, period)
    for profile, polyphase in METERS
    for period in PARTS
    if buffer_tag(BY_KEY[profile], period)
]


def test_which_periods_there_are() -> None:
    dutch = {(profile, period) for profile in ALL for period in PARTS}
    assert {(profile, period) for profile, _, period in KINDS} == {*dutch, ("TST-1.0", "INTERVAL")}


@pytest.mark.parametrize(("profile", "polyphase", "period"), KINDS)
@pytest.mark.parametrize("selective_access", [True, False])
def test_what_the_meter_holds(
    fleet: MonitoredFleet, profile: str, period: str, selective_access: bool, polyphase: bool
) -> None:
    begin, end = PARTS[period]
    known = BY_KEY[profile]
    tag = buffer_tag(known, period)
    assert tag is not None
    result = fleet.perform(
        "PeriodicMeterReads",
        profile,
        parameters(period, begin, end),
        selective_access=selective_access,
        polyphase=polyphase,
    )
    assert (result["period_type"], result["rejected_rows"], result["rejected_row_count"]) == (period, [], 0)
    names = TOTALS if period == "INTERVAL" else TARIFFS
    captured = [column.tag for column in known.list_capture_columns(tag)]
    statuses = [place for place, each in enumerate(captured) if each.startswith("AMR_PROFILE_STATUS")]
    expected = []
    for held in fleet.held(fleet.meter(profile, polyphase=polyphase), tag):
        if not at(begin) <= held[0] <= at(end):
            continue
        row = {"log_time": held[0].isoformat().replace("+00:00", "Z")}
        for register, name in names.items():
            scaler = known[register]["scaler_unit"].stated_scaler_unit.scaler - 3
            value = Decimal(held[captured.index(register)]).scaleb(scaler)
            row[name] = {"value": format(value, f".{-scaler}f"), "unit": "kWh"}
        row["amr_profile_status"] = None
        for place in statuses:
            names_of_bits = known[captured[place]].flags.names
            row["amr_profile_status"] = [
                name for bit, name in names_of_bits.items() if held[place] >> bit & 1
            ]
        expected.append(row)
    assert result["periodic_meter_reads"] == expected
    by_interval = period == "INTERVAL" and 86_400 // int(known[tag]["capture_period"].value) + 1
    assert len(expected) == (by_interval or COUNTS[period])


def test_days_begin_at_midnight_of_the_meters_zone(fleet: MonitoredFleet) -> None:
    fleet.now = datetime(2026, 4, 3, tzinfo=UTC)
    result = fleet.perform(
        "PeriodicMeterReads", "SMR-5.1", parameters("DAILY", "2026-03-28 00:00", "2026-03-31 00:00")
    )
    assert [row["log_time"] for row in result["periodic_meter_reads"]] == [
        "2026-03-27T23:00:00Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
        "2026-03-30T22:00:00Z",
    ]


@pytest.mark.parametrize(("day", "rows"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-10-26", 96)])
def test_days_of_23_24_and_25_hours(fleet: MonitoredFleet, day: str, rows: int) -> None:
    first = at(f"{day} 00:00")
    fleet.now = first.astimezone(UTC) + timedelta(days=3)
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date()
    asked = parameters("INTERVAL", f"{day} 00:15", f"{following} 00:00")
    result = fleet.perform("PeriodicMeterReads", "SMR-5.5", asked)
    assert len(result["periodic_meter_reads"]) == rows


def test_all_that_a_buffer_holds_comes_in_slices(fleet: MonitoredFleet) -> None:
    begin = NOW.replace(minute=15, second=0) - timedelta(days=10)
    asked = {
        "period_type": "INTERVAL",
        "begin_date": begin.isoformat(),
        "end_date": (begin + timedelta(days=10)).isoformat(),
    }
    for selective_access in (True, False):
        with fleet.visit("SMR-5.1", selective_access=selective_access) as meter:
            before = meter.association.statistics.round_trips
            operation = PeriodicMeterReads()
            result = operation.perform(meter, operation.parse(asked))
            reads = result["periodic_meter_reads"]
            assert meter.association.statistics.round_trips > before
        assert list(reads.times) == [begin + timedelta(minutes=15) * (count + 1) for count in range(960)]
        assert result["rejected_rows"] == []


class TestPace:
    def perform(
        self, fleet: MonitoredFleet, part: tuple[str, str], seconds_left: float = 540, per_row: float = 0.01
    ) -> tuple[dict[str, Any], list[int]]:
        operation = PeriodicMeterReads()
        with fleet.visit("SMR-5.1") as meter:
            timed = TimedAssociation(meter.association, seconds_left, per_row)
            slow = replace(meter, association=timed)
            result = operation.perform(slow, operation.parse(parameters("INTERVAL", *part)))
        return operation.represent_result(result), timed.slices

    def test_a_day_takes_one_request(self, fleet: MonitoredFleet) -> None:
        """Units are in the profile."""
        result, slices = self.perform(fleet, ("2026-11-03 00:15", "2026-11-04 00:00"))
        assert slices == [96]
        assert len(result["periodic_meter_reads"]) == 96

    def test_more_takes_as_many_as_the_meter_is_slow(self, fleet: MonitoredFleet) -> None:
        part = ("2026-10-25 12:00", "2026-11-04 11:15")
        for per_row, count in ((0.01, 2), (0.2, 7)):
            result, slices = self.perform(fleet, part, per_row=per_row)
            assert len(slices) == count
            assert result["complete_until"] == "2026-11-04T10:15:00Z"
            times = [row["log_time"] for row in result["periodic_meter_reads"]]
            assert len(times) == len(set(times)) == 958
            assert result["rejected_rows"] == []

    def test_what_there_is_no_time_for_is_told(self, fleet: MonitoredFleet) -> None:
        result, slices = self.perform(
            fleet, ("2026-10-26 00:00", "2026-11-04 00:00"), seconds_left=300, per_row=1
        )
        assert slices[0] == 151
        assert 30 <= slices[1] <= 31
        complete_until = datetime.fromisoformat(result["complete_until"])
        times = [datetime.fromisoformat(row["log_time"]) for row in result["periodic_meter_reads"]]
        assert times[-1] == complete_until
        assert complete_until - at("2026-10-26 00:00") == timedelta(minutes=15) * (len(times) - 1)
        assert 200 < sum(slices) < 300
        rest, _ = self.perform(fleet, (result["complete_until"], "2026-11-04 00:00"))
        assert len(times) + len(rest["periodic_meter_reads"]) == 9 * 96 + 2

    def test_one_slice_is_tried_however_late_it_is(self, fleet: MonitoredFleet) -> None:
        result, slices = self.perform(fleet, ("2026-11-03 00:15", "2026-11-04 00:00"), seconds_left=0)
        assert slices == [96]
        assert result["complete_until"] == "2026-11-03T23:00:00Z"


def test_a_meter_that_declines_to_select_columns_is_asked_for_all(fleet: MonitoredFleet) -> None:
    """Once: then that is known, also at the next visit."""
    operation = PeriodicMeterReads()
    asked: list[int] = []

    class Declining(TimedAssociation):
        def read_profile(self, buffer: Any, access: Any) -> Any:
            asked.append(len(access.columns))
            if access.columns:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, buffer)
            return super().read_profile(buffer, access)

    with fleet.visit("DSMR-4.2.2") as meter:
        declining = replace(meter, association=Declining(meter.association, 500, seconds_per_row=1))
        part = operation.parse(parameters("DAILY", *PARTS["DAILY"]))
        for expected in ([6, 0], [0]):
            asked.clear()
            result = operation.perform(declining, part)
            assert len(result["periodic_meter_reads"]) == COUNTS["DAILY"]
            assert asked == expected


def test_readings_are_the_raw_columns(fleet: MonitoredFleet) -> None:
    operation = registry.find_operation("PeriodicMeterReads")
    assert isinstance(operation, MeterOperation)
    for period, count, seconds in (("INTERVAL", 2, 900), ("DAILY", 4, None)):
        with fleet.visit("SMR-5.1") as meter:
            validated = operation.parse(parameters(period, *PARTS[period]))
            result = operation.perform(meter, validated)
        columns = list(operation.list_readings(validated, result))
        rows = operation.represent_result(result)["periodic_meter_reads"]
        assert len(columns) == count
        for column in columns:
            name = column.quantity.lower().replace("rate_1", "tariff_one").replace("rate_2", "tariff_two")
            assert (column.period, column.unit, column.exponent) == (Period(period), "kWh", -3)
            assert column.capture_period == seconds
            assert [str(Decimal(value).scaleb(-3)) for value in column.values] == [
                row[name]["value"] for row in rows
            ]
            assert column.statuses is not None
            flags = {0: [], 0b1000: ["DAYLIGHT_SAVING"]}
            assert [flags[status] for status in column.statuses] == [
                row["amr_profile_status"] for row in rows
            ]
            assert column.interval_ends == tuple(datetime.fromisoformat(row["log_time"]) for row in rows)


def test_nothing_in_that_time(fleet: MonitoredFleet) -> None:
    asked = parameters("DAILY", "2020-01-01 00:00", "2020-01-10 00:00")
    assert fleet.perform("PeriodicMeterReads", "SMR-5.1", asked)["periodic_meter_reads"] == []


class TestBrokenBuffers:
    """What a meter should not say; the good rows are kept."""

    def perform(self, fleet: MonitoredFleet, *rows: bytes, profile: str = "SMR-5.1") -> dict[str, Any]:
        fleet.put(fleet.meter(profile), "INTERVAL_VALUES_E", array(rows))
        asked = parameters("INTERVAL", "2026-10-25 00:00", "2026-10-26 00:00")
        return fleet.perform("PeriodicMeterReads", profile, asked)

    def row(self, text: str, *numbers: int, status: int = 0) -> bytes:
        return structure(clock(text), unsigned(status), *energy(*(numbers or (1000, 2000))))

    def times(self, result: dict[str, Any]) -> list[str]:
        return [row["log_time"] for row in result["periodic_meter_reads"]]

    def test_clocks_that_are_left_out(self, fleet: MonitoredFleet) -> None:
        left_out = structure(NULL_DATA, unsigned(0), *energy(1, 2))
        result = self.perform(fleet, self.row("2026-10-25T02:30+02:00"), *[left_out] * 4)
        assert self.times(result) == [
            "2026-10-25T00:30:00Z",
            "2026-10-25T00:45:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:15:00Z",
            "2026-10-25T01:30:00Z",
        ]

    def test_statuses_and_values_that_are_left_out(self, fleet: MonitoredFleet) -> None:
        result = self.perform(
            fleet,
            self.row("2026-10-25 04:00", status=0b100110),
            structure(clock("2026-10-25 04:15"), NULL_DATA, NULL_DATA, double_long_unsigned(7)),
        )
        first, second = result["periodic_meter_reads"]
        # Blue Book, class 7, buffer: null-data is the value of the row before.
        assert first["amr_profile_status"] == ["CLOCK_INVALID", "DATA_NOT_VALID", "CLOCK_ADJUSTED"]
        assert second["amr_profile_status"] == first["amr_profile_status"]
        assert second["active_energy_import"] == first["active_energy_import"]
        assert second["active_energy_export"] == {"value": "0.007", "unit": "kWh"}

    def test_nothing_is_told_from_the_first_row_on(self, fleet: MonitoredFleet) -> None:
        """Columns without a value, as those of M-Bus channels without a device."""
        row = structure(clock("2026-10-25 04:00"), NULL_DATA, NULL_DATA, double_long_unsigned(7))
        result = self.perform(fleet, row, structure(NULL_DATA, NULL_DATA, NULL_DATA, NULL_DATA))
        assert self.times(result) == ["2026-10-25T03:00:00Z", "2026-10-25T03:15:00Z"]
        for read in result["periodic_meter_reads"]:
            assert (read["amr_profile_status"], read["active_energy_import"]) == (None, None)
            assert read["active_energy_export"] == {"value": "0.007", "unit": "kWh"}
        assert result["unavailable"] == []

    def test_unordered_doubled_and_stray_rows(self, fleet: MonitoredFleet) -> None:
        result = self.perform(
            fleet,
            self.row("2026-10-25 04:15", 2, 2),
            self.row("2026-10-25 04:00", 1, 1),
            self.row("2026-10-25 04:15", 3, 3),
            self.row("2026-10-25 04:00", 1, 1),
            self.row("2026-10-24 04:15", 4, 4),
            self.row("2026-10-26 00:00", 5, 5),
            self.row("2026-10-26 00:15", 6, 6),
        )
        values = [row["active_energy_import"]["value"] for row in result["periodic_meter_reads"]]
        assert values == ["0.001", "0.002", "0.005"]
        assert self.times(result) == sorted(self.times(result))
        assert result["rejected_rows"] == [
            {"index": 2, "reason": "There is another row with the same time and other values before it."}
        ]

    def test_bad_rows(self, fleet: MonitoredFleet) -> None:
        good = self.row("2026-10-25 04:00")
        bad = {
            "The row has 3 columns instead of 4.": structure(clock("2026-10-25 05:00"), *energy(1, 2)),
            "The row has 5 columns instead of 4.": structure(
                clock("2026-10-25 05:00"), unsigned(0), *energy(1, 2, 3)
            ),
            "The row has 0 columns instead of 4.": unsigned(4),
            "The clock does not tell a complete time.": structure(
                octet_string(b"\xff" * 12), unsigned(0), *energy(1, 2)
            ),
        }
        result = self.perform(fleet, *bad.values(), good)
        assert self.times(result) == ["2026-10-25T03:00:00Z"]
        assert result["rejected_rows"] == [
            {"index": index, "reason": reason} for index, reason in enumerate(bad)
        ]

    @pytest.mark.parametrize(
        ("cell", "place", "name", "reason"),
        [
            (octet_string(b"\x00"), 1, "AMR_PROFILE_STATUS", "octets instead of bits"),
            (double_long_unsigned(300), 1, "AMR_PROFILE_STATUS", "bits outside 0..255"),
            (octet_string(b"1"), 2, "ACTIVE_ENERGY_IMPORT", "octets instead of a number"),
            (b"\x0a\x0212", 2, "ACTIVE_ENERGY_IMPORT", "a text instead of a number"),
            (b"\x05\xff\xff\xff\xff", 3, "ACTIVE_ENERGY_EXPORT", "a negative number"),
            (b"\x1f\x01", 3, "ACTIVE_ENERGY_EXPORT", "a difference from a value that is not known"),
            (
                b"\x17\x7f\xc0\x00\x00",
                3,
                "ACTIVE_ENERGY_EXPORT",
                "a floating-point number that is no number, or beyond all bounds",
            ),
        ],
    )
    def test_a_cell_that_makes_no_sense_costs_its_value_not_its_row(
        self, fleet: MonitoredFleet, cell: bytes, place: int, name: str, reason: str
    ) -> None:
        cells = [clock("2026-10-25 05:00"), unsigned(0), *energy(1, 2)]
        cells[place] = cell
        result = self.perform(fleet, structure(*cells), self.row("2026-10-25 05:15", 3, 4))
        first, second = result["periodic_meter_reads"]
        fields = {1: "amr_profile_status", 2: "active_energy_import", 3: "active_energy_export"}
        assert [first[field] is None for field in fields.values()] == [each == place for each in fields]
        assert all(second[field] is not None for field in fields.values())
        assert result["rejected_rows"] == []
        assert result["unavailable"] == [{"name": name, "reason": f"1 value makes no sense: {reason}."}]

    @pytest.mark.parametrize(
        "encoded",
        [
            b"\x01\x84\xff\xff\xff\xff\x02\x04",
            b"\x01\x01\x02\x04\x09\x84\xff\xff\xff\xff",
            b"\x01" * 40,
            b"\x11\x05",
            b"\x01\x01\x02\x04\x09\x0c\x07\xea",
            b"",
        ],
    )
    def test_what_is_no_buffer(self, fleet: MonitoredFleet, encoded: bytes) -> None:
        fleet.put(fleet.meter("SMR-5.1"), "INTERVAL_VALUES_E", encoded)
        asked = parameters("INTERVAL", "2026-10-25 00:00", "2026-10-26 00:00")
        with pytest.raises(Fault) as caught:
            fleet.perform("PeriodicMeterReads", "SMR-5.1", asked)
        assert caught.value.code == FaultCode.ILLEGAL_RESPONSE

    def test_more_rows_than_any_buffer_has(self, fleet: MonitoredFleet) -> None:
        with pytest.raises(Fault, match="rows of INTERVAL_VALUES_E"):
            self.perform(fleet, *[structure()] * 10_001)


def test_rows_are_the_same_by_either_way() -> None:
    """With no rows, and with all that may be missing."""
    operation = PeriodicMeterReads()
    flags = BY_KEY["SMR-5.1"]["AMR_PROFILE_STATUS"].flags
    for reads in (
        Reads((), [], (), None),
        Reads((NOW,), [], (None,), flags),
        Reads((NOW,), [], (0x81,), flags),
        Reads((NOW,), [], (None,), None),
    ):
        result = {
            "period_type": "DAILY",
            "begin_date": NOW,
            "end_date": NOW,
            "periodic_meter_reads": reads,
            "complete_until": NOW,
            "rejected_rows": [{"index": 1, "reason": "no"}],
            "rejected_row_count": 1,
            "unavailable": [{"name": "ACTIVE_ENERGY_IMPORT", "reason": "no"}],
        }
        assert operation.represent_result(result) == dict(operation.result_serializer(result).data)


@pytest.mark.parametrize("message", ["PeriodicMeterReads", "PeriodicMeterReadsGas"])
def test_every_dutch_profile_supports_it_and_captures_a_clock(message: str) -> None:
    operation = registry.find_operation(message)
    for profile in SHIPPED:
        assert operation.supports(profile)
        for tags in operation.buffers.values():
            tag = next(tag for tag in tags if tag in profile)
            columns = profile.list_capture_columns(tag, 1 if profile[tag].per_channel else None)
            assert [column.tag for column in columns].count("CLOCK") == 1
