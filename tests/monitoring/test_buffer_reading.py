"""Reading buffers of meters that select, order and refuse rows in their own way, as seen in the field."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osgp import catalogue
from osgp.catalogue.communication import RangeBorders, RangeBounds
from osgp.cosem.clock import MeterClock
from osgp.devices.meter_settings import MeterSettings
from osgp.faults import Fault
from osgp.messages import buffer_reading, buffer_rows
from osgp.messages.buffers import Buffer
from osgp.messages.knowledge import Knowledge
from osgp.messages.operation import Interrupted
from osgp.protocol_dlms import AccessResult, Data, DataType, EntryDescriptor, RangeDescriptor
from osgp.protocol_dlms.errors import AccessError, RequestTooLong, ResponseTimeout
from tests.monitoring.scripted import (
    AMSTERDAM,
    BEGIN,
    NOW,
    PROFILE,
    QUARTER,
    Rows,
    ScriptedMeter,
    capture,
    find_operation,
    read,
    tell,
    times_of,
    visit,
)

DAYS = [BEGIN - timedelta(hours=3) + QUARTER * number for number in range(800)]
END = BEGIN + timedelta(days=2)
WANTED = [moment for moment in DAYS if BEGIN <= moment <= END]


def newest_first(rows: Rows) -> Rows:
    return rows[::-1]


def shuffled(rows: Rows) -> Rows:
    return random.Random(1).sample(rows, len(rows))


def doubled(rows: Rows) -> Rows:
    return [row for row in rows for _ in range(2)]


def without_clocks(rows: Rows) -> Rows:
    """Blue Book, class 7, buffer: null-data for what is as before, or one period later."""
    return [row if place == 0 else (None, None, *row[2:]) for place, row in enumerate(rows)]


@pytest.mark.parametrize("borders", RangeBorders)
@pytest.mark.parametrize("excess", [0, 2])
@pytest.mark.parametrize("arrange", [list, newest_first, shuffled, doubled, without_clocks])
def test_two_days_of_quarters(borders: RangeBorders, excess: int, arrange: Callable[[Rows], Rows]) -> None:
    """Rows at the border between slices too: the same readings of any meter."""
    result = read(visit(ScriptedMeter(DAYS, borders, excess, arrange)), BEGIN, END)
    assert times_of(result) == WANTED
    assert result["rejected_row_count"] == 0
    assert result["complete_until"] == "2026-06-03T10:00:00Z"
    values = [row["active_energy_import"]["value"] for row in result["periodic_meter_reads"]]
    assert values == [f"{1012 + number:04d}"[:1] + "." + f"{1012 + number:04d}"[1:] for number in range(193)]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 500),
    st.integers(1, 299),
    st.sampled_from(RangeBorders),
    st.integers(0, 3),
    st.sampled_from([list, newest_first, shuffled, doubled]),
    st.sets(st.integers(0, 799), max_size=5),
)
def test_any_part_of_time(
    first: int,
    count: int,
    borders: RangeBorders,
    excess: int,
    arrange: Callable[[Rows], Rows],
    gaps: set[int],
) -> None:
    """A missing row at a border is asked for, and does no harm where the meter does not have it."""
    held = [moment for place, moment in enumerate(DAYS) if place not in gaps]
    begin, end = DAYS[first], DAYS[first + count]
    meter = visit(ScriptedMeter(held, borders, excess, arrange))
    expected = [moment for moment in held if begin <= moment <= end]
    if {first, first + 1, first + count - 1, first + count} & gaps:
        # Whether a border counts cannot be seen where its neighbour is missing.
        meter.knowledge.learn_habit("range_begin", _said(borders in (RangeBorders.BOTH, RangeBorders.START)))
        meter.knowledge.learn_habit("range_end", _said(borders in (RangeBorders.BOTH, RangeBorders.END)))
    result = read(meter, begin, end)
    assert times_of(result) == expected
    assert result["rejected_row_count"] == 0


def _said(is_counted: bool) -> str:
    return "INCLUDED" if is_counted else "EXCLUDED"


@pytest.mark.parametrize(("borders", "first"), [("BOTH", 2), ("END", 3), ("START", 3), ("NEITHER", 4)])
def test_which_borders_count_is_found_out_once(borders: str, first: int) -> None:
    meter = ScriptedMeter(DAYS, RangeBorders(borders))
    visited = visit(meter)
    for count in (first, 2):
        meter.asked.clear()
        assert times_of(read(visited, BEGIN, END)) == WANTED
        assert len(meter.asked) == count
    assert visited.knowledge.find_habit("range_borders") == borders
    assert visited.knowledge.is_changed


def test_settings_say_which_borders_count() -> None:
    meter = ScriptedMeter(DAYS, RangeBorders.NEITHER)
    visited = visit(meter, settings=MeterSettings(range_borders=RangeBorders.NEITHER))
    assert times_of(read(visited, BEGIN, END)) == WANTED
    assert len(meter.asked) == 2
    assert visited.knowledge.find_habit("range_borders") is None


def test_a_new_meter_is_asked_once_a_day_for_the_row_that_it_has_not() -> None:
    held = [moment for moment in DAYS if moment > BEGIN]
    meter = ScriptedMeter(held)
    visited = visit(meter)
    counts = []
    for _ in range(2):
        meter.asked.clear()
        assert times_of(read(visited, BEGIN, END)) == WANTED[1:]
        counts.append(len(meter.asked))
    assert counts == [3, 2]


def has_deviation(selection: Any) -> bool:
    bound = selection.from_value.value
    return isinstance(bound, bytes) and bound[9:] != b"\x80\x00\xff"


def is_on_hours(selection: Any) -> bool:
    return all(bound.value[6:8] == b"\x00\x00" for bound in (selection.from_value, selection.to_value))


def refusing(wrong: Callable[[Any], bool], kind: AccessResult = AccessResult.OTHER_REASON) -> Any:
    """Refuses ranges that are wrong."""
    return lambda selection: kind if isinstance(selection, RangeDescriptor) and wrong(selection) else None


HALF_PAST = BEGIN + timedelta(minutes=30)
PLANS = {
    "no deviation": (refusing(has_deviation), "bounds", "NO_DEVIATION"),
    "full hours": (refusing(lambda each: not is_on_hours(each)), "bounds", "FULL_HOURS"),
    "no deviation on full hours": (
        refusing(lambda each: has_deviation(each) or not is_on_hours(each)),
        "bounds",
        "NO_DEVIATION_FULL_HOURS",
    ),
    "entries": (refusing(lambda each: True, AccessResult.SCOPE_OF_ACCESS_VIOLATED), "access", "ENTRIES"),
    "whole": (
        lambda selection: None if selection is None else AccessResult.TYPE_UNMATCHED,
        "access",
        "WHOLE",
    ),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("arrange", [list, newest_first])
def test_plan_b(name: str, arrange: Callable[[Rows], Rows]) -> None:
    """What has worked is known the next time."""
    refuses, habit, value = PLANS[name]
    meter = ScriptedMeter(DAYS, refuses=refuses, arrange=arrange)
    visited = visit(meter)
    expected = [moment for moment in WANTED if moment >= HALF_PAST]
    refused = []
    for _ in range(2):
        meter.asked.clear()
        result = read(visited, HALF_PAST, END)
        assert times_of(result) == expected
        assert (result["rejected_row_count"], result["unavailable"]) == (0, [])
        refused.append(sum(refuses(each) is not None for each in meter.asked))
        assert len(meter.asked) <= 10
    assert 1 <= refused[0] <= 6
    assert refused[1] == 0
    assert visited.knowledge.find_habit(f"INTERVAL_VALUES_E {habit}") == value


def test_settings_say_how_bounds_are_told() -> None:
    meter = ScriptedMeter(DAYS, refuses=refusing(has_deviation))
    visited = visit(meter, settings=MeterSettings(range_bounds=RangeBounds.NO_DEVIATION))
    assert times_of(read(visited, BEGIN, END)) == WANTED
    assert len(meter.asked) == 2


@pytest.mark.parametrize("borders", [RangeBorders.END, RangeBorders.START, RangeBorders.NEITHER])
def test_borders_of_a_meter_that_wants_full_hours(borders: RangeBorders) -> None:
    """The range for the row at a border is on full hours too, as long as the meter has taken no others."""
    meter = ScriptedMeter(DAYS, borders, refuses=refusing(lambda each: not is_on_hours(each)))
    visited = visit(meter)
    expected = WANTED[: 4 * 12 + 1]
    assert times_of(read(visited, BEGIN, expected[-1])) == expected
    assert all(map(is_on_hours, meter.asked))
    assert visited.knowledge.find_habit("range_borders") == borders
    assert times_of(read(visited, BEGIN, expected[-1])) == expected
    assert visited.knowledge.find_habit("INTERVAL_VALUES_E bounds") == "FULL_HOURS"


def test_a_row_at_a_border_is_asked_for_on_full_hours_only_until_others_are_taken() -> None:
    meter = ScriptedMeter(DAYS, RangeBorders.NEITHER)
    visited = visit(meter)
    assert times_of(read(visited, BEGIN, BEGIN + timedelta(hours=3))) == WANTED[:13]
    assert [is_on_hours(each) for each in meter.asked] == [True, True, True]
    assert visited.knowledge.find_habit("INTERVAL_VALUES_E bounds") is None
    meter = ScriptedMeter(DAYS, RangeBorders.NEITHER)
    visited = visit(meter)
    visited.knowledge.learn_habit("INTERVAL_VALUES_E bounds", "DEVIATION")
    assert times_of(read(visited, BEGIN, BEGIN + timedelta(hours=3))) == WANTED[:13]
    assert [is_on_hours(each) for each in meter.asked] == [True, False, False]


@pytest.mark.parametrize("borders", [RangeBorders.END, RangeBorders.START, RangeBorders.NEITHER])
def test_a_row_at_a_border_is_asked_for_in_the_way_that_has_just_worked(borders: RangeBorders) -> None:
    """Other columns, or bounds, were refused before: they would cost the row."""
    meter = ScriptedMeter(DAYS, borders, refuses=refusing(lambda each: each.columns or has_deviation(each)))
    visited = replace(visit(meter), profile=catalogue.find_profile("DSMR", "4.2.2"))
    expected = WANTED[: 4 * 12 + 1]
    for _ in range(2):
        assert times_of(read(visited, BEGIN, expected[-1])) == expected
        assert visited.knowledge.find_habit("range_borders") == borders


@pytest.mark.parametrize(
    "kind",
    [AccessResult.OBJECT_UNDEFINED, AccessResult.TEMPORARY_FAILURE, AccessResult.HARDWARE_FAULT],
)
def test_what_another_way_does_not_change_is_refused_at_once(kind: AccessResult) -> None:
    meter = ScriptedMeter(DAYS, refuses=lambda selection: kind)
    with pytest.raises(AccessError, match=kind.name.lower().replace("_", "-")):
        read(visit(meter), BEGIN, END)
    assert len(meter.asked) == 1


def test_a_meter_that_refuses_in_any_way_is_asked_eight_times() -> None:
    meter = ScriptedMeter(DAYS, refuses=lambda selection: AccessResult.SCOPE_OF_ACCESS_VIOLATED)
    with pytest.raises(AccessError, match="scope-of-access-violated"):
        read(visit(meter), HALF_PAST, END)
    assert len(meter.asked) <= 8


@pytest.mark.parametrize(
    "empty", [AccessResult.OTHER_REASON, AccessResult.OBJECT_UNAVAILABLE, AccessResult.DATA_BLOCK_UNAVAILABLE]
)
def test_an_access_result_for_a_slice_without_rows_is_no_failure(empty: AccessResult) -> None:
    """A gap of days; and nothing at all, once it is known how the meter likes to be asked."""
    held = [moment for moment in DAYS if not HALF_PAST < moment < BEGIN + timedelta(days=5)]
    meter = ScriptedMeter(held, empty=empty)
    visited = visit(meter)
    end = BEGIN + timedelta(days=7)
    expected = [moment for moment in held if BEGIN <= moment <= end]
    assert times_of(read(visited, BEGIN, end)) == expected
    meter.asked.clear()
    nothing = read(visited, HALF_PAST + QUARTER, HALF_PAST + timedelta(hours=5))
    assert (times_of(nothing), len(meter.asked)) == ([], 1)


def test_nothing_at_all_at_the_first_visit() -> None:
    """Whether the range was refused for that cannot be told: the next visit asks for a range again."""
    held = [moment for moment in DAYS if moment < BEGIN]
    meter = ScriptedMeter(held, empty=AccessResult.OTHER_REASON)
    visited = visit(meter)
    assert times_of(read(visited, HALF_PAST, END)) == []
    meter.times = DAYS
    meter.asked.clear()
    assert times_of(read(visited, HALF_PAST, END)) == [each for each in WANTED if each >= HALF_PAST]
    assert all(isinstance(each, RangeDescriptor) for each in meter.asked)
    assert visited.knowledge.find_habit("INTERVAL_VALUES_E access") is None


@pytest.mark.parametrize("by_entries", [False, True])
def test_a_lost_line_keeps_what_came(by_entries: bool) -> None:
    """Seen in the field: every second request for a buffer ends the connection. The retry goes on."""
    operation = find_operation()
    asked = operation.parse(
        {
            "period_type": "INTERVAL",
            "begin_date": BEGIN.isoformat(),
            "end_date": (BEGIN + timedelta(days=8)).isoformat(),
        }
    )
    refuses = refusing(lambda each: by_entries, AccessResult.SCOPE_OF_ACCESS_VIOLATED)
    knowledge = Knowledge()
    if by_entries:
        knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")
    earlier: dict[str, Any] | None = None
    for _ in range(9):
        meter = visit(
            ScriptedMeter(DAYS, refuses=refuses, drops_after=1),
            knowledge=knowledge,
            earlier=earlier,
            visit_begin=DAYS[-1],
        )
        part: Any = None
        try:
            result = operation.perform(meter, asked)
        except Interrupted as interrupted:
            result = part = interrupted.result
        shown = operation.represent_result(result)
        assert list(operation.list_readings(asked, result))
        earlier = dict(operation.join(earlier, shown)) if earlier else shown
        if part is None:
            break
        assert earlier["complete_until"] == earlier["periodic_meter_reads"][-1]["log_time"]
    joined = earlier
    whole = operation.represent_result(operation.perform(visit(ScriptedMeter(DAYS)), asked))
    assert joined == whole


@pytest.mark.parametrize("borders", RangeBorders)
@pytest.mark.parametrize("drops_after", [1, 2, 3])
@pytest.mark.parametrize("hours", [12, 48])
def test_a_line_that_is_lost_at_a_border(borders: RangeBorders, drops_after: int, hours: int) -> None:
    """Nothing counts as complete before the row at the begin was asked for: the retry gets it."""
    operation = find_operation()
    end = BEGIN + timedelta(hours=hours)
    body = {"period_type": "INTERVAL", "begin_date": BEGIN.isoformat(), "end_date": end.isoformat()}
    knowledge = Knowledge()
    earlier: dict[str, Any] | None = None
    for _ in range(5):
        meter = visit(
            ScriptedMeter(DAYS, borders, drops_after=drops_after), knowledge=knowledge, earlier=earlier
        )
        fault = None
        try:
            result: Any = operation.perform(meter, operation.parse(body))
        except Interrupted as interrupted:
            result, fault = interrupted.result, interrupted.fault
        shown = operation.represent_result(result)
        earlier = dict(operation.join(earlier, shown)) if earlier else shown
        if fault is None:
            break
    assert fault is None
    assert earlier is not None
    assert times_of(earlier) == [each for each in WANTED if each <= end]


def test_a_request_that_is_too_long_for_the_meter_is_made_shorter() -> None:
    """All columns are asked for instead of naming some."""

    asked: list[int] = []

    class Short(ScriptedMeter):
        def read_profile(self, buffer: Any, selection: Any = None) -> Rows:
            asked.append(len(selection.columns))
            if selection.columns:
                raise RequestTooLong("the request is too long")
            return super().read_profile(buffer, selection)

    profile = catalogue.find_profile("DSMR", "4.2.2")
    meter = replace(visit(Short([])), profile=profile)
    begin = datetime(2026, 6, 1, 22, tzinfo=UTC)
    operation = find_operation()
    body = {"period_type": "DAILY", "begin_date": begin.isoformat(), "end_date": END.isoformat()}
    result = operation.perform(meter, operation.parse(body))
    assert result["rejected_row_count"] == 0
    assert asked == [6, 0]


def test_what_came_is_kept_also_if_the_meter_only_declines_the_rest() -> None:
    """Temporary-failure (Green Book, Data-Access-Result 2) to a slice: the association stands."""
    operation = find_operation()
    asked = operation.parse(
        {
            "period_type": "INTERVAL",
            "begin_date": BEGIN.isoformat(),
            "end_date": (BEGIN + timedelta(days=8)).isoformat(),
        }
    )
    meter = ScriptedMeter(
        DAYS, refuses=lambda _: AccessResult.TEMPORARY_FAILURE if len(meter.asked) > 1 else None
    )
    with pytest.raises(Interrupted, match="temporary-failure") as caught:
        operation.perform(visit(meter), asked)
    assert meter.is_open
    assert caught.value.fault.retryable
    shown = operation.represent_result(caught.value.result)
    assert len(shown["periodic_meter_reads"]) > 100
    assert shown["complete_until"] == shown["periodic_meter_reads"][-1]["log_time"]


def test_a_line_that_is_lost_before_any_row_came() -> None:
    meter = visit(ScriptedMeter(DAYS, drops_after=0))
    with pytest.raises(Exception, match="nothing came") as caught:
        read(meter, BEGIN, END)
    assert not isinstance(caught.value, Interrupted)


def test_entries_are_found_where_the_newest_is_the_first() -> None:
    meter = ScriptedMeter(DAYS[::-1], refuses=refusing(lambda each: True, AccessResult.TYPE_UNMATCHED))
    assert times_of(read(visit(meter), BEGIN, END)) == WANTED
    assert any(isinstance(each, EntryDescriptor) for each in meter.asked)


def test_opposite_deviations_are_understood_in_rows_and_bounds() -> None:
    """Seen in the field: deviations with the opposite sign."""
    meter = ScriptedMeter(DAYS)
    visited = visit(meter)
    assert visited.clock == MeterClock(AMSTERDAM)
    turned = replace(visited, settings=replace(visited.settings, deviation_sign="OPPOSITE"))
    read(visited, BEGIN, END)
    standard = meter.asked[0].from_value.value
    meter.asked.clear()
    read(turned, BEGIN, END)
    assert meter.asked[0].from_value.value[9:11] == (120).to_bytes(2, "big")
    assert standard[9:11] == (-120).to_bytes(2, "big", signed=True)


COLUMNS = PROFILE.list_capture_columns("INTERVAL_VALUES_E")


@pytest.mark.parametrize("arrange", [newest_first, shuffled, doubled])
def test_rows_of_a_buffer_whose_period_is_unknown(arrange: Callable[[Rows], Rows]) -> None:
    """Told as 0: something else than the clock captures them, but each time still has one row."""
    told = {"capture_period": Data(DataType.DOUBLE_LONG_UNSIGNED, 0)}
    meter = ScriptedMeter(DAYS, arrange=arrange, describes=told)
    result = read(visit(meter), BEGIN, END)
    assert times_of(result) == WANTED
    assert result["rejected_row_count"] == 0

    def with_another(rows: Rows) -> Rows:
        return [*rows, (*rows[0][:2], 0, 0)]

    result = read(visit(ScriptedMeter(DAYS, arrange=with_another, describes=told)), BEGIN, END)
    assert times_of(result) == WANTED
    assert result["rejected_row_count"] == 1


def test_columns_period_and_scalers_are_asked_for_in_one_list_once_a_day() -> None:
    meter = ScriptedMeter(DAYS, describes={"capture_objects": capture(COLUMNS)})
    visited = visit(meter)
    for hours, lists in ((0, 1), (1, 1), (24, 2)):
        read(replace(visited, visit_begin=NOW + timedelta(hours=hours)), BEGIN, END)
        assert meter.lists == lists


def test_columns_with_a_data_index_that_means_nothing() -> None:
    meter = ScriptedMeter(DAYS, describes={"capture_objects": capture(COLUMNS, data_index=1)})
    result = read(visit(meter), BEGIN, END)
    assert times_of(result) == WANTED
    assert result["unavailable"] == []
    assert result["periodic_meter_reads"][0]["active_energy_import"] == {"value": "1.012", "unit": "kWh"}
    assert result["periodic_meter_reads"][0]["amr_profile_status"] == []
    assert meter.asked[0].restricting_object.data_index == 1


def test_rows_of_a_clock_that_was_ahead_do_not_end_the_reading() -> None:
    """Sent with the rows among which they were captured."""
    ahead = [(tell(END + QUARTER * number), 0, 9, 9) for number in range(2)]
    meter = ScriptedMeter(DAYS, arrange=lambda rows: [*rows[:5], *ahead, *rows[5:]])
    assert times_of(read(visit(meter), BEGIN, END)) == WANTED


def test_entries_that_move_while_they_are_read() -> None:
    """A full buffer loses its oldest row with each new one."""
    meter = ScriptedMeter(DAYS, refuses=refusing(lambda each: True, AccessResult.TYPE_UNMATCHED))
    visited = visit(meter, visit_begin=DAYS[-1])
    visited.knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")

    def move(rows: Rows) -> Rows:
        meter.times = [*meter.times[1:], meter.times[-1] + QUARTER]
        return rows

    meter.arrange = move
    result = read(visited, DAYS[10], DAYS[-100])
    assert times_of(result) == DAYS[10:-99]
    assert len(meter.asked) > 1


BY_ENTRIES = refusing(lambda each: not isinstance(each, EntryDescriptor))


@pytest.mark.parametrize("begin", [0, 300, 790])
def test_entries_in_no_order_are_all_read(begin: int) -> None:
    """Any of them may be of the time that is asked for."""
    meter = ScriptedMeter(random.Random(begin).sample(DAYS, len(DAYS)), refuses=BY_ENTRIES)
    result = read(visit(meter, visit_begin=DAYS[-1]), DAYS[begin], DAYS[begin + 5])
    assert times_of(result) == DAYS[begin : begin + 6]
    assert result["complete_until"] == result["end_date"]


def test_of_entries_in_no_order_some_are_not_complete() -> None:
    mixed = random.Random(1).sample(DAYS, len(DAYS))
    meter = visit(ScriptedMeter(mixed, refuses=BY_ENTRIES, drops_after=1), visit_begin=DAYS[-1])
    meter.knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")
    with pytest.raises(Interrupted) as interrupted:
        read(meter, DAYS[0], DAYS[-1])
    assert interrupted.value.result["complete_until"] == DAYS[0]


def test_rows_in_order_end_with_the_answer_that_goes_beyond_the_end() -> None:
    meter = ScriptedMeter(DAYS, refuses=BY_ENTRIES)
    visited = visit(meter, visit_begin=DAYS[-1])
    visited.knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")
    assert times_of(read(visited, DAYS[10], DAYS[20])) == DAYS[10:21]
    assert len(meter.asked) == 1


@pytest.mark.parametrize(("moved", "expected_attempts"), [(0, 7), (3, 7), (23, 16)])
def test_a_log_is_read_on_where_the_meter_was_lost(moved: int, expected_attempts: int) -> None:
    """Entries have no period to count by; those of a full log move with each new one."""
    knowledge = Knowledge()
    knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")
    log = Buffer("INTERVAL_VALUES_E", PROFILE.list_capture_columns("INTERVAL_VALUES_E"), None, None)
    times = list(DAYS)
    begin, collected, attempts = DAYS[300], set[datetime](), 0
    fault: Fault | None = None
    while (fault or not attempts) and attempts < 20:
        attempts += 1
        is_sure = knowledge.find_habit("INTERVAL_VALUES_E access") == "ENTRIES"
        # Where it is not, a range is tried before.
        association = ScriptedMeter(times, refuses=BY_ENTRIES, drops_after=1 if is_sure else 2)
        visited = visit(association, knowledge=knowledge, visit_begin=DAYS[-1] + QUARTER)
        try:
            rows = buffer_reading.read_buffer(visited, log, [], begin, DAYS[-1], one_per_time=False)
        except ResponseTimeout as timeout:
            # No row that is wanted had come.
            fault = timeout
        else:
            begin, fault = rows.complete_until, rows.fault
            collected.update(rows.times)
        times = [*times[moved:], *(times[-1] + QUARTER * (number + 1) for number in range(moved))]
    assert sorted(collected) == DAYS[300:]
    assert begin == DAYS[-1]
    assert attempts == expected_attempts
    assert knowledge.find_habit("INTERVAL_VALUES_E entry") is None


@pytest.mark.parametrize("first", range(-8, 0))
def test_entries_that_begin_in_the_hour_that_comes_twice(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time alone, and only in the first row of an answer: the entries before tell which hour it is."""
    for name in ("FIRST_ROWS", "LEAST_ROWS", "MOST_ROWS"):
        monkeypatch.setattr(buffer_reading, name, 4)
    times = [datetime(2026, 10, 25, 1, tzinfo=UTC) + QUARTER * number for number in range(first - 16, 20)]

    def arrange(rows: Rows) -> Rows:
        return [(None if place else row[0][:9] + b"\x80\x00\xff", *row[1:]) for place, row in enumerate(rows)]

    meter = ScriptedMeter(times, arrange=arrange, refuses=refusing(lambda each: True))
    visited = visit(meter, visit_begin=times[-1])
    visited.knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")
    assert times_of(read(visited, times[0], times[-1])) == times


