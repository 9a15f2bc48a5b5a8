"""Which rows meters with quirks give: refusals, borders, order, doubles, dropped lines; and columns."""

import random
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.cli import quirks as parse_option
from osgp.simulator.codec.axdr import Data, DataType, decode
from osgp.simulator.codec.requests import Selection
from osgp.simulator.codec.results import DataAccessResult
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.query import AccessError
from osgp.simulator.quirks import EXCLUSIVE, ImpossibleQuirks, Quirk, UnknownQuirk, check_quirks, parse_quirks

from .client import Closed, RawClient, connected
from .meters import make, read, stamps
from .samples import entries, time_range

NOW = datetime(2026, 6, 15, 12, 5, tzinfo=UTC)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
TAG = "INTERVAL_VALUES_E"
USUAL = [NOON - HOUR + QUARTER * number for number in range(5)]
"""From one full hour to the next."""


def meter_with(*quirks: Quirk, profile: str = "SMR-5.5") -> Meter:
    meter, _ = make(profile, NOW, gas_meters=1, polyphase=True)
    meter.memory.quirks = frozenset(quirks)
    return meter


def date_time(moment: datetime, tail: str = "0000 00") -> Data:
    """``moment`` as UTC; ``tail`` is deviation and clock status."""
    octets = moment.year.to_bytes(2, "big") + bytes(
        (moment.month, moment.day, 0xFF, moment.hour, moment.minute)
    )
    return Data(DataType.OCTET_STRING, octets + bytes((moment.second, 0)) + bytes.fromhex(tail))


def get(meter: Meter, selection: Selection | None, tag: str = TAG) -> Data:
    return decode(meter.get(meter.type.profile[tag].address_attribute(2), selection))


def read_range(
    meter: Meter, begin: datetime = NOON - HOUR, end: datetime = NOON, tail: str = "0000 00", tag: str = TAG
) -> Data:
    return get(meter, Selection(1, time_range(date_time(begin, tail), date_time(end, tail))), tag)


def result_of(read: Any, *arguments: Any) -> DataAccessResult:
    with pytest.raises(AccessError) as refused:
        read(*arguments)
    return refused.value.result


def times(meter: Meter, rows: Data) -> list[datetime]:
    return stamps(meter, rows)


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        # Blue Book, class 7, selective access by range: both values belong to the range.
        ((), USUAL),
        ((Quirk.RANGE_EXCLUDES_START,), USUAL[1:]),
        ((Quirk.RANGE_EXCLUDES_END,), USUAL[:-1]),
        ((Quirk.RANGE_EXCLUDES_START, Quirk.RANGE_EXCLUDES_END), USUAL[1:-1]),
        ((Quirk.RANGE_EXCEEDED,), [NOON - HOUR + QUARTER * number for number in range(-2, 5)]),
        ((Quirk.ROWS_NEWEST_FIRST,), USUAL[::-1]),
    ],
)
def test_borders_and_order(quirks: tuple[Quirk, ...], expected: list[datetime]) -> None:
    meter = meter_with(*quirks)
    assert times(meter, read_range(meter)) == expected


def test_a_range_is_exceeded_on_both_sides() -> None:
    meter = meter_with(Quirk.RANGE_EXCEEDED)
    found = times(meter, read_range(meter, NOON - 2 * HOUR, NOON - HOUR))
    assert found == [NOON - 2 * HOUR + QUARTER * number for number in range(-2, 7)]
    assert not read_range(meter, NOON - HOUR + QUARTER / 3, NOON - HOUR + QUARTER / 2).value


def test_rows_in_no_order_are_the_same_rows() -> None:
    meter = meter_with(Quirk.ROWS_SHUFFLED)
    found = times(meter, get(meter, None))
    assert found != sorted(found)
    assert found != sorted(found, reverse=True)
    assert sorted(found) == times(meter_with(), get(meter_with(), None))


