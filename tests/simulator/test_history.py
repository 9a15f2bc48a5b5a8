"""What happens to meters by itself is one history: logs, counters, alarms, flags and gaps tell the same."""

from datetime import UTC, datetime, timedelta

import pytest

from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter import history
from osgp.simulator.meter.load_curve import START
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.outages import Outage
from tests.catalogue.generations import ALL

from .dutch_events import ALARM_BITS, ALARMS, CODES, LOG_OF
from .meters import LIVING, column, make, read, stamps, write

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
EPOCH = datetime.fromtimestamp(0, UTC)
QUARTER = timedelta(minutes=15)
ZERO = Data(DataType.DOUBLE_LONG_UNSIGNED, 0)


def at(moment: float) -> datetime:
    """A moment as a time."""
    return datetime.fromtimestamp(moment, UTC)


def alarms(meter: Meter, register: int = 1) -> set[int]:
    """The bits that are set."""
    value = read(meter, f"ALARM_REGISTER_{register}").value
    return {bit for bit in range(32) if value >> bit & 1}


@pytest.mark.parametrize("profile", ALL)
def test_an_outage_is_seen_everywhere_in_dutch_meters(profile: str) -> None:
    meter, clock = make(profile, NOW, settings=LIVING)
    outages = [outage for outage in history.list_outages(meter, START, clock.now) if outage.seconds > 1_800]
    outage = outages[-1]
    clock.now = outage.begin - 1
    write(meter, "ALARM_REGISTER_1", ZERO)
    before = read(meter, "NUMBER_OF_POWER_FAILURES").value, read(meter, "NUMBER_OF_LONG_POWER_FAILURES").value
    assert 2 not in alarms(meter)

    clock.now = outage.end + 3_600
    after = read(meter, "NUMBER_OF_POWER_FAILURES").value, read(meter, "NUMBER_OF_LONG_POWER_FAILURES").value
    assert after == (before[0] + 1, before[1] + 1)
    offset = meter.clock_offset_at(outage.end)
    log = read(meter, "POWER_FAILURE_EVENT_LOG")
    assert int((stamps(meter, log)[-1] - EPOCH).total_seconds()) == int(outage.end + offset)
    assert column(log, 1)[-1] == outage.seconds == read(meter, "DURATION_OF_LAST_LONG_POWER_FAILURE").value
    events = [
        (event.moment, event.code)
        for event in history.log_entries(meter, "STANDARD_EVENT_LOG", clock.now, 100, START)
    ]
    assert (outage.begin, 1) in events
    assert (outage.end, 2) in events
    assert 2 in alarms(meter)

    rows = read(meter, "INTERVAL_VALUES_E")
    captured = stamps(meter, rows)
    begin, end = at(outage.begin + offset), at(outage.end + offset)
    assert not [stamp for stamp in captured if begin < stamp < end]
    first = next(place for place, stamp in enumerate(captured) if stamp >= end)
    assert column(rows, 1)[first] & 0x80
    assert captured[first] - captured[first - 1] > QUARTER


def test_the_buffer_is_full_in_spite_of_gaps() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=LIVING)
    outage = [outage for outage in history.list_outages(meter, START, clock.now) if outage.seconds > 3_600][
        -1
    ]
    clock.now = outage.end + 86_400
    rows = read(meter, "INTERVAL_VALUES_E")
    assert len(rows.value) == 960
    assert stamps(meter, rows)[0] < at(clock.now) - 960 * QUARTER


def test_a_midnight_without_power_is_recovered() -> None:
    for number in range(1, 200):
        meter, clock = make("SMR-5.1", NOW, settings=LIVING, start=f"SIME{number:013}")
        for outage in history.list_outages(meter, START, clock.now):
            # 22:00Z is midnight in summer
            midnight = at(outage.end).replace(hour=22, minute=0, second=0)
            if 5 < midnight.month < 10 and at(outage.begin) < midnight < at(outage.end):
                clock.now = outage.end + 60
                rows = read(meter, "DAILY_VALUES_E")
                assert stamps(meter, rows)[-1] == midnight
                assert column(rows, 1)[-1] & 0xC0 == 0xC0
                return
    pytest.fail("no outage at midnight in 200 meters")


