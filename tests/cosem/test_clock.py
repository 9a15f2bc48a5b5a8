"""Date-times as meters tell them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.catalogue.communication import DeviationSign
from osgp.cosem.clock import MeterClock, decode_utc, parse_date_time
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import CosemDateTime, Data, DataType

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
WINTER = bytes.fromhex("07ea011f060e1e0000ffc400")  # 2026-01-31 14:30:00 +01:00


def moments(first_year: int, last_year: int) -> st.SearchStrategy[datetime]:
    """Times to the hundredth of a second."""
    first, last = (
        int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 100 for year in (first_year, last_year)
    )
    return st.integers(first, last).map(
        lambda hundredths: datetime.fromtimestamp(hundredths // 100, UTC).replace(
            microsecond=hundredths % 100 * 10_000
        )
    )


def local(text: str, status: int, deviation: int = -0x8000) -> bytes:
    told = datetime.fromisoformat(text)
    return CosemDateTime(
        told.year, told.month, told.day, 0xFF, told.hour, told.minute, told.second, 0, deviation, status
    ).to_bytes()


def test_a_complete_clock() -> None:
    assert decode_utc(WINTER, UTC) == datetime(2026, 1, 31, 13, 30, tzinfo=UTC)
    assert decode_utc(WINTER + b"\x00\x00", UTC) == datetime(2026, 1, 31, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        WINTER[:11],
        bytes.fromhex("ffff011f060e1e0000ffc400"),
        bytes.fromhex("07eaff1f060e1e0000ffc400"),
        bytes.fromhex("07ea01ff060e1e0000ffc400"),
        bytes.fromhex("07ea011f06ff1e0000ffc400"),
        bytes.fromhex("07ea011f060eff0000ffc400"),
        bytes.fromhex("07ea021f060e1e0000ffc400"),
        bytes.fromhex("07ea011f060e1e0000034900"),  # a deviation of 841 minutes
        bytes(12),
        b"\xff" * 12,
    ],
)
def test_no_complete_clock(octets: bytes) -> None:
    assert decode_utc(octets, AMSTERDAM) is None


@given(st.binary(min_size=12, max_size=12))
def test_any_octets_are_read_as_cosem_date_time_reads_them(octets: bytes) -> None:
    read = CosemDateTime.from_bytes(octets)
    if read.deviation != -0x8000:
        assert decode_utc(octets, AMSTERDAM) == read.to_datetime()
    else:
        decode_utc(octets, AMSTERDAM)


@given(
    moments(2000, 2099),
    st.sampled_from(["Europe/Amsterdam", "Europe/Dublin", "America/Havana", "Australia/Lord_Howe", "UTC"]),
)
def test_what_a_meter_is_told_comes_back(told: datetime, name: str) -> None:
    data = MeterClock(ZoneInfo(name)).encode(told)
    assert data.type == DataType.OCTET_STRING
    assert isinstance(data.value, bytes)
    assert decode_utc(data.value, UTC) == told


@given(moments(2020, 2040))
def test_local_time_with_a_daylight_saving_flag_is_unambiguous(told: datetime) -> None:
    """A clock without a deviation: each moment of the year, those of October included, comes back."""
    told = told.replace(microsecond=0)
    there = told.astimezone(AMSTERDAM)
    octets = local(there.replace(tzinfo=None).isoformat(), 0x80 if there.dst() else 0)
    assert decode_utc(octets, AMSTERDAM) == told


def test_local_time_without_any_flag_is_the_first_of_two() -> None:
    octets = local("2026-10-25T02:30:00", 0xFF)
    assert decode_utc(octets, AMSTERDAM) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_dublin_counts_its_winter_as_the_exception() -> None:
    zone = ZoneInfo("Europe/Dublin")
    assert decode_utc(local("2026-10-25T01:30:00", 0x80), zone) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert decode_utc(local("2026-10-25T01:30:00", 0x00), zone) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_a_zone_that_not_every_meter_knows_is_told_in_utc() -> None:
    told = datetime(2026, 6, 1, tzinfo=UTC)
    data = MeterClock(ZoneInfo("Pacific/Kiritimati")).encode(told)
    assert data == MeterClock(UTC).encode(told)


@pytest.mark.parametrize(("deviation", "hour"), [(840, 14), (-840, 10)])
def test_deviations_of_up_to_fourteen_hours_are_read(deviation: int, hour: int) -> None:
    """The Blue Book ends at 720; clocks of Kiritimati and Tonga go further."""
    octets = local("2026-01-31T00:00:00", 0, deviation)
    assert decode_utc(octets, AMSTERDAM) == datetime(2026, 1, 31 if deviation > 0 else 30, hour, tzinfo=UTC)


def test_without_deviation_it_is_local_time() -> None:
    """As Kamstrup, Kaifa and Landis+Gyr send: deviation 8000."""
    clock = MeterClock(AMSTERDAM)
    told = Data(DataType.OCTET_STRING, local("2026-07-01T12:00:00", 0xFF))
    assert clock.parse(told, "The clock") == datetime(2026, 7, 1, 10, tzinfo=UTC)


REPEATED = (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize("status", [0x00, 0xFF])
def test_in_the_hour_that_autumn_repeats_the_nearer_one_counts(status: int) -> None:
    octets = local("2026-10-25T02:30:00", status)
    clock = MeterClock(AMSTERDAM)
    assert clock.list_candidates(octets) == REPEATED
    for moment in REPEATED:
        assert clock.decode(octets, near=moment + timedelta(minutes=2)) == moment
    assert clock.list_candidates(local("2026-10-25T02:30:00", 0x80)) == REPEATED[:1]


@pytest.mark.parametrize("status", [0x00, 0xFF])
@pytest.mark.parametrize(
    ("near", "is_second"),
    [
        # A clock that is ten minutes fast is still in the first hour.
        ("2026-10-25T00:20:00", False),
        # Captured within the hour before, and long ago: nothing but the order of time is known then.
        ("2026-10-25T02:20:00", True),
        ("2026-11-30T00:00:00", True),
    ],
)
def test_times_captured_in_the_hour_that_autumn_repeats(near: str, is_second: bool, status: int) -> None:
    """Of a gas meter, whose value was captured some time before it is read."""
    octets = local("2026-10-25T02:30:00", status)
    told = MeterClock(AMSTERDAM).decode(octets, near=datetime.fromisoformat(near).replace(tzinfo=UTC))
    assert told == datetime(2026, 10, 25, 1 if is_second else 0, 30, tzinfo=UTC)


def test_the_flag_of_summer_time_is_believed_whatever_is_near() -> None:
    octets = local("2026-10-25T02:30:00", 0x80)
    near = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert MeterClock(AMSTERDAM).decode(octets, near=near) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("status", [0x00, 0xFF])
def test_the_hour_that_spring_skips_is_one_of_winter(status: int) -> None:
    octets = local("2026-03-29T02:30:00", status)
    assert MeterClock(AMSTERDAM).list_candidates(octets) == (datetime(2026, 3, 29, 1, 30, tzinfo=UTC),)


def test_a_meter_with_the_opposite_sign() -> None:
    clock = MeterClock(AMSTERDAM, DeviationSign.OPPOSITE)
    told = datetime(2026, 7, 1, 10, tzinfo=UTC)
    octets = local("2026-07-01T12:00:00", 0x80, 120)
    assert clock.decode(octets) == told
    encoded = clock.encode(told)
    assert isinstance(encoded.value, bytes)
    assert CosemDateTime.from_bytes(encoded.value).deviation == 120
    assert clock.decode(encoded.value) == told
    assert clock.turn_minutes(-60) == 60
    # What is not specified has no sign.
    open_ended = local("2026-07-01T12:00:00", 0x80)
    assert clock.turn(CosemDateTime.from_bytes(open_ended)).to_bytes() == open_ended
    assert clock.decode(open_ended) == told


def test_moments_for_people() -> None:
    data = Data(DataType.OCTET_STRING, WINTER)
    assert parse_date_time(data, "The clock").month == 1
    clock = MeterClock(UTC)
    assert clock.parse(data, "The clock") == datetime(2026, 1, 31, 13, 30, tzinfo=UTC)
    for wrong in (
        Data(DataType.OCTET_STRING, b"\xff" * 12),
        Data(DataType.OCTET_STRING, b"12"),
        Data(DataType.NULL_DATA, None),
        Data(DataType.UNSIGNED, 1),
    ):
        with pytest.raises(Fault, match="The clock") as caught:
            clock.parse(wrong, "The clock")
        assert caught.value.code == FaultCode.ILLEGAL_RESPONSE


def test_years_without_end() -> None:
    at_the_end = CosemDateTime(9999, 12, 31, 0xFF, 23, 59, 59, 0, 720, 0).to_bytes()
    assert decode_utc(at_the_end, UTC) is None
    assert decode_utc(local("9999-12-31T23:59:59", 0), ZoneInfo("America/New_York")) is None
    assert decode_utc(local("0001-01-01T00:00:00", 0), ZoneInfo("Asia/Tokyo")) is None
