"""COSEM date-time, above all across the changes of clocks."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.protocol_dlms import CosemDateTime, cosem_time, errors

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# Zones whose offset a deviation can express: within 12 hours of UTC.
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in ("UTC", "Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu", "Etc/GMT+12")
    ]
)
MOMENTS = st.datetimes(
    min_value=datetime(1980, 1, 1),  # noqa: DTZ001 - the zone is given apart
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def to_hundredths(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 10_000 * 10_000)


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        # An ordinary winter and summer day.
        ("2024-01-15T12:30:45.670+00:00", "07e8 01 0f ff 0d 1e 2d 43 ffc4 00"),
        ("2024-07-15T12:30:45+00:00", "07e8 07 0f ff 0e 1e 2d 00 ff88 80"),
        # Clocks go forward on 31 March 2024: 01:59:59 is followed by 03:00:00.
        ("2024-03-31T00:59:59+00:00", "07e8 03 1f ff 01 3b 3b 00 ffc4 00"),
        ("2024-03-31T01:00:00+00:00", "07e8 03 1f ff 03 00 00 00 ff88 80"),
        # And back on 27 October 2024: 02:30 comes twice.
        ("2024-10-27T00:30:00+00:00", "07e8 0a 1b ff 02 1e 00 00 ff88 80"),
        ("2024-10-27T01:30:00+00:00", "07e8 0a 1b ff 02 1e 00 00 ffc4 00"),
    ],
)
def test_amsterdam_in_octets(moment: str, octets: str) -> None:
    aware = datetime.fromisoformat(moment)
    encoded = CosemDateTime.from_datetime(aware, AMSTERDAM).to_bytes()
    assert encoded == bytes.fromhex(octets)
    assert CosemDateTime.from_bytes(encoded).to_datetime() == aware


@pytest.mark.parametrize(
    ("zone", "moment", "octets"),
    [
        # By Irish law summer is standard time, and winter is an hour behind; a meter knows it as any other.
        ("Europe/Dublin", "2024-01-15T12:30:00+00:00", "07e8 01 0f ff 0c 1e 00 00 0000 00"),
        ("Europe/Dublin", "2024-07-15T12:30:00+00:00", "07e8 07 0f ff 0d 1e 00 00 ffc4 80"),
        ("America/New_York", "2024-11-03T05:30:00+00:00", "07e8 0b 03 ff 01 1e 00 00 00f0 80"),
        ("America/New_York", "2024-11-03T06:30:00+00:00", "07e8 0b 03 ff 01 1e 00 00 012c 00"),
        # Half an hour of daylight saving, on the other side of the equator.
        ("Australia/Lord_Howe", "2024-01-15T12:30:00+00:00", "07e8 01 0f ff 17 1e 00 00 fd6c 80"),
        ("Australia/Lord_Howe", "2024-07-15T12:30:00+00:00", "07e8 07 0f ff 17 00 00 00 fd8a 00"),
        ("Asia/Kathmandu", "2024-07-15T12:30:00+00:00", "07e8 07 0f ff 12 0f 00 00 fea7 00"),
    ],
)
def test_other_zones_in_octets(zone: str, moment: str, octets: str) -> None:
    aware = datetime.fromisoformat(moment)
    encoded = CosemDateTime.from_datetime(aware, ZoneInfo(zone)).to_bytes()
    assert encoded == bytes.fromhex(octets)
    assert CosemDateTime.from_bytes(encoded).to_datetime() == aware


def test_every_quarter_of_an_hour_of_both_changes_comes_back() -> None:
    for start in (datetime(2025, 3, 29, 22, tzinfo=UTC), datetime(2025, 10, 25, 22, tzinfo=UTC)):
        moments = [start + timedelta(minutes=15 * quarter) for quarter in range(24)]
        encoded = [CosemDateTime.from_datetime(moment, AMSTERDAM) for moment in moments]
        assert [value.to_datetime() for value in encoded] == moments
        # The zone changes once, and the status changes with the deviation.
        assert {(value.deviation, value.is_daylight_saving) for value in encoded} == {
            (-60, False),
            (-120, True),
        }


@given(MOMENTS, ZONES)
def test_any_moment_comes_back_to_the_hundredth(moment: datetime, zone: ZoneInfo) -> None:
    value = CosemDateTime.from_datetime(moment, zone)
    local = moment.astimezone(zone)
    assert value.weekday == cosem_time.UNSPECIFIED
    assert (value.year, value.month, value.day, value.hour) == (
        local.year,
        local.month,
        local.day,
        local.hour,
    )
    assert timedelta(minutes=-value.deviation) == local.utcoffset()
    assert value.is_daylight_saving == bool(local.dst())
    assert not value.is_invalid
    assert CosemDateTime.from_bytes(value.to_bytes()) == value
    assert value.to_datetime() == to_hundredths(moment)


@given(st.binary(min_size=12, max_size=20))
def test_any_octets_are_read_without_surprise(octets: bytes) -> None:
    value = CosemDateTime.from_bytes(octets)
    moment = value.to_datetime()
    assert moment is None or moment.tzinfo is UTC
    if value.deviation == cosem_time.DEVIATION_UNSPECIFIED or abs(value.deviation) <= 840:
        assert value.to_bytes() == octets[:12]


def test_octets_that_follow_are_ignored_as_some_clocks_send_them() -> None:
    octets = CosemDateTime.from_datetime(datetime(2024, 1, 1, tzinfo=UTC)).to_bytes()
    assert CosemDateTime.from_bytes(octets + b"\x00\x00") == CosemDateTime.from_bytes(octets)


@pytest.mark.parametrize("size", [0, 5, 11])
def test_too_few_octets_are_refused(size: int) -> None:
    with pytest.raises(errors.DecodeError):
        CosemDateTime.from_bytes(bytes(size))


COMPLETE = {
    "year": 2024,
    "month": 6,
    "day": 30,
    "hour": 1,
    "minute": 2,
    "second": 3,
    "hundredths": 4,
    "deviation": 0,
}


@pytest.mark.parametrize("field", ["year", "month", "day", "hour", "minute", "deviation"])
def test_without_date_hour_minute_or_deviation_there_is_no_moment(field: str) -> None:
    assert CosemDateTime(**COMPLETE).to_datetime() == datetime(2024, 6, 30, 1, 2, 3, 40_000, UTC)
    assert (
        CosemDateTime(**{name: value for name, value in COMPLETE.items() if name != field}).to_datetime()
        is None
    )


@pytest.mark.parametrize("field", ["second", "hundredths"])
def test_seconds_and_hundredths_may_be_left_out(field: str) -> None:
    moment = CosemDateTime(**{name: value for name, value in COMPLETE.items() if name != field}).to_datetime()
    assert moment is not None
    assert moment.replace(second=0, microsecond=0) == datetime(2024, 6, 30, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [{"month": 13}, {"month": 0xFE}, {"day": 31}, {"day": 0xFE}, {"hour": 24}, {"second": 60},
     {"hundredths": 100}, {"deviation": 841}, {"deviation": -841}, {"year": 0}],
)  # fmt: skip
def test_impossible_and_repeating_dates_are_no_moment(wrong: dict[str, int]) -> None:
    assert CosemDateTime(**{**COMPLETE, **wrong}).to_datetime() is None


def test_the_edges_of_time_do_not_overflow() -> None:
    assert CosemDateTime(9999, 12, 31, 7, 23, 59, 59, 99, 720, 0).to_datetime() is None
    assert CosemDateTime(1, 1, 1, 1, 0, 0, 0, 0, -720, 0).to_datetime() is None


def test_all_unspecified() -> None:
    assert CosemDateTime().to_bytes() == bytes.fromhex("ffff ff ff ff ff ff ff ff 8000 ff")
    assert CosemDateTime().to_datetime() is None
    assert not CosemDateTime().is_daylight_saving
    assert not CosemDateTime().is_invalid


def test_status_bits() -> None:
    assert CosemDateTime(status=0x81).is_invalid
    assert CosemDateTime(status=0x81).is_daylight_saving
    assert not CosemDateTime(status=0x0E).is_invalid


def test_naive_datetimes_are_refused() -> None:
    with pytest.raises(errors.EncodeError):
        CosemDateTime.from_datetime(datetime(2024, 1, 1), AMSTERDAM)  # noqa: DTZ001


@pytest.mark.parametrize(
    "offset", [timedelta(hours=15), timedelta(seconds=30), timedelta(hours=-14, minutes=-1)]
)
def test_offsets_that_a_deviation_cannot_express_are_refused(offset: timedelta) -> None:
    with pytest.raises(errors.EncodeError):
        CosemDateTime.from_datetime(datetime(2024, 1, 1, tzinfo=UTC), timezone(offset))


@pytest.mark.parametrize(
    "wrong", [{"year": 0x10000}, {"month": 256}, {"day": -1}, {"deviation": 1000}, {"status": 256}]
)
def test_fields_that_do_not_fit_are_not_sent(wrong: dict[str, int]) -> None:
    with pytest.raises(errors.EncodeError):
        CosemDateTime(**wrong).to_bytes()
