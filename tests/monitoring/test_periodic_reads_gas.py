"""PeriodicMeterReadsGas with simulated meters of every profile."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from osgp.faults import Fault, FaultCode
from osgp.messages.readings import Period
from osgp.monitoring.periodic_meter_reads_gas import PeriodicMeterReadsGas
from osgp.simulator.codec.axdr import (
    NULL_DATA,
    array,
    double_long_unsigned,
    integer,
    octet_string,
    structure,
    unsigned,
)
from tests.catalogue.generations import ALL
from tests.monitoring.fleet import MonitoredFleet
from tests.monitoring.rows import at, clock, parameters

COMBINED = ("DSMR-2.2", "DSMR-4.2.2", "SMR-4.3")
FLAGS = {0: [], 0b1000: ["DAYLIGHT_SAVING"]}
PARTS = {
    "INTERVAL": ("2026-10-30 00:00", "2026-10-31 00:00"),
    "DAILY": ("2026-10-20 00:00", "2026-10-31 00:00"),
    "MONTHLY": ("2026-01-01 00:00", "2026-11-01 00:00"),
}
COUNTS = {"INTERVAL": 25, "DAILY": 12, "MONTHLY": 11}


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize("period", PARTS)
@pytest.mark.parametrize("selective_access", [True, False])
@pytest.mark.parametrize("channel", [1, 3])
def test_what_a_dutch_gateway_holds(
    fleet: MonitoredFleet, profile: str, period: str, selective_access: bool, channel: int
) -> None:
    begin, end = PARTS[period]
    result = fleet.perform(
        "PeriodicMeterReadsGas",
        profile,
        parameters(period, begin, end),
        selective_access=selective_access,
        channel=channel,
    )
    assert (result["period_type"], result["rejected_rows"], result["rejected_row_count"]) == (period, [], 0)
    combined = profile in COMBINED and period != "INTERVAL"
    has_status = not (combined and period == "MONTHLY")
    has_capture_time = profile != "DSMR-2.2"
    columns = 2 if has_capture_time else 1
    first = 2 if has_status else 1
    if combined:
        first += 4 + (channel - 1) * columns
    tag = f"{period}_VALUES_{'COMBINED' if combined else 'G'}"
    held_rows = fleet.held(fleet.meter(profile), tag, None if combined else channel)
    expected = [
        {
            "log_time": held[0].isoformat().replace("+00:00", "Z"),
            "consumption": {"value": format(Decimal(held[first]) / 1000, ".3f"), "unit": "m³"},
            "capture_time": held[first + 1].isoformat().replace("+00:00", "Z") if has_capture_time else None,
            "amr_profile_status": FLAGS[held[1]] if has_status else None,
        }
        for held in held_rows
        if at(begin) <= held[0] <= at(end)
    ]
    assert result["periodic_meter_reads_gas"] == expected
    assert len(expected) == COUNTS[period]


def test_a_channel_without_a_meter_has_no_values(fleet: MonitoredFleet) -> None:
    """A combined buffer has columns for it all the same."""
    simulated = fleet.meter("DSMR-4.2.2")
    with_all, simulated.gas_meters = simulated.gas_meters, simulated.gas_meters[:1]
    try:
        asked = parameters("DAILY", *PARTS["DAILY"])
        result = fleet.perform("PeriodicMeterReadsGas", "DSMR-4.2.2", asked, channel=2)
    finally:
        simulated.gas_meters = with_all
    assert len(result["periodic_meter_reads_gas"]) == COUNTS["DAILY"]
    for row in result["periodic_meter_reads_gas"]:
        assert (row["consumption"], row["capture_time"]) == (None, None)


@pytest.mark.parametrize(
    ("model", "scaler", "value"),
    [
        ("G4 RF1", -1, "12.3"),
        ("", -1, "12.3"),
        ("G4 RF1", None, "0.123"),
        ("G10", None, "1.23"),
    ],
)
def test_scaler_from_the_meter_or_else_by_model(
    fleet: MonitoredFleet, model: str, scaler: int | None, value: str
) -> None:
    """Blue Book, class 3, scaler_unit; null-data: the gateway does not tell."""
    simulated = fleet.meter("SMR-5.1")
    told = NULL_DATA if scaler is None else structure(integer(scaler), b"\x16\x0d")
    fleet.put(simulated, "MBUS_MASTER_VALUE", told, 3, 2)
    rows = [structure(clock("2026-10-25 04:00"), unsigned(0), double_long_unsigned(123), NULL_DATA)]
    fleet.put(simulated, "INTERVAL_VALUES_G", array(rows), 2, 2)
    operation = PeriodicMeterReadsGas()
    asked = operation.parse(parameters("INTERVAL", "2026-10-25 00:00", "2026-10-26 00:00"))
    with fleet.visit("SMR-5.1", channel=2, model=model) as meter:
        result = operation.represent_result(operation.perform(meter, asked))
    assert result["periodic_meter_reads_gas"][0]["consumption"] == {"value": value, "unit": "m³"}


def test_energy_is_as_good_as_volume(fleet: MonitoredFleet) -> None:
    """A heat meter."""
    fleet.put(fleet.meter("SMR-5.1"), "MBUS_MASTER_VALUE", structure(integer(-1), b"\x16\x1e"), 3, 1)
    asked = parameters("INTERVAL", *PARTS["INTERVAL"])
    result = fleet.perform("PeriodicMeterReadsGas", "SMR-5.1", asked, channel=1)
    assert {row["consumption"]["unit"] for row in result["periodic_meter_reads_gas"]} == {"kWh"}


@pytest.mark.parametrize(
    ("scaling", "complaint"),
    [
        (structure(integer(99), b"\x16\x0d"), "out of range"),
        (structure(integer(0), b"\x16\x21"), "neither energy nor volume"),
        (structure(integer(0), b"\x16\xc8"), "unknown code 200"),
        (NULL_DATA, "not a structure of two"),
    ],
)
def test_absurd_scalers(fleet: MonitoredFleet, scaling: bytes, complaint: str) -> None:
    fleet.put(fleet.meter("SMR-5.1"), "MBUS_MASTER_VALUE", scaling, 3, 1)
    asked = parameters("INTERVAL", *PARTS["INTERVAL"])
    with pytest.raises(Fault, match=complaint) as caught:
        fleet.perform("PeriodicMeterReadsGas", "SMR-5.1", asked, channel=1)
    assert caught.value.code == FaultCode.ILLEGAL_RESPONSE


class TestCaptureTimes:
    def perform(self, fleet: MonitoredFleet, *rows: bytes) -> dict[str, Any]:
        fleet.put(fleet.meter("SMR-5.1"), "INTERVAL_VALUES_G", array(rows), 2, 1)
        asked = parameters("INTERVAL", "2026-10-25 00:00", "2026-10-26 00:00")
        return fleet.perform("PeriodicMeterReadsGas", "SMR-5.1", asked, channel=1, model="G4")

    def row(self, log_time: str | None, captured: bytes, value: int | None = 1000) -> bytes:
        return structure(
            NULL_DATA if log_time is None else clock(log_time),
            unsigned(0),
            NULL_DATA if value is None else double_long_unsigned(value),
            captured,
        )

    def captured(self, result: dict[str, Any]) -> list[str | None]:
        return [row["capture_time"] for row in result["periodic_meter_reads_gas"]]

    def test_what_is_left_out_is_counted_in_hours(self, fleet: MonitoredFleet) -> None:
        result = self.perform(
            fleet,
            self.row("2026-10-25T02:00+02:00", clock("2026-10-25T01:58+02:00")),
            self.row(None, NULL_DATA),
            self.row(None, NULL_DATA),
        )
        assert [row["log_time"] for row in result["periodic_meter_reads_gas"]] == [
            "2026-10-25T00:00:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T02:00:00Z",
        ]
        assert self.captured(result) == [
            "2026-10-24T23:58:00Z",
            "2026-10-25T00:58:00Z",
            "2026-10-25T01:58:00Z",
        ]

    def test_without_anything_to_count_from_it_is_not_told(self, fleet: MonitoredFleet) -> None:
        result = self.perform(
            fleet,
            self.row("2026-10-25 04:00", NULL_DATA),
            self.row("2026-10-25 05:00", clock("2026-10-25 04:59")),
            structure(),
            self.row("2026-10-25 07:00", NULL_DATA),
        )
        assert self.captured(result) == [None, "2026-10-25T03:59:00Z", None]
        assert result["rejected_row_count"] == 1

    def test_rows_of_another_time_count_as_well(self, fleet: MonitoredFleet) -> None:
        """A meter that sends more than it was asked for."""
        result = self.perform(
            fleet,
            self.row("2026-10-24 22:00", clock("2026-10-24 21:55")),
            self.row("2026-10-24 23:00", NULL_DATA),
            self.row("2026-10-25 00:00", NULL_DATA),
        )
        assert self.captured(result) == ["2026-10-24T21:55:00Z"]

    def test_times_that_make_no_sense_cost_themselves(self, fleet: MonitoredFleet) -> None:
        """Seen in the field: capture times of clocks that were reset (1970, 2000), or far ahead."""
        result = self.perform(
            fleet,
            self.row("2026-10-25 04:00", octet_string(b"\xff" * 12)),
            self.row("2026-10-25 05:00", octet_string(b"\xff" * 12)),
            self.row("2026-10-25 06:00", unsigned(1)),
            self.row("2026-10-25 07:00", clock("2026-10-25 07:00")),
            self.row("2026-10-25 08:00", clock("1970-01-01 01:00")),
            self.row("2026-10-25 09:00", clock("2000-01-01 00:00")),
            self.row("2026-10-25 10:00", clock("2070-01-01 00:00")),
            self.row("2026-10-25 11:00", clock("2099-10-25 10:55")),
        )
        consumptions = [row["consumption"]["value"] for row in result["periodic_meter_reads_gas"]]
        assert len(set(consumptions)) == 1
        assert self.captured(result) == [None, None, None, "2026-10-25T06:00:00Z", *[None] * 4]
        assert result["rejected_rows"] == []
        assert result["unavailable"] == [
            {
                "name": "MBUS_MASTER_VALUE.capture_time",
                "reason": "7 values make no sense: it does not tell a complete time.",
            }
        ]

    def test_times_without_a_value_mean_nothing(self, fleet: MonitoredFleet) -> None:
        """An M-Bus channel without device."""
        rows = [self.row(f"2026-10-25 0{hour}:00", octet_string(b"\xff" * 12), None) for hour in (4, 5)]
        result = self.perform(fleet, *rows)
        assert self.captured(result) == [None, None]
        assert result["unavailable"] == []


def test_readings_are_the_raw_column(fleet: MonitoredFleet) -> None:
    operation = PeriodicMeterReadsGas()
    asked = operation.parse(parameters("INTERVAL", *PARTS["INTERVAL"]))
    with fleet.visit("SMR-5.5", channel=4) as meter:
        result = operation.perform(meter, asked)
    [column] = operation.list_readings(asked, result)
    assert (column.quantity, column.period) == ("MBUS_MASTER_VALUE", Period.INTERVAL)
    assert (column.unit_symbol, column.exponent, column.capture_period) == ("m³", -3, 3600)
    first = datetime(2026, 10, 29, 23, tzinfo=UTC)
    assert list(column.interval_ends) == [first + timedelta(hours=hour) for hour in range(25)]
    rows = operation.represent_result(result)["periodic_meter_reads_gas"]
    assert [format(Decimal(value or 0).scaleb(-3), "f") for value in column.values] == [
        row["consumption"]["value"] for row in rows
    ]
