"""What messages read of meters that differ from the books, compared with what these meters have measured.

First each quirk alone with every reading message, then pairs of quirks with some messages each, in turn, and
with every message those that failed once. All messages with all pairs: ``make bench ARGS="--only quirks"``.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from osgp.messages import registry
from osgp.messages.operation import MeterOperation, Service
from osgp.monitoring import periodic_meter_reads
from osgp.simulator.odd_objects import REFUSED_REGISTER
from osgp.simulator.quirks import EXCLUSIVE, Quirk
from scripts.benchmarks.quirk_readings import AUTUMN, NIGHT, PAIRS, READINGS, list_pairs
from scripts.benchmarks.quirk_verdicts import Reading
from scripts.benchmarks.quirk_visits import QuirkyMeters

MESSAGES_PER_PAIR = 3


def show(reading: Reading) -> str:
    """The id of a test."""
    return reading.name.replace(", ", "-").replace(" ", "_")


@pytest.mark.parametrize("reading", READINGS, ids=show)
def test_without_quirks(meters: QuirkyMeters, reading: Reading) -> None:
    outcome = meters.read(frozenset(), reading)
    assert outcome.is_good, str(outcome)
    # What is judged has to be there, or nothing could be lost.
    assert bool(outcome.verdict.judged) is (reading.name != "no intervals")


@pytest.mark.parametrize("quirk", Quirk)
@pytest.mark.parametrize("reading", READINGS, ids=show)
def test_one_quirk(meters: QuirkyMeters, reading: Reading, quirk: Quirk) -> None:
    outcome = meters.read(frozenset((quirk,)), reading)
    assert outcome.is_good, str(outcome)


def choose_readings(place: int) -> list[Reading]:
    """Some readings for the pair at ``place``, so that all come equally often."""
    start = place * MESSAGES_PER_PAIR
    return [READINGS[number % len(READINGS)] for number in range(start, start + MESSAGES_PER_PAIR)]


PAIRED = [
    pytest.param(one, other, reading, id=f"{one}+{other}-{show(reading)}")
    for place, (one, other) in enumerate(list_pairs())
    for reading in choose_readings(place)
]


@pytest.mark.parametrize(("one", "other", "reading"), PAIRED)
def test_two_quirks(meters: QuirkyMeters, one: Quirk, other: Quirk, reading: Reading) -> None:
    outcome = meters.read(frozenset((one, other)), reading)
    assert outcome.is_good, str(outcome)


FAILED_ONCE = [
    (Quirk.RANGE_EXCLUDES_START, Quirk.BOUNDS_ON_HOURS),
    (Quirk.RANGE_EXCLUDES_END, Quirk.BOUNDS_ON_HOURS),
    (Quirk.RANGE_EXCLUDES_START, Quirk.BUFFER_DROPS),
    (Quirk.ROWS_SHUFFLED, Quirk.RANGE_REFUSED),
    (Quirk.RANGE_REFUSED, Quirk.BUFFER_DROPS),
    (Quirk.OTHER_SCALERS, Quirk.REGISTER_REFUSED),
]
"""Pairs that once lost rows, or got them wrong: tried with all messages."""


@pytest.mark.parametrize("reading", READINGS, ids=show)
@pytest.mark.parametrize(("one", "other"), FAILED_ONCE)
def test_pairs_that_failed_once(meters: QuirkyMeters, one: Quirk, other: Quirk, reading: Reading) -> None:
    outcome = meters.read(frozenset((one, other)), reading)
    assert outcome.is_good, str(outcome)


def test_values_whose_scaler_nobody_knows_are_not_told(meters: QuirkyMeters) -> None:
    """The profile is wrong about the scalers of other registers."""
    [days] = [reading for reading in READINGS if reading.name == "days"]
    judged: list[Mapping[str, Any]] = []
    noting = replace(days, judge=lambda reading, meter, result, verdict: judged.append(result))
    meters.read(frozenset((Quirk.OTHER_SCALERS, Quirk.REGISTER_REFUSED)), noting)
    meters.read(frozenset((Quirk.REGISTER_REFUSED,)), noting)
    (doubtful, usual) = judged
    [told] = doubtful["unavailable"]
    assert told["name"] == REFUSED_REGISTER
    assert "does not tell scaler and unit" in told["reason"]
    name = periodic_meter_reads.REGISTERS[REFUSED_REGISTER]
    for doubted, row in zip(doubtful["periodic_meter_reads"], usual["periodic_meter_reads"], strict=True):
        assert row[name] is not None
        assert doubted[name] is None
        others = [row.keys() - {name} for row in (doubted, row)]
        assert others[0] == others[1] != set()
    assert usual["unavailable"] == []


@pytest.mark.parametrize(
    "reading",
    [each for each in READINGS if {AUTUMN[0], NIGHT[0]} & {*each.parameters.values()}],
    ids=show,
)
def test_only_the_order_of_rows_tells_the_hour_that_comes_twice(
    meters: QuirkyMeters, reading: Reading
) -> None:
    """Seen in the field: local time alone, neither deviation nor status. In autumn rows of 02:00 to 03:00
    come twice, the first ones in summer time."""
    outcome = meters.read(frozenset((Quirk.NO_DEVIATION, Quirk.NO_CLOCK_STATUS)), reading)
    assert outcome.is_good, str(outcome)


def test_all_reading_messages_are_tried() -> None:
    reading = {
        operation.message
        for operation in registry.list_operations()
        if isinstance(operation, MeterOperation)
        and (
            operation.service is Service.MONITORING or operation.message in ("FindEvents", "GetGsmDiagnostic")
        )
    }
    assert {each.message for each in READINGS} == reading - {"ClearAlarmRegister"}


def test_pairs_are_those_that_meters_can_have() -> None:
    pairs = list_pairs()
    assert pairs == list_pairs()
    assert len({frozenset(pair) for pair in pairs}) == PAIRS
    assert not {frozenset(pair) for pair in pairs} & set(EXCLUSIVE)
    assert {quirk for pair in pairs for quirk in pair} == set(Quirk)
    assert [*islice(choose_readings(len(READINGS)), 1)] == [READINGS[0]]
