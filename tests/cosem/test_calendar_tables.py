"""The tables of activity calendars and special days: what is written is read; anything else is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.cosem import activity_calendar, special_days
from osgp.cosem.activity_calendar import (
    Action,
    Day,
    Season,
    Week,
    encode_days,
    encode_name,
    encode_seasons,
    encode_weeks,
    parse_days,
    parse_name,
    parse_seasons,
    parse_weeks,
    show_name,
    show_text,
)
from osgp.cosem.date_patterns import DatePattern, DateTimePattern, TimePattern
from osgp.cosem.special_days import SpecialDay
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import Data, DataType
from tests.protocol_dlms.trees import trees

PARSERS: tuple[Callable[[Data], Any], ...] = (
    parse_name,
    parse_seasons,
    parse_weeks,
    parse_days,
    special_days.parse,
)


@pytest.mark.parametrize("parse", PARSERS)
def test_anything_else_is_an_illegal_response(parse: Callable[[Data], Any]) -> None:
    @given(trees(8))
    def check(data: Data) -> None:
        try:
            parse(data)
        except Fault as fault:
            assert fault.code == FaultCode.ILLEGAL_RESPONSE  # noqa: PT017 (either may happen)

    check()


def of(*members: Data) -> Data:
    return Data(DataType.ARRAY, (Data(DataType.STRUCTURE, members),))


OCTET = Data(DataType.OCTET_STRING, b"\x01")
LARGE = Data(DataType.LONG_UNSIGNED, 0x100)
NEGATIVE = Data(DataType.INTEGER, -1)
FLAG = Data(DataType.BOOLEAN, True)
ID = Data(DataType.UNSIGNED, 1)


@pytest.mark.parametrize("number", [LARGE, NEGATIVE, FLAG])
def test_ids_are_one_octet(number: Data) -> None:
    date = Data(DataType.OCTET_STRING, DatePattern(month=12, day=25).to_octets())
    none = Data(DataType.ARRAY, ())
    special_days.parse(of(ID, date, ID))
    parse_weeks(of(OCTET, *[ID] * 7))
    parse_days(of(ID, none))
    for parse, data in (
        (special_days.parse, of(ID, date, number)),
        (parse_weeks, of(OCTET, *[ID] * 6, number)),
        (parse_days, of(number, none)),
    ):
        with pytest.raises(Fault):
            parse(data)


NAMES = st.binary(max_size=activity_calendar.LONGEST_NAME)
TIMES = st.builds(TimePattern, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.just(0))
DATES = st.builds(DatePattern, st.integers(2000, 2099), st.integers(1, 12), st.integers(1, 28))
STARTS = st.builds(DateTimePattern, DATES, TIMES, st.integers(-720, 720), st.integers(0, 255))
IDS = st.integers(0, 255)
ACTIONS = st.lists(
    st.builds(Action, TIMES, st.integers(0, 0xFFFF)), unique_by=lambda action: action.start_time, max_size=48
)
BY_FIRST: Any = {"unique_by": lambda entry: entry[0], "max_size": 5}


@given(
    st.lists(st.builds(Season, NAMES, STARTS, NAMES), **BY_FIRST),
    st.lists(st.builds(Week, NAMES, st.tuples(*[IDS] * 7)), **BY_FIRST),
    st.lists(st.builds(Day, IDS, ACTIONS.map(tuple)), **BY_FIRST),
)
def test_tables_come_back_in_order(seasons: list[Season], weeks: list[Week], days: list[Day]) -> None:
    assert parse_seasons(encode_seasons(seasons)) == sorted(seasons, key=lambda season: season.name)
    assert parse_weeks(encode_weeks(weeks)) == sorted(weeks, key=lambda week: week.name)
    assert [day.day_id for day in parse_days(encode_days(days))] == sorted(day.day_id for day in days)
    for day in parse_days(encode_days(days)):
        assert [action.start_time.to_octets() for action in day.actions] == sorted(
            action.start_time.to_octets() for action in day.actions
        )
        assert set(day.actions) == {
            action for other in days if other.day_id == day.day_id for action in other.actions
        }


@given(st.lists(st.builds(SpecialDay, DATES, IDS), max_size=30))
def test_special_days_come_back(days: list[SpecialDay]) -> None:
    assert special_days.parse(special_days.encode(days)) == days


def test_names() -> None:
    assert [show_name(encode_name(digit)) for digit in "0123456789"] == list("0123456789")
    assert encode_name("1") == b"\x01"
    assert show_name(b"1") == "0x31"
    assert show_name(b"\x0a") == "0x0A"
    assert show_name(b"WEEK") == "WEEK"
    assert show_text(b"1") == "1"
    assert show_text(b"Z\xf6mer") == "0x5AF66D6572"
    assert show_text(b"a\x00") == "0x6100"