def test_columns_that_changed_since_they_were_told() -> None:
    """Nothing is answered without values: the meter is asked how it captures, and for the rows again."""
    meter = ScriptedMeter(DAYS, describes={"capture_objects": capture(COLUMNS)})
    visited = visit(meter)
    before = read(visited, BEGIN, END)
    reordered = [COLUMNS[3], COLUMNS[1], COLUMNS[2], COLUMNS[0]]

    for columns, arrange in (
        (COLUMNS[:3], lambda rows: [row[:3] for row in rows]),
        (reordered, lambda rows: [(row[3], row[1], row[2], row[0]) for row in rows]),
    ):
        meter.describes = {"capture_objects": capture(columns)}
        meter.arrange = arrange
        meter.asked.clear()
        result = read(visited, BEGIN, END)
        assert times_of(result) == WANTED
        assert result["rejected_row_count"] == 0
        assert [row["active_energy_import"] for row in result["periodic_meter_reads"]] == [
            row["active_energy_import"] for row in before["periodic_meter_reads"]
        ]
        assert len(meter.asked) <= 5


def test_rows_that_stay_odd_are_asked_for_once() -> None:
    told = {"capture_objects": capture(COLUMNS)}
    meter = ScriptedMeter(DAYS, arrange=lambda rows: [row[:2] for row in rows], describes=told)
    assert times_of(read(visit(meter), BEGIN, END)) == []
    assert len(meter.asked) == 2


