"""Which times relative periods become, by the meter's clock, across changes of clocks too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from rest_framework.exceptions import ValidationError

from osgp.cosem.profile_rows import CapturePeriod
from osgp.faults import Fault, FaultCode
from osgp.messages.relative_periods import (
    NAMED,
    SINCE_LAST_READING,
    AnyPeriod,
    RelativePeriod,
    RelativePeriodField,
    TimeUnit,
    check_times,
    find_times,
)

AMSTERDAM, KOLKATA = ZoneInfo("Europe/Amsterdam"), ZoneInfo("Asia/Kolkata")
QUARTER = CapturePeriod(seconds=900)


def times(
    period: AnyPeriod,
    moment: str,
    zone: ZoneInfo = AMSTERDAM,
    step: CapturePeriod | None = None,
    entries: int | None = None,
) -> tuple[str, str]:
    found = period.find_times(datetime.fromisoformat(moment), zone, step, entries)
    assert found.begin.tzinfo is UTC
    return found.begin.strftime("%m-%d %H:%M:%S"), found.end.strftime("%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("name", "moment", "expected"),
    [
        ("PREVIOUS_HOUR", "2027-01-10T08:59:59.999999+00:00", ("01-10 07:00:00", "01-10 08:00:00")),
        ("PREVIOUS_HOUR", "2027-01-10T09:00:00+00:00", ("01-10 08:00:00", "01-10 09:00:00")),
        ("PREVIOUS_DAY", "2027-01-10T00:59:00+00:00", ("01-08 23:00:00", "01-09 23:00:00")),
        ("PREVIOUS_DAY", "2027-01-09T23:00:00+00:00", ("01-08 23:00:00", "01-09 23:00:00")),
        ("PREVIOUS_DAY", "2027-01-09T22:59:59+00:00", ("01-07 23:00:00", "01-08 23:00:00")),
        ("PREVIOUS_MONTH", "2027-04-01T00:00:00+02:00", ("02-28 23:00:00", "03-31 22:00:00")),
        ("PREVIOUS_MONTH", "2027-01-31T12:00:00+01:00", ("11-30 23:00:00", "12-31 23:00:00")),
    ],
)
def test_periods_with_a_name(name: str, moment: str, expected: tuple[str, str]) -> None:
    assert times(NAMED[name], moment) == expected


@pytest.mark.parametrize(
    ("moment", "hours"), [("2027-03-29T01:00:00+02:00", 23), ("2027-11-01T01:00:00+01:00", 25)]
)
def test_days_on_which_clocks_change(moment: str, hours: int) -> None:
    at = datetime.fromisoformat(moment)
    begin, end = NAMED["PREVIOUS_DAY"].find_times(at, AMSTERDAM, None)
    assert end - begin == timedelta(hours=hours)
    local = [each.astimezone(AMSTERDAM) for each in (begin, end)]
    assert [(each.hour, each.minute) for each in local] == [(0, 0), (0, 0)]
    assert (local[1].date() - local[0].date()).days == 1
    quarters = RelativePeriod(4 * hours, TimeUnit.INTERVAL)
    assert quarters.find_times(end, AMSTERDAM, QUARTER) == (begin, end)


def test_the_hour_that_comes_twice() -> None:
    """31 October 2027: after 02:59:59 +02:00 comes 02:00:00 +01:00."""
    assert times(NAMED["PREVIOUS_HOUR"], "2027-10-31T02:10:00+01:00") == ("10-31 00:00:00", "10-31 01:00:00")
    assert times(NAMED["PREVIOUS_HOUR"], "2027-10-31T03:10:00+01:00") == ("10-31 01:00:00", "10-31 02:00:00")


def test_hours_and_intervals_are_those_of_the_meter() -> None:
    moment = "2027-01-10T09:14:59+00:00"  # 14:44:59 in Kolkata
    assert times(NAMED["PREVIOUS_HOUR"], moment, KOLKATA) == ("01-10 07:30:00", "01-10 08:30:00")
    assert times(RelativePeriod(2, TimeUnit.INTERVAL), moment, KOLKATA, CapturePeriod(seconds=3600)) == (
        "01-10 06:30:00",
        "01-10 08:30:00",
    )
    assert times(RelativePeriod(2, TimeUnit.INTERVAL), moment, step=QUARTER) == (
        "01-10 08:30:00",
        "01-10 09:00:00",
    )


def test_intervals_of_days_and_months() -> None:
    moment = "2027-03-29T09:14:59+00:00"
    days, months = CapturePeriod(days=1), CapturePeriod(months=1)
    assert times(RelativePeriod(2, TimeUnit.INTERVAL), moment, step=days) == (
        "03-26 23:00:00",
        "03-28 22:00:00",
    )
    assert times(RelativePeriod(2, TimeUnit.INTERVAL), moment, step=months) == (
        "12-31 23:00:00",
        "02-28 23:00:00",
    )


def test_since_the_last_reading_is_all_that_the_buffer_holds_at_most() -> None:
    """Whole intervals, on days on which clocks change as well."""
    moment = "2027-03-29T09:14:59+00:00"
    days, months = CapturePeriod(days=1), CapturePeriod(months=1)
    assert times(SINCE_LAST_READING, moment, step=QUARTER, entries=960) == (
        "03-19 09:15:00",
        "03-29 09:00:00",
    )
    assert times(SINCE_LAST_READING, moment, step=days, entries=3) == ("03-26 23:00:00", "03-28 22:00:00")
    assert times(SINCE_LAST_READING, moment, step=months, entries=2) == ("01-31 23:00:00", "02-28 23:00:00")
    hours = CapturePeriod(seconds=3600)
    assert times(SINCE_LAST_READING, moment, KOLKATA, hours, 3) == ("03-29 06:30:00", "03-29 08:30:00")
    # Where it is not known how much that is, and where nothing has an interval.
    assert times(SINCE_LAST_READING, moment, step=QUARTER) == ("03-19 09:00:00", "03-29 09:00:00")
    assert times(SINCE_LAST_READING, moment) == ("01-01 00:00:00", "03-29 09:14:59")
    assert times(SINCE_LAST_READING, moment, step=months, entries=99_999) == (
        "01-01 00:00:00",
        "02-28 23:00:00",
    )


def test_what_has_no_interval_is_not_counted_in_intervals() -> None:
    with pytest.raises(Fault, match="no interval") as refused:
        times(RelativePeriod(2, TimeUnit.INTERVAL), "2027-03-29T09:14:59+00:00")
    assert (refused.value.code, refused.value.pointer) == (FaultCode.VALIDATION_ERROR, "/relative_period")


@pytest.mark.parametrize("unit", [TimeUnit.DAY, TimeUnit.MONTH, TimeUnit.HOUR, TimeUnit.INTERVAL])
def test_nothing_is_from_before_2000(unit: TimeUnit) -> None:
    with pytest.raises(Fault, match="before the year 2000"):
        times(RelativePeriod(100_000, unit), "2003-03-29T09:14:59+00:00", step=CapturePeriod(seconds=3600))


@pytest.mark.parametrize("text", [*NAMED, {"last": 96, "unit": "INTERVAL"}, {"last": 2, "unit": "DAY"}])
def test_json_there_and_back(text: object) -> None:
    field = RelativePeriodField()
    assert field.to_representation(field.to_internal_value(text)) == text


@pytest.mark.parametrize(
    ("given", "faulty"),
    [
        ({}, ["from", "until"]),
        ({"from": 1}, ["until"]),
        ({"until": 1}, ["from"]),
        ({"from": 1, "relative_period": 1}, ["from"]),
        ({"from": 1, "until": 1, "relative_period": 1}, ["from", "until"]),
    ],
)
def test_one_kind_of_period(given: dict[str, int], faulty: list[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        check_times(given, "from", "until")
    assert isinstance(refused.value.detail, dict)
    assert list(refused.value.detail) == faulty


def test_times_that_are_given_are_taken() -> None:
    moment = datetime.now(UTC)
    check_times({"from": 1, "until": 1}, "from", "until")
    check_times({"relative_period": 1}, "from", "until")
    given = {"from": moment, "until": moment}
    assert find_times(given, "from", "until", moment=moment, zone=AMSTERDAM) == (moment, moment)