@pytest.mark.parametrize("order", [(), (Quirk.ROWS_NEWEST_FIRST,), (Quirk.ROWS_SHUFFLED,)])
def test_doubled_rows_have_the_same_values_and_are_counted(order: tuple[Quirk, ...]) -> None:
    meter = meter_with(Quirk.ROWS_DOUBLED, *order)
    rows = get(meter, None).value
    assert len(set(rows)) == 960
    assert 1_100 < len(rows) < 1_500
    assert read(meter, TAG, 7).value == len(rows)
    assert all(rows.count(row) <= 2 for row in rows[:40])


def test_refusals() -> None:
    """Whatever is refused is so with an access result, and the rest is given."""
    meter = meter_with(Quirk.RANGE_REFUSED)
    assert result_of(read_range, meter) is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert len(get(meter, Selection(2, entries(1, 5))).value) == 5
    meter = meter_with(Quirk.ENTRIES_REFUSED)
    assert result_of(get, meter, Selection(2, entries(1, 5))) is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert len(read_range(meter).value) == 5
    meter = meter_with(Quirk.RANGE_REFUSED, Quirk.ENTRIES_REFUSED)
    assert len(get(meter, None).value) == 960


@pytest.mark.parametrize(
    ("tail", "is_refused"), [("0000 00", True), ("8000 00", True), ("0000 FF", True), ("8000 FF", False)]
)
def test_bounds_without_deviation(tail: str, is_refused: bool) -> None:
    meter = meter_with(Quirk.BOUNDS_WITHOUT_DEVIATION)
    if is_refused:
        assert result_of(read_range, meter, NOON - HOUR, NOON, tail) is DataAccessResult.OTHER_REASON
    else:
        # By the meter's own clock, which is two hours ahead of UTC in summer.
        expected = [NOON - 2 * HOUR + QUARTER * number for number in range(5)]
        assert times(meter, read_range(meter, NOON, NOON + HOUR, tail)) == expected


def test_bounds_on_hours() -> None:
    meter = meter_with(Quirk.BOUNDS_ON_HOURS)
    assert len(read_range(meter).value) == 5
    for begin, end in ((NOON - QUARTER, NOON), (NOON - HOUR, NOON - timedelta(seconds=1))):
        assert result_of(read_range, meter, begin, end) is DataAccessResult.OTHER_REASON


def test_no_columns_can_be_chosen() -> None:
    meter = meter_with(Quirk.ALL_COLUMNS_ONLY)
    bounds = date_time(NOON - HOUR), date_time(NOON)
    chosen = time_range(*bounds, meter.type.profile["CLOCK"].address_attribute(2))
    assert result_of(get, meter, Selection(1, chosen)) is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert [len(row.value) for row in get(meter_with(), Selection(1, chosen)).value] == [1] * 5
    assert len(read_range(meter).value) == 5


def test_a_range_without_rows_is_refused() -> None:
    meter = meter_with(Quirk.EMPTY_RANGE_REFUSED)
    nothing = NOON - QUARTER / 2, NOON - QUARTER / 3
    assert result_of(read_range, meter, *nothing) is DataAccessResult.OTHER_REASON
    assert read_range(meter_with(), *nothing).value == ()
    assert len(read_range(meter).value) == 5


# Columns


def list_captured(meter: Meter, tag: str = TAG, channel: int | None = None) -> list[tuple[int, str, int]]:
    definitions = read(meter, tag, 3, channel).value
    return [(each.value[0].value, each.value[1].value.hex(), each.value[2].value) for each in definitions]