def test_nothing_is_complete_in_times_to_come() -> None:
    """What goes on after a result begins where that is complete up to."""
    meter = ScriptedMeter([BEGIN + QUARTER * number for number in range(1_825)])
    assert meter.times[-1] < NOW
    result = read(visit(meter), NOW - timedelta(days=2), NOW + timedelta(days=2))
    assert result["complete_until"] == NOW.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("by_entries", [False, True])
def test_more_rows_than_a_read_may_bring_are_left_to_the_next(
    by_entries: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result ends with the rows that it has, and says so."""
    monkeypatch.setattr(buffer_rows, "MOST_CELLS", 400)
    refuses = refusing(lambda each: by_entries, AccessResult.SCOPE_OF_ACCESS_VIOLATED)
    meter = ScriptedMeter(DAYS, refuses=refuses)
    visited = visit(meter, visit_begin=DAYS[-1])
    if by_entries:
        visited.knowledge.learn_habit("INTERVAL_VALUES_E access", "ENTRIES")
    found = read(visited, BEGIN, DAYS[-1])
    times = times_of(found)
    assert times == [moment for moment in DAYS if moment >= BEGIN][: len(times)]
    assert len(times) < len(DAYS) / 2
    assert datetime.fromisoformat(found["complete_until"]) == times[-1]