def test_a_clock_that_was_wrong() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=LIVING)
    shift = history.list_drawn_shifts(meter, START, clock.now)[-1]
    clock.now = shift.begin + 3_000
    assert meter.clock_offset_at(clock.now) == shift.seconds
    told = stamps(meter, Data(DataType.ARRAY, (Data(DataType.STRUCTURE, (read(meter, "CLOCK"),)),)))[0]
    assert int((told - at(clock.now)).total_seconds()) == shift.seconds
    entries = history.log_entries(meter, "STANDARD_EVENT_LOG", clock.now, 100, shift.begin)
    old, new = (event for event in entries if event.code in (4, 5))
    assert (new.offset, old.offset) == (shift.seconds, 0)
    rows = read(meter, "INTERVAL_VALUES_E")
    first = next(
        place
        for place, stamp in enumerate(stamps(meter, rows))
        if stamp >= at(shift.begin + shift.seconds) and column(rows, 1)[place] & 0x20
    )
    assert first >= len(rows.value) - 5
    # captured at full quarters of the clock as it was
    assert {stamp.minute % 15 for stamp in stamps(meter, rows)} == {0}


@pytest.mark.parametrize("log", CODES)
def test_every_event_comes_up_in_time(log: str) -> None:
    meter, clock = make("SMR-5.5", NOW, settings=LIVING, polyphase=True, gas_meters=[4])
    seen = {event.code for event in history.list_events(meter, log, START, clock.now)}
    assert seen == set(CODES[log])


@pytest.mark.parametrize("profile", ALL)
@pytest.mark.parametrize("polyphase", [False, True])
def test_logs_hold_what_dutch_meters_of_their_kind_can_have(profile: str, polyphase: bool) -> None:
    meter, _ = make(profile, NOW, settings=LIVING, polyphase=polyphase, gas_meters=1)
    for log in CODES:
        if log not in meter.type.profile:
            continue
        codes = set(column(read(meter, log), 1))
        assert codes <= set(CODES[log])
        assert len(codes) >= 2
        if log == "MBUS_EVENT_LOG":
            assert codes <= {*range(100, 108), 255}
        if log == "POWER_QUALITY_EVENT_LOG" and not polyphase:
            assert not codes & {78, 79, 86, 87, 88, 89}
        assert read(meter, log.replace("_LOG", "_CODE")).value == column(read(meter, log), 1)[-1]


