"""Dates and times with wildcards and marks: their octets one by one, their texts, and what is refused."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.cosem.date_patterns import (
    DAYLIGHT_SAVINGS_BEGIN,
    DAYLIGHT_SAVINGS_END,
    LAST_DAY,
    SECOND_LAST_DAY,
    DatePattern,
    DateTimePattern,
    InvalidPattern,
    TimePattern,
)
from osgp.protocol_dlms import CosemDateTime

ANY = 0xFF
ANY_YEAR = 0xFFFF

DATES = [
    ("07ea0c19ff", DatePattern(2026, 12, 25), "2026-12-25"),
    ("ffff0c19ff", DatePattern(month=12, day=25), "*-12-25"),
    ("07eaff01ff", DatePattern(2026, day=1), "2026-*-01"),
    ("ffffffffff", DatePattern(), "*-*-*"),
    ("0000010aff", DatePattern(0, 1, 10), "0000-01-10"),
    ("2710010aff", DatePattern(10_000, 1, 10), "2710010AFF"),
    ("07ea0c1905", DatePattern(2026, 12, 25, 5), "07EA0C1905"),
    ("ffffffff07", DatePattern(weekday=7), "FFFFFFFF07"),
    ("ffff03fe07", DatePattern(month=3, day=LAST_DAY, weekday=7), "FFFF03FE07"),
    ("ffff0cfdff", DatePattern(month=12, day=SECOND_LAST_DAY), "FFFF0CFDFF"),
    ("fffffd01ff", DatePattern(month=DAYLIGHT_SAVINGS_END, day=1), "FFFFFD01FF"),
    ("fffffe01ff", DatePattern(month=DAYLIGHT_SAVINGS_BEGIN, day=1), "FFFFFE01FF"),
]
TIMES = [
    ("07000000", TimePattern(7, 0, 0, 0), "07:00"),
    ("00000000", TimePattern(0, 0, 0, 0), "00:00"),
    ("173b3b00", TimePattern(23, 59, 59, 0), "23:59:59"),
    ("07000063", TimePattern(7, 0, 0, 99), "07000063"),
    ("0700ffff", TimePattern(7, 0), "0700FFFF"),
    ("ffffffff", TimePattern(), "FFFFFFFF"),
]
DATE_TIMES = [
    # Seasons that begin on 1 January and 1 July, and the changes of the clock in the Netherlands.
    ("ffff0101ff00000000ffc400", (ANY_YEAR, 1, 1, ANY, 0, 0, 0, 0, -60, 0)),
    ("ffff0701ff00000000ffc400", (ANY_YEAR, 7, 1, ANY, 0, 0, 0, 0, -60, 0)),
    ("ffff03fe0702000000ffc400", (ANY_YEAR, 3, 0xFE, 7, 2, 0, 0, 0, -60, 0)),
    ("ffff0afe0703000000ff8880", (ANY_YEAR, 10, 0xFE, 7, 3, 0, 0, 0, -120, 0x80)),
    ("fffffdfdff00000000800000", (ANY_YEAR, 0xFD, 0xFD, ANY, 0, 0, 0, 0, -0x8000, 0)),
    ("ffffffffffffffffff8000ff", (ANY_YEAR, ANY, ANY, ANY, ANY, ANY, ANY, ANY, -0x8000, 0xFF)),
    ("07ea061e01173b3b6302d001", (2026, 6, 30, 1, 23, 59, 59, 99, 720, 1)),
]


@pytest.mark.parametrize(("octets", "date", "text"), DATES)
def test_dates(octets: str, date: DatePattern, text: str) -> None:
    assert date.to_octets().hex() == octets
    assert DatePattern.from_octets(bytes.fromhex(octets)) == date
    assert date.to_text() == text
    for written in (text, octets, octets.upper()):
        assert DatePattern.from_text(written) == date


@pytest.mark.parametrize(("octets", "time", "text"), TIMES)
def test_times(octets: str, time: TimePattern, text: str) -> None:
    assert time.to_octets().hex() == octets
    assert TimePattern.from_octets(bytes.fromhex(octets)) == time
    assert time.to_text() == text
    for written in (text, octets, octets.upper()):
        assert TimePattern.from_text(written) == time


def test_seconds_that_are_left_out_are_zero() -> None:
    assert TimePattern.from_text("07:00") == TimePattern.from_text("07:00:00") == TimePattern(7, 0, 0, 0)


@pytest.mark.parametrize(("octets", "fields"), DATE_TIMES)
def test_date_times(octets: str, fields: tuple[int, ...]) -> None:
    pattern = DateTimePattern(
        DatePattern(*fields[:4]), TimePattern(*fields[4:8]), deviation=fields[8], status=fields[9]
    )
    assert pattern.to_octets().hex() == octets
    assert DateTimePattern.from_octets(bytes.fromhex(octets)) == pattern
    assert pattern.to_text() == octets.upper()
    assert DateTimePattern.from_text(octets) == DateTimePattern.from_text(octets.upper()) == pattern
    # What reads and writes the clocks of meters has the same octets.
    assert CosemDateTime(*fields).to_bytes() == pattern.to_octets()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "10 hexadecimal digits"),
        ("ffff0c19f", "10 hexadecimal digits"),
        ("ffff0c19ff00", "10 hexadecimal digits"),
        ("ffff0c19fg", "10 hexadecimal digits"),
        ("ffff00ffff", "month"),
        ("ffff0dffff", "month"),
        ("fffffcffff", "month"),
        ("ffff0100ff", "day"),
        ("ffff0120ff", "day"),
        ("ffff01e0ff", "reserved"),
        ("ffff01fcff", "reserved"),
        ("ffff010100", "weekday"),
        ("ffff010108", "weekday"),
        ("ffff0101fe", "weekday"),
        ("ffff021eff", "does not have"),
        ("ffff041fff", "does not have"),
        ("07ea021dff", "does not have"),
        ("076c021dff", "does not have"),  # 1900
    ],
)
def test_no_dates(octets: str, reason: str) -> None:
    with pytest.raises(InvalidPattern, match=reason):
        DatePattern.from_text(octets)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29",
        "*-02-30",
        "2026-13-01",
        "2026-00-01",
        "2026-1-1",
        "26-01-01",
        "**-01-01",
        "٢٠٢٦-01-01",
        "2026-01-01 ",
        "2026-01-01\n",
        "20260101",
        "*",
        "2026-01",
        "-2026-01-01",
    ],
)
def test_no_dates_in_text(text: str) -> None:
    with pytest.raises(InvalidPattern):
        DatePattern.from_text(text)


@pytest.mark.parametrize("text", ["*-02-29", "2028-02-29", "2000-02-29", "*-*-31", "2026-*-31"])
def test_days_that_there_can_be(text: str) -> None:
    assert DatePattern.from_text(text).to_text() == text


def test_a_day_may_be_in_the_month_of_a_mark() -> None:
    assert DatePattern.from_text("FFFFFD1FFF").day == 31


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7:00",
        "24:00",
        "07:60",
        "07:00:60",
        "07:0",
        "07:00:00.5",
        "*:00",
        "0700",
        "18000000",
        "003c0000",
        "00003c00",
        "00000064",
        "070000",
        "0700000000",
        "07:00 ",
        "zz000000",
    ],
)
def test_no_times(text: str) -> None:
    with pytest.raises(InvalidPattern):
        TimePattern.from_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ffff0101ff00000000ffc4",
        "ffff0101ff00000000ffc40000",
        "2026-01-01T00:00:00Z",
        "ffff0101ff00000000034900",
        "ffff0101ff00000000fcb700",
        "ffff0101ff00000000800100",
        "ffff021eff00000000ffc400",
        "ffff0101ff18000000ffc400",
        "x" * 24,
        "+" + "0" * 23,
    ],
)
def test_no_date_times(text: str) -> None:
    with pytest.raises(InvalidPattern):
        DateTimePattern.from_text(text)


def test_lengths_are_exact() -> None:
    for kind, length in ((DatePattern, 5), (TimePattern, 4), (DateTimePattern, 12)):
        for wrong in (b"", b"\xff" * (length - 1), b"\xff" * (length + 1)):
            with pytest.raises(InvalidPattern, match=f"{length} octets"):
                kind.from_octets(wrong)


@given(st.binary(min_size=12, max_size=12))
def test_any_octets_are_kept_or_refused(octets: bytes) -> None:
    try:
        pattern = DateTimePattern.from_octets(octets)
    except InvalidPattern:
        return
    assert pattern.to_octets() == octets
    assert DateTimePattern.from_text(pattern.to_text()) == pattern
    assert DatePattern.from_text(pattern.date.to_text()) == pattern.date
    assert TimePattern.from_text(pattern.time.to_text()) == pattern.time


def test_what_is_one_moment() -> None:
    assert DateTimePattern.from_text("07EB0101FF00000000FFC400").is_single
    assert DateTimePattern.from_text("07EB0101FF000000FF8000FF").is_single
    for octets in (
        "FFFF0101FF00000000FFC400",
        "07EBFF01FF00000000FFC400",
        "07EBFE01FF00000000FFC400",
        "07EB01FFFF00000000FFC400",
        "07EB01FEFF00000000FFC400",
        "07EB0101FFFF000000FFC400",
        "07EB0101FF00FF0000FFC400",
        "07EB0101FF0000FF00FFC400",
    ):
        assert not DateTimePattern.from_text(octets).is_single


def test_a_moment_in_the_zone_of_a_meter() -> None:
    amsterdam = ZoneInfo("Europe/Amsterdam")
    summer = DateTimePattern.from_moment(datetime(2026, 6, 30, 22, 0, tzinfo=UTC), amsterdam)
    assert summer.to_text() == "07EA07010300000000FF8880"
    winter = DateTimePattern.from_moment(datetime(2026, 12, 31, 23, 0, 0, 250_000, tzinfo=UTC), amsterdam)
    assert winter.to_text() == "07EB01010500000019FFC400"
    # More than 12 hours from UTC: told in UTC.
    far = DateTimePattern.from_moment(datetime(2026, 6, 30, 22, tzinfo=UTC), ZoneInfo("Pacific/Kiritimati"))
    assert far.to_text() == "07EA061E0216000000000000"
