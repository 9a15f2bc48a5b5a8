"""Meters that answer with anything at all: a result or a fault within bounded time, and nothing else."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osgp import catalogue
from osgp.faults import Fault
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, CosemDateTime, Data, DataType, axdr
from osgp.protocol_dlms.errors import DecodeError
from tests.protocol_dlms.trees import trees

BEGIN = datetime(2026, 10, 25, tzinfo=UTC)
END = BEGIN + timedelta(days=1)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
PERIODIC = {"period_type": "INTERVAL", "begin_date": BEGIN, "end_date": END}
QUALITY = {"profile_type": "PUBLIC", "begin_date": BEGIN, "end_date": END}
MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("ActualMeterReads", {}),
    ("ActualMeterReadsGas", {}),
    ("PeriodicMeterReads", PERIODIC),
    ("PeriodicMeterReads", PERIODIC | {"period_type": "MONTHLY"}),
    ("PeriodicMeterReadsGas", PERIODIC),
    ("PeriodicMeterReadsGas", PERIODIC | {"period_type": "DAILY"}),
    ("GetPowerQualityProfile", QUALITY),
    ("GetActualPowerQuality", {"profile_type": "PRIVATE"}),
    ("GetThdFingerprint", {}),
    ("GetOutages", {}),
    ("ReadAlarmRegister", {}),
    ("ClearAlarmRegister", {}),
]


def decline(attributes: Any) -> list[AccessResult]:
    """The answers of a meter that tells nothing of its buffers."""
    return [AccessResult.READ_WRITE_DENIED for _ in attributes]


class Hostile:
    """An association with a meter that says what the test wants, whatever it is asked."""

    seconds_left = 100.0
    is_open = True
    list_size = 32

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def get_many(self, attributes: Any) -> list[Data | AccessResult]:
        return [self._draw(VALUES | st.sampled_from(AccessResult)) for _ in attributes]

    def get_each(self, attributes: Any) -> list[Data | AccessResult | DecodeError]:
        if self._draw is None:
            return [AccessResult.READ_WRITE_DENIED for _ in attributes]
        kinds = VALUES | st.sampled_from(AccessResult) | st.just(DecodeError("nonsense"))
        return [self._draw(kinds) for _ in attributes]

    def set(self, attribute: Any, data: Data) -> None:
        pass

    def read_profile(self, *_: Any) -> list[tuple[Any, ...]]:
        return self._draw(ROWS)


CLOCKS = st.builds(
    lambda seconds, deviation: CosemDateTime(
        2026, 10, 25, 0xFF, seconds // 3600, seconds // 60 % 60, seconds % 60, 0, deviation, 0x80
    ).to_bytes(),
    st.integers(0, 86_399),
    st.sampled_from([-60, -120, 0, -0x8000]),
)
NUMBERS = st.integers(-5, 2**64 - 1)
VALUES = trees() | st.one_of(
    CLOCKS.map(lambda octets: Data(DataType.OCTET_STRING, octets)),
    st.integers(0, 2**32 - 1).map(lambda number: Data(DataType.DOUBLE_LONG_UNSIGNED, number)),
    st.just(Data(DataType.STRUCTURE, (Data(DataType.INTEGER, -3), Data(DataType.ENUM, 13)))),
)
NATIVE = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | st.binary(max_size=14) | st.text(max_size=3) | CLOCKS,
    lambda children: st.lists(children, max_size=3).map(tuple),
    max_leaves=4,
)
GOOD_ROWS = st.tuples(CLOCKS | st.none(), st.integers(0, 255) | st.none(), NUMBERS, NUMBERS | CLOCKS)
ROWS = st.lists(GOOD_ROWS | st.lists(NATIVE, max_size=6).map(tuple), max_size=12)


@pytest.mark.parametrize(("message", "parameters"), MESSAGES)
@pytest.mark.parametrize("profile", [("SMR", "5.5"), ("DSMR", "4.2.2"), ("DSMR", "2.2")])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_anything_ends_in_a_result_or_a_fault(
    message: str, parameters: dict[str, Any], profile: tuple[str, str], data: st.DataObject
) -> None:
    operation = registry.find_operation(message)
    assert isinstance(operation, MeterOperation)
    described = catalogue.find_profile(*profile)
    if not operation.supports(described):
        return
    meter = VisitedMeter(
        "E1",
        described,
        Hostile(data.draw),  # type: ignore[arg-type]
        AMSTERDAM,
        channel=1 if "Gas" in message else None,
        polyphase=data.draw(st.booleans()),
        selective_access=data.draw(st.booleans()),
    )
    try:
        result = operation.perform(meter, parameters)
    except Fault:
        return
    stored = operation.represent_result(result)
    assert stored == dict(operation.result_serializer(result).data)
    # What PostgreSQL takes as JSON.
    assert "\\u0000" not in json.dumps(stored, allow_nan=False)
    for readings in operation.list_readings(parameters, result):
        assert len(readings.values) == len(readings.interval_ends)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_of_a_buffer(octets: bytes) -> None:
    class Answering(Hostile):
        def get_each(self, attributes: Any) -> Any:
            return decline(attributes)

        def read_profile(self, *_: Any) -> list[tuple[Any, ...]]:
            rows = axdr.decode_native(b"\x01" + octets)
            return [row if isinstance(row, tuple) else () for row in rows]

    operation = registry.find_operation("PeriodicMeterReads")
    assert isinstance(operation, MeterOperation)
    association: Any = Answering(None)
    meter = VisitedMeter("E1", catalogue.find_profile("SMR", "5.1"), association, AMSTERDAM)
    with suppress(Fault):
        operation.represent_result(operation.perform(meter, PERIODIC))


def test_a_large_buffer_of_nonsense_takes_no_time_to_speak_of() -> None:
    """Ten thousand rows that are all wrong, in each slice, make a result of a few kilobytes."""

    class Wrong(Hostile):
        def get_each(self, attributes: Any) -> Any:
            return decline(attributes)

        def read_profile(self, *_: Any) -> list[tuple[Any, ...]]:
            return [(None, "x" * 100)] * 10_000

    operation = registry.find_operation("PeriodicMeterReads")
    assert isinstance(operation, MeterOperation)
    association: Any = Wrong(None)
    meter = VisitedMeter("E1", catalogue.find_profile("SMR", "5.1"), association, AMSTERDAM)
    stored = operation.represent_result(
        operation.perform(meter, PERIODIC | {"end_date": BEGIN + timedelta(days=10)})
    )
    assert stored["rejected_row_count"] == 20_000
    assert len(str(stored)) < 20_000
