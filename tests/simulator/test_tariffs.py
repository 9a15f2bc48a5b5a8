"""The activity calendar at work: activation, special days, and the rate registers that follow it."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.codec.cosem_time import encode_date_time
from osgp.simulator.codec.results import ActionResult
from osgp.simulator.meter import dates
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.query import AccessError, Invocation
from osgp.simulator.meter.tariff_calendar import SCRIPT_TABLE
from osgp.simulator.occurrences import parse
from tests.catalogue.generations import ALL

from .meters import Clock, column, make, read, stamps, write

CALENDAR = "ACTIVITY_CALENDAR"
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
"""A Monday, 14:00 in Amsterdam."""
OPEN = b"\xff" * 9 + b"\x80\x00\x00"
SUMMER, WINTER = bytes.fromhex("FFFF0401FF00000000800000"), bytes.fromhex("FFFF0A01FF00000000800000")


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(DataType.OCTET_STRING, value)


def unsigned(value: int) -> Data:
    """An unsigned."""
    return Data(DataType.UNSIGNED, value)


def structure(*parts: Data) -> Data:
    """A structure."""
    return Data(DataType.STRUCTURE, parts)


def array(*parts: Data) -> Data:
    """An array."""
    return Data(DataType.ARRAY, parts)


def season(name: bytes, start: bytes, week: bytes) -> Data:
    """A season."""
    return structure(octets(name), octets(start), octets(week))


def week(name: bytes, *days: int) -> Data:
    """A week, from Monday."""
    return structure(octets(name), *map(unsigned, days))


def day(day_id: int, *actions: tuple[int, int], table: bytes = SCRIPT_TABLE) -> Data:
    """A day profile: hours and script selectors."""
    listed = (
        structure(octets(bytes((hour, 0, 0, 0))), octets(table), Data(DataType.LONG_UNSIGNED, selector))
        for hour, selector in actions
    )
    return structure(unsigned(day_id), array(*listed))


TABLES = {
    6: octets(b"OFFPEAK"),
    7: array(season(b"\x01", SUMMER, b"\x01"), season(b"\x02", WINTER, b"\x02")),
    8: array(week(b"\x01", 1, 1, 1, 1, 1, 2, 2), week(b"\x02", *[3] * 7)),
    # in summer high from 18 to 21 hours on workdays; always high in winter
    9: array(day(1, (0, 1), (18, 2), (21, 1)), day(2, (0, 1)), day(3, (0, 2)), day(4, (0, 2))),
}


def prepare(meter: Meter, tables: dict[int, Data] = TABLES) -> None:
    """Write the passive calendar."""
    for attribute_id, table in tables.items():
        write(meter, CALENDAR, table, attribute_id)


def activate(meter: Meter) -> None:
    """Invoke activate_passive_calendar."""
    entry = meter.type.objects[meter.type.profile[CALENDAR].get_logical_name()]
    outcome = entry.handlers[1](Invocation(meter, entry, Data(DataType.INTEGER, 0)))
    assert outcome == (ActionResult.SUCCESS, None)


def plan(meter: Meter, moment: datetime, *, deviation: bool = False) -> None:
    """Write when the passive calendar becomes active."""
    told = encode_date_time(moment.astimezone(meter.zone))
    write(meter, CALENDAR, octets(told if deviation else told[:9] + OPEN[9:]), 10)


def write_special_days(meter: Meter, *entries: tuple[str, int]) -> None:
    """Dates in hexadecimal and day ids."""
    rows = (
        structure(Data(DataType.LONG_UNSIGNED, index), octets(bytes.fromhex(octet)), unsigned(day_id))
        for index, (octet, day_id) in enumerate(entries)
    )
    write(meter, "SPECIAL_DAYS_TABLE", array(*rows))


def rates(meter: Meter, direction: str = "IMPORT") -> tuple[int, int]:
    """The rate registers, which add up to the total."""
    low, high = (read(meter, f"ACTIVE_ENERGY_{direction}_RATE_{rate}").value for rate in (1, 2))
    assert low + high == read(meter, f"ACTIVE_ENERGY_{direction}").value
    return low, high


def indicated(meter: Meter) -> int:
    """The rate that the indicator shows."""
    value = read(meter, "TARIFF_INDICATOR").value
    assert value[0] == 0
    return int(value[1])


def rates_by_hour(meter: Meter, clock: Clock, hours: int = 24) -> list[int]:
    """The rate of each of the next hours, as registers and indicator agree on."""
    told = []
    for _ in range(hours):
        before, shown = rates(meter), indicated(meter)
        clock.advance(hours=1)
        grown = [later - earlier for earlier, later in zip(before, rates(meter), strict=True)]
        assert sorted(grown)[0] == 0 < sorted(grown)[1]
        told.append(1 + grown.index(max(grown)))
        assert told[-1] == shown
    return told


def at_midnight(meter: Meter, clock: Clock, year: int, month: int, day_of_month: int) -> None:
    """Go to a local midnight."""
    clock.now = datetime(year, month, day_of_month, tzinfo=meter.zone).timestamp()


def active_tables(meter: Meter) -> list[Data]:
    """The active calendar."""
    return [read(meter, CALENDAR, attribute_id) for attribute_id in (2, 3, 4, 5)]


EVENING = [1] * 18 + [2] * 3 + [1] * 3


@pytest.mark.parametrize("profile", ALL)
def test_the_tariff_follows_the_calendar_that_was_activated(profile: str) -> None:
    meter, clock = make(profile, NOW)
    prepare(meter)
    before = rates(meter)
    activate(meter)
    assert rates(meter) == before
    assert active_tables(meter) == [TABLES[attribute_id] for attribute_id in (6, 7, 8, 9)]
    at_midnight(meter, clock, 2026, 6, 16)
    assert rates_by_hour(meter, clock) == EVENING
    at_midnight(meter, clock, 2026, 6, 20)  # a Saturday
    assert rates_by_hour(meter, clock) == [1] * 24
    at_midnight(meter, clock, 2026, 9, 30)
    assert rates_by_hour(meter, clock, 26) == [*EVENING, 2, 2]
    at_midnight(meter, clock, 2027, 3, 31)
    assert rates_by_hour(meter, clock, 26) == [2] * 24 + [1] * 2


def test_untouched_meters_keep_their_tariff() -> None:
    meter, clock = make("SMR-5.1", datetime(2026, 1, 16, 23, tzinfo=UTC))
    # as the factory calendar says, here on a Saturday
    assert rates_by_hour(meter, clock) == [1] * 7 + [2] * 16 + [1]
    assert meter.record is None
    activate(meter)
    assert rates_by_hour(meter, clock) == [1] * 7 + [2] * 16 + [1]
    assert meter.record is not None
    assert not meter.record.tariffs


def test_what_was_counted_before_stays_in_registers_and_rows() -> None:
    meter, clock = make("SMR-5.1", NOW)
    old = dict(zip(*rows_of(meter), strict=True))
    prepare(meter)
    activate(meter)
    assert dict(zip(*rows_of(meter), strict=True)) == old
    clock.advance(days=3)
    new = dict(zip(*rows_of(meter), strict=True))
    shared = old.keys() & new.keys()
    assert len(shared) > 5
    assert all(new[stamp] == old[stamp] for stamp in shared)
    assert len(new.keys() - old.keys()) == 3


def rows_of(meter: Meter) -> tuple[list[datetime], list[list[int]]]:
    """The daily values: stamps, and the numbers of the rows."""
    rows = read(meter, "DAILY_VALUES_E")
    return stamps(meter, rows), [[cell.value for cell in row.value[2:]] for row in rows.value]


def test_rows_hold_what_the_rate_registers_showed() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    write_special_days(meter, ("FFFF0613FF", 4))
    shown = {}
    for number in range(16, 22):
        at_midnight(meter, clock, 2026, 6, number)
        shown[clock.now] = [*rates(meter), *rates(meter, "EXPORT")]
    stamped = {stamp.timestamp(): row[:4] for stamp, row in zip(*rows_of(meter), strict=True)}
    assert {moment: stamped[moment] for moment in shown} == shown


def test_a_later_write_of_the_passive_calendar_changes_nothing() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    prepare(meter, {9: array(day(1, (0, 2)), day(2, (0, 2)), day(3, (0, 2)))})
    assert active_tables(meter)[3] == TABLES[9]
    at_midnight(meter, clock, 2026, 6, 16)
    assert rates_by_hour(meter, clock) == EVENING
    activate(meter)
    assert rates_by_hour(meter, clock) == [2] * 24


@pytest.mark.parametrize("deviation", [False, True])
@pytest.mark.parametrize("looked_at_meanwhile", [False, True])
def test_the_passive_calendar_becomes_active_at_its_time(deviation: bool, looked_at_meanwhile: bool) -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    planned = NOW + timedelta(days=2)
    plan(meter, planned, deviation=deviation)
    clock.now = planned.timestamp() - 1
    before = rates(meter)
    if looked_at_meanwhile:
        assert read(meter, CALENDAR, 2).value == b"DEFAULT"
        clock.advance(seconds=1)
        assert read(meter, CALENDAR, 2).value == b"OFFPEAK"
    clock.now = (planned + timedelta(days=1)).timestamp()
    # low until 18 hours, and from 21 hours; the day before it was high at such hours
    high = rates(meter)[1]
    assert 0 < high - before[1] < 7_000
    assert active_tables(meter) == [TABLES[attribute_id] for attribute_id in (6, 7, 8, 9)]
    log = read(meter, "STANDARD_EVENT_LOG")
    assert column(log, 1)[-1] == 9
    assert stamps(meter, log)[-1] == planned
    # once
    prepare(meter, {6: octets(b"LATER")})
    clock.advance(days=3)
    assert read(meter, CALENDAR, 2).value == b"OFFPEAK"


def test_activation_looked_at_late_counts_from_its_time() -> None:
    told = []
    for looks in (True, False):
        meter, clock = make("SMR-5.1", NOW)
        prepare(meter)
        plan(meter, NOW + timedelta(days=2))
        for _ in range(10):
            clock.advance(hours=12)
            if looks:
                rates(meter)
        told.append((rates(meter), rates(meter, "EXPORT")))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "written",
    [OPEN, b"\xff" * 12, b"", encode_date_time(NOW), encode_date_time(NOW - timedelta(days=1))],
)
def test_a_time_that_is_past_or_open_plans_nothing(written: bytes) -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    plan(meter, NOW + timedelta(days=1))
    write(meter, CALENDAR, octets(written), 10)
    assert read(meter, CALENDAR, 10).value == written
    clock.advance(days=400)
    assert read(meter, CALENDAR, 2).value == b"DEFAULT"


@pytest.mark.parametrize("written", ["FFFF0701FF00000000800000", "07EA0701FFFF000000800000"])
def test_a_time_that_is_open_in_part_is_refused(written: str) -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    plan(meter, NOW + timedelta(days=1))
    with pytest.raises(AccessError, match="OTHER_REASON"):
        write(meter, CALENDAR, octets(bytes.fromhex(written)), 10)
    clock.advance(days=1)
    assert read(meter, CALENDAR, 2).value == b"OFFPEAK"


def test_activation_is_by_the_clock_of_the_meter() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    plan(meter, NOW + timedelta(hours=2))
    write(meter, "CLOCK", octets(encode_date_time(NOW + timedelta(hours=1))))
    clock.advance(minutes=59, seconds=59)
    assert read(meter, CALENDAR, 2).value == b"DEFAULT"
    clock.advance(seconds=1)
    assert read(meter, CALENDAR, 2).value == b"OFFPEAK"


def test_a_clock_set_past_the_time_of_activation() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    plan(meter, NOW + timedelta(hours=2))
    clock.advance(minutes=1)
    write(meter, "CLOCK", octets(encode_date_time(NOW + timedelta(hours=3))))
    assert read(meter, CALENDAR, 2).value == b"OFFPEAK"
    assert meter.record is not None
    assert meter.record.tariffs[0].begin == clock.now


def test_switches_are_by_the_clock_of_the_meter() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    at_midnight(meter, clock, 2026, 6, 16)
    before = rates(meter)
    write(meter, "CLOCK", octets(encode_date_time(datetime.fromtimestamp(clock.now + 7_200, meter.zone))))
    assert rates(meter) == before
    assert rates_by_hour(meter, clock, 22) == EVENING[2:]
    # the zone is part of the clock
    write(meter, "CLOCK", Data(DataType.LONG, -120), 3)
    assert rates_by_hour(meter, clock, 23) == EVENING[1:]


def test_a_clock_that_jumps_by_itself_takes_the_tariff_with_it() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    at_midnight(meter, clock, 2026, 6, 16)
    parse({"kind": "clock-shift", "by": "2h"}).happen(meter, clock.now)
    assert rates_by_hour(meter, clock, 22) == EVENING[2:]


def test_a_reset_after_an_activation_that_nobody_saw() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    plan(meter, NOW + timedelta(hours=1))
    clock.advance(hours=4)
    parse({"kind": "energy-reset"}).happen(meter, clock.now)
    assert rates(meter) == (0, 0)


def test_small_corrections_of_the_clock_are_not_kept() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    for _ in range(5):
        clock.advance(days=1)
        write(meter, "CLOCK", octets(encode_date_time(datetime.fromtimestamp(clock.now + 0.4, meter.zone))))
    assert meter.record is not None
    assert len(meter.record.tariffs) == 1


def test_the_day_on_which_the_clocks_change() -> None:
    meter, clock = make("SMR-5.1", datetime(2026, 3, 20, tzinfo=UTC))
    prepare(meter, TABLES | {7: array(season(b"\x01", SUMMER[:2] + b"\x01\x01" + SUMMER[4:], b"\x01"))})
    prepare(meter, {8: array(week(b"\x01", *[1] * 7)), 9: array(day(1, (0, 1), (4, 2), (21, 1)))})
    activate(meter)
    at_midnight(meter, clock, 2026, 3, 29)
    assert rates_by_hour(meter, clock, 23) == [1] * 3 + [2] * 17 + [1] * 3
    at_midnight(meter, clock, 2026, 10, 25)
    assert rates_by_hour(meter, clock, 25) == [1] * 5 + [2] * 17 + [1] * 3


def test_special_days_go_before_the_week() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    # 16 June of any year; the last Friday of June; one day of 2026; day 9 has no profile
    write_special_days(
        meter, ("FFFF0610FF", 4), ("FFFF06FE05", 4), ("07EA0618FF", 4), ("07EB0619FF", 4), ("FFFF0611FF", 9)
    )
    at_midnight(meter, clock, 2026, 6, 16)
    told = {}
    for offset in range(12):
        told[16 + offset] = rates_by_hour(meter, clock)
    special = {number for number, hours in told.items() if hours == [2] * 24}
    assert special == {16, 24, 26}
    assert told[17] == told[25] == EVENING
    before = rates(meter)
    write_special_days(meter)
    assert rates(meter) == before
    at_midnight(meter, clock, 2027, 6, 16)
    assert rates_by_hour(meter, clock) == EVENING


def test_special_days_with_the_calendar_of_the_factory() -> None:
    meter, clock = make("SMR-5.1", NOW)
    before = rates(meter)
    write_special_days(meter, ("FFFF0611FF", 1))
    assert rates(meter) == before
    at_midnight(meter, clock, 2026, 6, 16)
    assert rates_by_hour(meter, clock, 48) == [1] * 7 + [2] * 16 + [1] * 25


def test_a_rate_stays_until_the_next_action() -> None:
    meter, clock = make("SMR-5.1", NOW)
    days = array(day(1, (6, 2), (22, 1), (23, 3)), day(2, (5, 1), table=bytes(6)), day(3, (12, 2)))
    prepare(
        meter, {8: array(week(b"\x01", 1, 2, 2, 3, 2, 2, 2)), 9: days, 7: array(season(b"S", OPEN, b"\x01"))}
    )
    activate(meter)
    at_midnight(meter, clock, 2026, 6, 15)
    clock.advance(days=7)
    # Monday; nothing on Tuesday and Wednesday; high from Thursday noon until Monday at 22
    assert rates_by_hour(meter, clock, 8 * 24) == [2] * 22 + [1] * 62 + [2] * 106 + [1] * 2


def test_a_calendar_that_says_nothing_is_high() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter, {8: array(), 9: array(), 7: array()})
    activate(meter)
    assert rates_by_hour(meter, clock) == [2] * 24


def test_tables_that_are_written_as_active_or_forgotten_count_from_then_on() -> None:
    meter, clock = make("SMR-5.1", NOW)
    write(meter, CALENDAR, array(day(0, (0, 2))), 5)
    at_midnight(meter, clock, 2026, 6, 16)
    assert rates_by_hour(meter, clock) == [2] * 24
    before = rates(meter)
    meter.forget(meter.type.profile[CALENDAR].address_attribute(5))
    assert rates(meter) == before
    assert rates_by_hour(meter, clock) == [1] * 7 + [2] * 16 + [1]


def test_nothing_is_counted_without_power() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    clock.advance(hours=1)
    meter.switch(0, clock.now)
    off = rates(meter)
    clock.advance(days=2)
    assert rates(meter) == off
    meter.switch(1, clock.now)
    assert rates(meter) == off
    clock.advance(days=1)
    assert all(later > earlier for earlier, later in zip(off, rates(meter), strict=True))


def test_changes_are_bounded_and_registers_go_on() -> None:
    meter, clock = make("SMR-5.1", NOW)
    prepare(meter)
    activate(meter)
    before = rates(meter)
    for number in range(300):
        clock.advance(hours=1)
        write_special_days(meter, ("FFFF0619FF", 4 if number % 2 else 2))
        after = rates(meter)
        assert before[0] <= after[0]
        assert before[1] <= after[1]
        before = after
    assert meter.record is not None
    assert len(meter.record.tariffs) == 256


_days = st.lists(st.tuples(st.integers(0, 23), st.integers(1, 2)), max_size=4)


@settings(max_examples=15)
@given(st.lists(_days, min_size=3, max_size=3), st.lists(st.integers(1, 50_000), min_size=2, max_size=20))
def test_registers_only_rise_whatever_the_calendar(
    profiles: list[list[tuple[int, int]]], steps: list[int]
) -> None:
    meter, clock = make("SMR-5.1", NOW, seed=3)
    told = []
    for place, step in enumerate(steps):
        if place % 5 == 0:
            prepare(
                meter, {9: array(*(day(number, *each) for number, each in enumerate(profiles, place // 5)))}
            )
            activate(meter)
        clock.advance(seconds=step)
        told.append((*rates(meter), *rates(meter, "EXPORT")))
    assert all(x <= y for one, other in pairwise(told) for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("octets_of_date", "meant"),
    [
        ("FFFFFFFFFF", "2026-06-17"),
        ("FFFF06FEFF", "2026-06-30"),
        ("FFFF06FDFF", "2026-06-29"),
        ("FFFF06FE03", "2026-06-24"),
        ("FFFF06FD03", "2026-06-17"),
        ("FFFFFFFF03", "2026-06-17"),
        ("FFFF061F03", None),
        ("FFFF051F03", "2026-06-03"),
        ("FFFF060103", "2026-06-03"),
        ("07EA061103", "2026-06-17"),
        ("07EA061203", None),
        ("FFFFFE01FF", None),
        ("FFFF06E0FF", None),
        ("FFFF060108", None),
        ("", None),
    ],
)
def test_dates(octets_of_date: str, meant: str | None) -> None:
    octets_of_date_ = bytes.fromhex(octets_of_date)
    june = [date(2026, 6, 1) + timedelta(days=number) for number in range(30)]
    matching = [each.isoformat() for each in june if dates.matches(octets_of_date_, each)]
    assert (meant in matching) if meant else not matching
    if meant and octets_of_date not in ("FFFFFFFFFF", "FFFFFFFF03"):
        assert matching == [meant]