CLOCK = (8, "0000010000ff", 2)
STATUS = (1, "0000600a02ff", 2)
IMPORT, EXPORT = (3, "0100010800ff", 2), (3, "0100020800ff", 2)
REACTIVE = (3, "0100030800ff", 2)
OWN = (1, "0000806001ff", 2)


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        ((), [CLOCK, STATUS, IMPORT, EXPORT]),
        ((Quirk.COLUMNS_REORDERED,), [EXPORT, IMPORT, STATUS, CLOCK]),
        ((Quirk.COLUMNS_FEWER,), [CLOCK, STATUS, IMPORT]),
        ((Quirk.COLUMNS_MORE,), [CLOCK, STATUS, IMPORT, REACTIVE, EXPORT]),
        ((Quirk.COLUMNS_FEWER, Quirk.COLUMNS_MORE), [CLOCK, STATUS, REACTIVE, IMPORT]),
    ],
)
def test_columns_are_as_capture_objects_say(quirks: tuple[Quirk, ...], expected: list[Any]) -> None:
    """Blue Book, class 7: capture_objects lists what each entry of the buffer consists of, in its order."""
    meter, usual = meter_with(*quirks), meter_with()
    assert list_captured(meter) == expected
    usual_rows = [dict(zip(list_captured(usual), row.value, strict=True)) for row in read_range(usual).value]
    for row, truth in zip(read_range(meter).value, usual_rows, strict=True):
        found = dict(zip(expected, row.value, strict=True))
        assert {each: cell for each, cell in found.items() if each != REACTIVE} == {
            each: truth[each] for each in expected if each != REACTIVE
        }


def test_the_only_register_stays_and_others_get_an_object_of_the_manufacturer() -> None:
    meter = meter_with(Quirk.COLUMNS_FEWER)
    assert len(list_captured(meter, "INTERVAL_VALUES_G", 1)) == 4
    meter = meter_with(Quirk.COLUMNS_MORE)
    assert list_captured(meter, "STANDARD_EVENT_LOG")[1] == OWN
    assert OWN in list_captured(meter, "INTERVAL_VALUES_G", 1)
    assert {len(row.value) for row in read(meter, "STANDARD_EVENT_LOG").value} == {3}


# The line


def test_every_second_request_for_rows_drops_the_line() -> None:
    settings = FleetSettings(clock=NOW.timestamp, quirks=frozenset((Quirk.BUFFER_DROPS,)))
    with SimulatorThread(Fleet.build(1, "SMR-5.5", settings=settings)) as running:
        simulated = next(iter(running.meters.values()))
        buffer = simulated.type.profile[TAG].address_attribute(2)
        for _ in range(2):
            with connected(running, simulated) as client:
                client.associate()
                assert get_two(client, buffer, simulated) == 960
                with pytest.raises(Closed):
                    client.get(buffer)


def get_two(client: RawClient, buffer: Any, meter: Meter) -> int:
    """A clock, which counts as nothing, and the rows."""
    assert client.get(meter.type.profile["CLOCK"].address_attribute(2))
    return len(client.get(buffer).value)


# Which quirks there can be


def test_no_meter_has_quirks_that_exclude_one_another() -> None:
    for pair, reason in EXCLUSIVE.items():
        with pytest.raises(ImpossibleQuirks, match=reason):
            check_quirks(pair | {Quirk.HDLC_ECHO})
        with pytest.raises(ImpossibleQuirks):
            FleetSettings(quirks=pair)
        with pytest.raises(ImpossibleQuirks):
            parse_quirks([each.value for each in pair])
    with pytest.raises(UnknownQuirk, match="there are range-excludes-start, "):
        parse_quirks(["no-manners"])
    assert parse_option("floats, no-deviation") == {Quirk.FLOATS, Quirk.NO_DEVIATION}


def test_all_other_pairs_give_all_buffers() -> None:
    """Whatever else two quirks do, a meter that has both gives whole buffers, and says what is in them."""
    meter = meter_with()
    tags = [TAG, "DAILY_VALUES_E", "STANDARD_EVENT_LOG", "POWER_QUALITY_PROFILE_2"]
    lengths = {tag: len(get(meter, None, tag).value) for tag in tags}
    possible = [pair for pair in combinations(Quirk, 2) if frozenset(pair) not in EXCLUSIVE]
    for pair in random.Random(1).sample(possible, 60):
        meter.memory.quirks = frozenset(pair)
        tag = tags[len(pair[0]) % len(tags)]
        rows = get(meter, None, tag).value
        width = len(list_captured(meter, tag))
        assert {len(row.value) for row in rows} == {width}, pair
        assert len(rows) >= lengths[tag], pair
