"""When schedules are due, above all on the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from django_celery_beat.models import CrontabSchedule, IntervalSchedule
from hypothesis import given
from hypothesis import strategies as st

from osgp.fleet import occurrences

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
SPRING = datetime(2026, 3, 29, tzinfo=AMSTERDAM)
"""02:00 becomes 03:00."""
AUTUMN = datetime(2026, 10, 25, tzinfo=AMSTERDAM)
"""03:00 becomes 02:00."""


def crontab(text: str, zone: str = "Europe/Amsterdam") -> CrontabSchedule:
    minute, hour, day_of_month, month_of_year, day_of_week = text.split()
    return CrontabSchedule(
        minute=minute,
        hour=hour,
        day_of_month=day_of_month,
        month_of_year=month_of_year,
        day_of_week=day_of_week,
        timezone=ZoneInfo(zone),
    )


def following(schedule: CrontabSchedule, moment: datetime, number: int) -> list[str]:
    """The next occurrences on the clocks of Amsterdam."""
    found = islice(occurrences.iterate(schedule, moment, anchor=LONG_AGO), number)
    return [f"{occurrence.astimezone(AMSTERDAM):%d %H:%M%z}" for occurrence in found]


def test_every_day_at_a_time_is_in_local_time_on_both_sides_of_the_change() -> None:
    daily = crontab("0 6 * * *")
    assert following(daily, SPRING - timedelta(days=1), 3) == [
        "28 06:00+0100",
        "29 06:00+0200",
        "30 06:00+0200",
    ]
    assert following(daily, AUTUMN - timedelta(days=1), 3) == [
        "24 06:00+0200",
        "25 06:00+0100",
        "26 06:00+0100",
    ]


def test_a_time_that_is_left_out_is_due_once_after_the_gap() -> None:
    assert following(crontab("30 2 * * *"), SPRING, 2) == ["29 03:30+0200", "30 02:30+0200"]


def test_a_time_that_comes_twice_is_due_once() -> None:
    assert following(crontab("30 2 * * *"), AUTUMN, 2) == ["25 02:30+0200", "26 02:30+0100"]


def test_a_time_moved_behind_the_gap_does_not_double_one_that_is_there() -> None:
    assert following(crontab("30 2,3 * * *"), SPRING, 3) == [
        "29 03:30+0200",
        "30 02:30+0200",
        "30 03:30+0200",
    ]


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (SPRING + timedelta(days=7), 24)])
def test_every_quarter_of_an_hour_leaves_none_out_and_doubles_none(day: datetime, hours: int) -> None:
    quarters = crontab("*/15 * * * *")
    end = (day + timedelta(days=1)).astimezone(UTC)
    found = occurrences.list_between(quarters, day, end, anchor=LONG_AGO, limit=1000)[:-1]
    assert len(found) == hours * 4
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


def test_an_occurrence_in_the_gap_before_midnight_belongs_to_the_next_day() -> None:
    """In Beirut the gap is at midnight: 00:00 becomes 01:00."""
    nightly = crontab("0 0 * * *", "Asia/Beirut")
    day = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Asia/Beirut"))
    first = occurrences.find_next(nightly, day, anchor=LONG_AGO)
    assert f"{first.astimezone(ZoneInfo('Asia/Beirut')):%d %H:%M}" == "29 01:00"


def test_both_the_day_of_the_week_and_that_of_the_month_have_to_match() -> None:
    leap_monday = occurrences.find_next(crontab("0 12 29 2 1"), SPRING, anchor=LONG_AGO)
    assert leap_monday == datetime(2044, 2, 29, 11, tzinfo=UTC)
    sunday = occurrences.find_next(crontab("0 12 * * 0"), SPRING - timedelta(days=2), anchor=LONG_AGO)
    assert sunday.astimezone(AMSTERDAM).date() == SPRING.date()


def test_what_never_comes_is_told_at_once() -> None:
    with pytest.raises(occurrences.NeverDue):
        occurrences.find_next(crontab("0 0 31 2 *"), SPRING, anchor=LONG_AGO)
    with pytest.raises(occurrences.NeverDue):
        occurrences.find_next(IntervalSchedule(every=1, period="microseconds"), SPRING, anchor=LONG_AGO)


@pytest.mark.parametrize("minute", [",", "1,,", "*/-1", "*/0", "61", "x"])
def test_what_makes_no_sense_is_never_due(minute: str) -> None:
    with pytest.raises(occurrences.NeverDue):
        occurrences.find_next(crontab(f"{minute} * * * *"), SPRING, anchor=LONG_AGO)


def test_nothing_is_due_before_the_start() -> None:
    start = datetime(2026, 6, 1, 6, tzinfo=AMSTERDAM)
    assert occurrences.find_next(crontab("0 6 * * *"), SPRING, anchor=start) == start
    assert occurrences.find_next(IntervalSchedule(every=1, period="days"), SPRING, anchor=start) == start


@given(
    every=st.integers(1, 100),
    period=st.sampled_from(["minutes", "hours", "days"]),
    anchor=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_intervals_stay_on_the_grid_of_their_start(
    every: int, period: str, anchor: datetime, moment: datetime
) -> None:
    schedule = IntervalSchedule(every=every, period=period)
    step = timedelta(**{period: every})
    found = occurrences.find_next(schedule, moment, anchor=anchor)
    assert found > moment
    assert (found - anchor) % step == timedelta(0)
    assert found == anchor or found - step <= moment


@given(moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_where_it_is_looked_from_makes_no_difference(moment: datetime) -> None:
    schedule = crontab("30 2,14 * * *")
    first, second = islice(occurrences.iterate(schedule, moment, anchor=LONG_AGO), 2)
    assert moment < first < second
    assert occurrences.find_next(schedule, first, anchor=LONG_AGO) == second
    assert occurrences.list_between(schedule, moment, second, anchor=LONG_AGO, limit=10)[-2:] == [
        first,
        second,
    ]


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("30 2 * * *", timedelta(days=1)),
        ("*/7 * * * *", timedelta(minutes=4)),
        ("0 6,7 * * 1", timedelta(hours=1)),
        ("0 0 1 * *", timedelta(days=28)),
        ("0 0 29 2 1", timedelta(days=10227)),
    ],
)
@pytest.mark.parametrize("moment", [SPRING, AUTUMN])
def test_the_shortest_gap_is_the_same_in_every_season(text: str, gap: timedelta, moment: datetime) -> None:
    assert occurrences.find_shortest_gap(crontab(text), moment - timedelta(days=2)) == gap


def test_the_gap_of_an_interval_is_the_interval() -> None:
    interval = IntervalSchedule(every=90, period="seconds")
    assert occurrences.find_shortest_gap(interval, SPRING) == timedelta(seconds=90)
