"""Clocks of meters that push: each family's habit, and the two changes of the year."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.cosem.push_time import ClockRule, find_clock_rule, tell_utc
from osgp.protocol_dlms import CosemDateTime
from osgp.protocol_dlms.cosem_time import DEVIATION_UNSPECIFIED, LENGTH

OSLO = ZoneInfo("Europe/Oslo")
DUBLIN = ZoneInfo("Europe/Dublin")
SAVING, UNSPECIFIED = 0x80, 0xFF
ALL_RULES = list(ClockRule)


def date_time(text: str, deviation: int = DEVIATION_UNSPECIFIED, status: int = 0) -> bytes:
    """``2026-07-16 14:30`` in the 12 octets."""
    local = datetime.fromisoformat(text).replace(tzinfo=UTC)
    fields = (local.year, local.month, local.day, 0xFF, local.hour, local.minute, local.second, 0)
    return CosemDateTime(*fields, deviation, status).to_bytes()


def tell(octets: bytes, rule: ClockRule, zone: ZoneInfo | None = OSLO) -> str | None:
    told = tell_utc(octets, zone, rule)
    if told is None:
        return None
    assert told.tzinfo is UTC
    return told.strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize("rule", [rule for rule in ALL_RULES if rule is not ClockRule.SIGN_TURNED])
@pytest.mark.parametrize(("deviation", "hour"), [(-120, 12), (-60, 13), (-180, 11), (60, 15), (-1, 14)])
@pytest.mark.parametrize("zone", [None, OSLO], ids=["no-zone", "zone"])
def test_a_deviation_is_what_leads_to_utc(
    rule: ClockRule, deviation: int, hour: int, zone: ZoneInfo | None
) -> None:
    told = tell(date_time("2026-07-16 14:30", deviation, SAVING), rule, zone)
    minute = 29 if deviation == -1 else 30
    assert told == f"2026-07-16 {hour}:{minute}"


def test_a_deviation_with_its_sign_turned() -> None:
    rule = ClockRule.SIGN_TURNED
    assert tell(date_time("2026-01-16 14:30", 60, SAVING), rule) == "2026-01-16 13:30"
    assert tell(date_time("2026-07-16 14:30"), rule) == "2026-07-16 12:30"


@pytest.mark.parametrize(
    ("rule", "winter", "summer"),
    [
        (ClockRule.AS_TOLD, "13:30", "12:30"),
        (ClockRule.STANDARD_TIME, "13:30", "13:30"),
        (ClockRule.STANDARD_TIME_AS_UTC, "13:30", "13:30"),
    ],
    ids=["as-told", "standard-time", "as-utc"],
)
@pytest.mark.parametrize("status", [0, SAVING, UNSPECIFIED, 0x81])
def test_no_deviation(rule: ClockRule, winter: str, summer: str, status: int) -> None:
    assert tell(date_time("2026-01-16 14:30", status=status), rule) == f"2026-01-16 {winter}"
    assert tell(date_time("2026-07-16 14:30", status=status), rule) == f"2026-07-16 {summer}"
    assert tell(date_time("2026-07-16 14:30", status=status), rule, None) is None


def test_utc_that_is_standard_time() -> None:
    claimed = date_time("2026-07-16 14:30", 0)
    assert tell(claimed, ClockRule.STANDARD_TIME_AS_UTC) == "2026-07-16 13:30"
    assert tell(claimed, ClockRule.STANDARD_TIME_AS_UTC, None) is None
    assert tell(claimed, ClockRule.STANDARD_TIME) == "2026-07-16 14:30"
    assert tell(claimed, ClockRule.AS_TOLD) == "2026-07-16 14:30"


def test_standard_time_where_the_summer_has_that_name() -> None:
    """Irish standard time is that of the summer, and winter has a saving of minus one hour."""
    rule = ClockRule.STANDARD_TIME
    assert tell(date_time("2026-01-16 14:30"), rule, DUBLIN) == "2026-01-16 14:30"
    assert tell(date_time("2026-07-16 14:30"), rule, DUBLIN) == "2026-07-16 14:30"
    sydney = ZoneInfo("Australia/Sydney")
    assert tell(date_time("2026-01-16 14:30"), rule, sydney) == "2026-01-16 04:30"
    assert tell(date_time("2026-01-16 14:30"), rule, ZoneInfo("Pacific/Kiritimati")) == "2026-01-16 00:30"


def test_the_hour_that_autumn_repeats() -> None:
    """Clocks go from 03:00 back to 02:00 on 2026-10-25, at 01:00 UTC."""
    first = date_time("2026-10-25 02:30", status=SAVING)
    second = date_time("2026-10-25 02:30", status=0)
    assert tell(first, ClockRule.AS_TOLD) == "2026-10-25 00:30"
    assert tell(second, ClockRule.AS_TOLD) == "2026-10-25 01:30"
    for rule in (ClockRule.STANDARD_TIME, ClockRule.STANDARD_TIME_AS_UTC):
        assert tell(first, rule) == tell(second, rule) == "2026-10-25 01:30"
    for deviation, hour in ((-120, "00"), (-60, "01")):
        octets = date_time("2026-10-25 02:30", deviation)
        assert tell(octets, ClockRule.STANDARD_TIME) == f"2026-10-25 {hour}:30"


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"], ids=["spring", "autumn"])
@pytest.mark.parametrize("deviation", [DEVIATION_UNSPECIFIED, 0], ids=["unspecified", "utc"])
def test_standard_time_goes_on_evenly_over_the_changes(day: str, deviation: int) -> None:
    hours = [date_time(f"{day} {hour:02}:00", deviation) for hour in range(24)]
    told = [tell_utc(octets, OSLO, ClockRule.STANDARD_TIME_AS_UTC) for octets in hours]
    first = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=1)
    assert told == [first + timedelta(hours=hour) for hour in range(24)]


@pytest.mark.parametrize("rule", ALL_RULES)
def test_incomplete_times(rule: ClockRule) -> None:
    complete = date_time("2026-07-16 14:30")
    assert tell(complete, rule) is not None
    for position in (0, 2, 3, 5, 6):
        partial = bytearray(complete)
        partial[position] = 0xFF
        assert tell(bytes(partial), rule) is None
    for octets in (b"", complete[:5], complete[5:9], complete + b"\0", bytes(LENGTH)):
        assert tell(octets, rule) is None


@given(
    st.binary(min_size=LENGTH, max_size=LENGTH),
    st.sampled_from(ALL_RULES),
    st.sampled_from(["Europe/Oslo", "Pacific/Kiritimati", "America/Adak", "Africa/Casablanca"]),
)
def test_any_octets_are_a_time_or_none(octets: bytes, rule: ClockRule, zone: str) -> None:
    told = tell_utc(octets, ZoneInfo(zone), rule)
    assert told is None or told.tzinfo is UTC


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("rule", ALL_RULES)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak"])
def test_the_ends_of_the_calendar(year: int, rule: ClockRule, zone: str) -> None:
    for month, day, hour in ((1, 1, 0), (12, 31, 23)):
        octets = date_time(f"{year:04}-{month:02}-{day:02} {hour:02}:00", 0)
        told = tell_utc(octets, ZoneInfo(zone), rule)
        assert told is None or abs(told.year - year) <= 1


@pytest.mark.parametrize(
    ("list_name", "rule"),
    [
        ("Kamstrup_V0001", ClockRule.STANDARD_TIME),
        ("AIDON_V0001", ClockRule.STANDARD_TIME_AS_UTC),
        ("KFM_001", ClockRule.AS_TOLD),
        ("0-8:25.9.0.255", ClockRule.AS_TOLD),
        (None, ClockRule.AS_TOLD),
    ],
)
def test_families(list_name: str | None, rule: ClockRule) -> None:
    assert find_clock_rule(list_name) is rule