def test_what_a_log_holds_does_not_depend_on_how_it_is_asked() -> None:
    meter, clock = make("SMR-5.5", NOW, settings=LIVING, gas_meters=2, polyphase=True)
    for log in CODES:
        everything = history.log_entries(meter, log, clock.now, 50, START)
        since = everything[len(everything) // 2].moment
        assert history.log_entries(meter, log, clock.now, 50, since) == [
            event for event in everything if event.moment >= since
        ]


def test_details_of_the_last_sag_are_those_of_its_event() -> None:
    meter, _ = make("SMR-5.2", NOW, settings=LIVING)
    rows = [row for row in read(meter, "POWER_QUALITY_EXTENDED_EVENT_LOG").value if row.value[1].value == 93]
    magnitude, duration = (cell.value for cell in rows[-1].value[2:])
    assert read(meter, "MAGNITUDE_OF_LAST_VOLTAGE_SAG_IN_PHASE_L1").value == magnitude
    assert read(meter, "DURATION_OF_LAST_VOLTAGE_SAG_IN_PHASE_L1").value == duration
    assert 1_500 < magnitude < 2_070


def test_counters_count_the_events() -> None:
    meter, clock = make("SMR-5.2c", NOW, settings=LIVING, polyphase=True)
    for tag, code in (("NUMBER_OF_VOLTAGE_SAGS_FOR_L2", 94), ("THD_CURRENT_OVER_LIMIT_COUNTER_L3", 53)):
        events = history.list_events(meter, LOG_OF[code], START, clock.now)
        assert read(meter, tag).value == sum(event.code == code for event in events) > 10


def test_a_bit_comes_back_with_a_new_event_only() -> None:
    meter, clock = make("SMR-5.5", NOW, settings=LIVING, polyphase=True)
    seen: set[int] = set()
    for _ in range(40):
        for register in (1, 2, 3):
            assert alarms(meter, register) <= ALARM_BITS[register]
            write(meter, f"ALARM_REGISTER_{register}", ZERO)
            assert alarms(meter, register) == set()
        assert column(read(meter, "STANDARD_EVENT_LOG"), 1)[-2:] == [11, 24]
        cleared = clock.now
        clock.advance(days=9)
        events = history.list_events(meter, None, cleared, clock.now)
        expected = {ALARMS[event.code] for event in events if event.code in ALARMS}
        for register in (1, 2, 3):
            assert alarms(meter, register) == {bit for number, bit in expected if number == register}
            seen |= {(register << 8) + bit for bit in alarms(meter, register)}
    assert len(seen) > 15


def test_fleets_are_calm_unless_they_are_told_otherwise() -> None:
    meter, clock = make("SMR-5.5", NOW, polyphase=True, gas_meters=1)
    assert [alarms(meter, register) for register in (1, 2, 3)] == [set()] * 3
    rows = read(meter, "INTERVAL_VALUES_E")
    captured = stamps(meter, rows)
    assert captured == [captured[0] + QUARTER * place for place in range(960)]
    assert set(column(rows, 1)) == {0x08}
    recent = history.log_entries(meter, "STANDARD_EVENT_LOG", clock.now, 100, clock.now - 90 * 86_400)
    assert len(recent) > 5
    assert not [event for event in recent if event.code in ALARMS]
    assert read(meter, "NUMBER_OF_POWER_FAILURES").value > 10


def test_stamps_that_follow_from_the_row_before_may_be_left_out() -> None:
    meter, clock = make(
        "SMR-5.1", datetime(2026, 4, 2, 12, tzinfo=UTC), settings={"null_compressed": 1.0}, gas_meters=1
    )
    plain, _ = make("SMR-5.1", clock.now, gas_meters=1)
    for tag, places, channel in (
        ("INTERVAL_VALUES_E", (0,), None),
        ("DAILY_VALUES_E", (0,), None),
        ("MONTHLY_VALUES_E", (0,), None),
        ("INTERVAL_VALUES_G", (0, 3), 1),
    ):
        rows, full = read(meter, tag, 2, channel).value, read(plain, tag, 2, channel).value
        assert len(rows) == len(full)
        assert rows[0] == full[0]
        left_out = 0
        for row, whole in zip(rows, full, strict=True):
            for place, (cell, there) in enumerate(zip(row.value, whole.value, strict=True)):
                assert cell == there or (place in places and cell.type is DataType.NULL_DATA)
            left_out += row.value[0].type is DataType.NULL_DATA
        # The day on which the clocks change has 23 hours, so its end does not follow.
        assert left_out == len(rows) - (2 if tag == "DAILY_VALUES_E" else 1)


def test_an_outage_within_another_is_none_of_its_own() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=LIVING)
    counters = ("NUMBER_OF_POWER_FAILURES", "NUMBER_OF_LONG_POWER_FAILURES")
    before = [read(meter, tag).value for tag in counters]
    drawn = [outage for outage in history.list_outages(meter, START, clock.now) if outage.is_long][-1]
    meter.make_record().add_outage(Outage(drawn.begin - 60, drawn.end + 60))
    assert drawn not in history.list_outages(meter, START, clock.now)
    assert [read(meter, tag).value for tag in counters] == before
    assert column(read(meter, "POWER_FAILURE_EVENT_LOG"), 1)[-1] == drawn.seconds + 120
