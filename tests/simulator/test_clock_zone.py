"""The settings of a clock: time zone, begin and end of daylight saving, in all that shows time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.simulator.codec.axdr import Data, DataType, encode
from osgp.simulator.codec.cosem_time import decode_date_time
from osgp.simulator.meter.clock_zone import ClockRules, ClockZone
from osgp.simulator.meter.meter import Meter

from .meters import column, make, read, stamps, write

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
BEGIN, END = bytes.fromhex("FFFF03FE0702000000FFC400"), bytes.fromhex("FFFF0AFE0703000000FF8880")
OPEN = bytes.fromhex("FFFFFFFFFFFFFFFFFF800000")


def local(text: str) -> bytes:
    """A begin or an end without a deviation: year, month, day, weekday, hour, minute."""
    return bytes.fromhex(text.replace(" ", "")) + bytes.fromhex("0000800000")


def set_up(meter: Meter, **settings: int | bytes | bool) -> None:
    """Write settings of the clock."""
    types = {
        "time_zone": (3, DataType.LONG),
        "begin": (5, DataType.OCTET_STRING),
        "end": (6, DataType.OCTET_STRING),
        "deviation": (7, DataType.INTEGER),
        "enabled": (8, DataType.BOOLEAN),
    }
    for name, value in settings.items():
        attribute_id, data_type = types[name]
        write(meter, "CLOCK", Data(data_type, value), attribute_id)


def shown(meter: Meter) -> tuple[str, int, int]:
    """The time of the clock as text, its deviation, and its status octet."""
    octets = read(meter, "CLOCK").value
    year, month, day = int.from_bytes(octets[:2], "big"), octets[2], octets[3]
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    text = f"{year}-{month:02d}-{day:02d} {octets[5]:02d}:{octets[6]:02d}"
    assert read(meter, "CLOCK", 4).value == octets[11]
    return text, deviation, octets[11]


@pytest.mark.parametrize("profile", ["DSMR-2.2", "SMR-4.3", "SMR-5.5"])
def test_the_clock_follows_what_was_written(profile: str) -> None:
    meter, clock = make(profile, datetime(2026, 4, 18, 22, 59, tzinfo=UTC))
    # two hours east of UTC, ahead by half an hour from the third Sunday of April until 1 September
    set_up(meter, time_zone=-120, begin=local("FFFF 04 0F 07 01 00"), end=local("FFFF 09 01 FF 01 1E"))
    set_up(meter, deviation=30)
    assert shown(meter) == ("2026-04-19 00:59", -120, 0)
    clock.advance(minutes=1)
    assert shown(meter) == ("2026-04-19 01:30", -150, 0x80)
    clock.now = datetime(2026, 8, 31, 22, 59, tzinfo=UTC).timestamp()
    assert shown(meter) == ("2026-09-01 01:29", -150, 0x80)
    clock.advance(minutes=1)
    assert shown(meter) == ("2026-09-01 01:00", -120, 0)
    set_up(meter, enabled=False)
    clock.now = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    assert shown(meter) == ("2026-06-01 02:00", -120, 0)


def test_a_season_across_the_new_year() -> None:
    meter, clock = make("SMR-5.1", datetime(2026, 1, 15, tzinfo=UTC))
    set_up(meter, time_zone=-600, begin=local("FFFF 0A 01 07 02 00"), end=local("FFFF 04 01 07 03 00"))
    assert shown(meter) == ("2026-01-15 11:00", -660, 0x80)
    clock.now = datetime(2026, 6, 15, tzinfo=UTC).timestamp()
    assert shown(meter) == ("2026-06-15 10:00", -600, 0)


def test_the_zone_of_the_fleet_stays_until_something_else_is_written() -> None:
    meter, _ = make("SMR-5.1", settings={"zone_name": "America/New_York"})
    set_up(meter, time_zone=300, enabled=True)
    assert shown(meter) == ("2026-06-15 08:00", 240, 0x80)
    set_up(meter, time_zone=360)
    assert shown(meter)[1:] == (300, 0x80)


@pytest.mark.parametrize(
    "begin",
    [
        OPEN,
        b"",
        local("FFFF FF FE 07 02 00"),  # a mark of a month, or none: no one day of a year
        local("FFFF FE 01 FF 02 00"),
        local("FFFF 03 FF FF 02 00"),
        local("FFFF 03 FF 07 02 00"),
        local("FFFF 02 1E FF 02 00"),
        local("FFFF 03 01 08 02 00"),
        local("FFFF 03 01 FF FF 00"),
        local("FFFF 03 01 FF 02 3C"),
        local("0000 03 01 FF 02 00"),
        bytes.fromhex("FFFF03FE07020000007FFF00"),
        local("07EA 03 01 05 02 00"),  # 1 March 2026 is a Sunday
    ],
)
def test_a_begin_that_cannot_be_used_means_no_daylight_saving(begin: bytes) -> None:
    meter, _ = make("SMR-5.1")
    set_up(meter, begin=begin)
    assert shown(meter) == ("2026-06-15 13:00", -60, 0)


def test_daylight_saving_of_one_year() -> None:
    meter, clock = make("SMR-5.1", datetime(2026, 6, 15, tzinfo=UTC))
    set_up(meter, begin=local("07EA 03 FE 07 02 00"), end=local("07EA 0A FE 07 03 00"))
    assert shown(meter)[1] == -120
    clock.now = datetime(2027, 6, 15, tzinfo=UTC).timestamp()
    assert shown(meter)[1] == -60


def test_the_last_sunday_but_one() -> None:
    meter, clock = make("SMR-5.1", datetime(2026, 3, 22, 0, 59, tzinfo=UTC))
    set_up(meter, begin=local("FFFF 03 FD 07 02 00"))
    assert shown(meter)[1] == -60
    clock.advance(minutes=1)
    assert shown(meter)[1] == -120


_seconds = st.integers(int(datetime(2021, 1, 1, tzinfo=UTC).timestamp()), 2_000_000_000)
DUTCH = ClockZone(ClockRules(-60, BEGIN, END, 60, True))


@given(_seconds | st.integers(-7200, 7200).map(lambda each: 1_774_746_000 + each))
def test_dutch_settings_make_dutch_time(seconds: int) -> None:
    expected, told = datetime.fromtimestamp(seconds, AMSTERDAM), datetime.fromtimestamp(seconds, DUTCH)
    assert (told.replace(tzinfo=None), told.fold) == (expected.replace(tzinfo=None), expected.fold)
    assert (told.utcoffset(), told.dst()) == (expected.utcoffset(), expected.dst())
    assert told.timestamp() == seconds


@given(st.integers(-7200, 7200), st.sampled_from([1_774_746_000, 1_792_890_000]), st.sampled_from([0, 1]))
def test_hours_that_come_twice_or_never(seconds: int, change: int, fold: int) -> None:
    naive = datetime.fromtimestamp(change + seconds, UTC).replace(tzinfo=None) + timedelta(hours=1.5)
    moments = [naive.replace(tzinfo=zone, fold=fold).timestamp() for zone in (AMSTERDAM, DUTCH)]
    assert moments[0] == moments[1]


@given(st.integers(1_770_000_000, 1_800_000_000), st.sampled_from([-120, -30, 0, 30, 120]))
def test_every_moment_is_told_apart(seconds: int, deviation: int) -> None:
    begin, end = local("FFFF 03 FE 07 02 00"), local("FFFF 0A FE 07 03 00")
    zone = ClockZone(ClockRules(-60, begin, end, deviation, True))
    assert datetime.fromtimestamp(seconds, zone).timestamp() == seconds


@pytest.mark.parametrize(
    ("end", "before", "after"),
    [(datetime(2026, 5, 3, 12, tzinfo=UTC), -120, -150), (datetime(2026, 9, 6, 12, tzinfo=UTC), -150, -120)],
)
def test_rows_around_a_change_are_stamped_by_the_settings(end: datetime, before: int, after: int) -> None:
    meter, _ = make("SMR-5.1", end)
    set_up(meter, time_zone=-120, begin=local("FFFF 05 01 07 02 00"), end=local("FFFF 09 01 07 02 00"))
    set_up(meter, deviation=30)
    rows = read(meter, "INTERVAL_VALUES_E")
    captured = stamps(meter, rows)
    assert {later - earlier for earlier, later in pairwise(captured)} == {timedelta(minutes=15)}
    deviations = [int.from_bytes(octets[9:11], "big", signed=True) for octets in column(rows, 0)]
    change = (
        datetime(2026, 5, 3, 0, tzinfo=UTC) if end.month == 5 else datetime(2026, 9, 5, 23, 30, tzinfo=UTC)
    )
    assert deviations == [after if stamp >= change else before for stamp in captured]
    assert column(rows, 1) == [0x08 if deviation == -150 else 0 for deviation in deviations]
    assert [bool(octets[11]) for octets in column(rows, 0)] == [each == -150 for each in deviations]
    days = stamps(meter, read(meter, "DAILY_VALUES_E"))
    assert days[-1] == datetime.combine(end.date(), datetime.min.time(), UTC) - timedelta(minutes=-before)
    assert {stamp.astimezone(meter.zone).time().isoformat() for stamp in days} == {"00:00:00"}


def test_a_time_without_deviation_is_in_the_zone_of_the_clock() -> None:
    meter, _ = make("SMR-5.1")
    set_up(meter, time_zone=-120, begin=local("FFFF 05 01 07 02 00"), end=local("FFFF 09 01 07 02 00"))
    write(meter, "CLOCK", Data(DataType.OCTET_STRING, bytes.fromhex("07EA060FFF0C000000800000")))
    assert decode_date_time(read(meter, "CLOCK").value, UTC) == datetime(2026, 6, 15, 9, tzinfo=UTC)


def test_a_deviation_that_no_clock_has() -> None:
    meter, _ = make("SMR-5.1")
    with pytest.raises(Exception, match="OTHER_REASON"):
        set_up(meter, deviation=121)


def test_settings_that_no_client_can_write_count_as_never_written() -> None:
    meter, _ = make("SMR-5.1")
    clock = meter.type.profile["CLOCK"]
    meter.memory.overrides = {
        clock.address_attribute(3): encode(Data(DataType.LONG, 32_767)),
        clock.address_attribute(5): encode(Data(DataType.UNSIGNED, 1)),
        clock.address_attribute(8): encode(Data(DataType.OCTET_STRING, b"yes")),
    }
    assert shown(meter) == ("2026-06-15 14:00", -120, 0x80)
