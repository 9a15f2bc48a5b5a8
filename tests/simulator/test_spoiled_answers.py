"""Answers that are well protected and make no sense, as a client gets them."""

from collections.abc import Callable, Iterator

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import FaultKind, Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter.meter import Meter

from .client import RawClient, connected, get_normal
from .samples import CLOCK, IMPORT, INTERVALS, NOW, date_time, time_range

SCALER = IMPORT._replace(attribute_id=3)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """One meter whose time stands still."""
    with SimulatorThread(Fleet.build(1, settings=FleetSettings(clock=lambda: NOW))) as running:
        yield running


@pytest.fixture
def client(simulator: SimulatorThread) -> Iterator[RawClient]:
    """An associated client; afterwards the meter is well."""
    meter: Meter = simulator.meters["SIME0000000000001"]
    with connected(simulator, meter) as associated:
        associated.associate()
        yield associated
        meter.faults.switch_off()
        assert associated.get(CLOCK)
        associated.release()


def rows(client: RawClient, *kinds: FaultKind) -> tuple[Data, ...]:
    """Five rows of the load profile."""
    for kind in kinds:
        client.meter.faults.switch_on(kind, 1)
    value = client.get(INTERVALS, 1, time_range(date_time(10), date_time(11))).value
    assert client.meter.faults.as_list() == []
    return value


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.FEW_COLUMNS, lambda good: [Data(row.type, row.value[:3]) for row in good]),
        (FaultKind.DOUBLED_ROWS, lambda good: [row for row in good for _ in (1, 2)]),
        (FaultKind.UNORDERED_ROWS, lambda good: [good[1], good[3], good[0], good[2], good[4]]),
        (
            FaultKind.WRONG_TYPES,
            lambda good: [
                Data(row.type, (*row.value[:3], Data(DataType.VISIBLE_STRING, "?"))) for row in good
            ],
        ),
    ],
)
def test_rows(client: RawClient, kind: FaultKind, expected: Callable[[tuple[Data, ...]], list[Data]]) -> None:
    good = rows(client)
    assert len(good) == 5
    assert list(rows(client, kind)) == expected(good)
    assert rows(client) == good


@pytest.mark.parametrize(
    ("kind", "descriptor", "begins"),
    [
        (FaultKind.ABSURD_SCALER, SCALER, "02020f7f161e"),
        (FaultKind.LONG_CLOCK, CLOCK, "090e07e8060f"),
        (FaultKind.WRONG_TYPES, IMPORT, "0a013f"),
        (FaultKind.WRONG_TYPES, SCALER, "02020f000a013f"),
        (FaultKind.HUGE_LENGTH, IMPORT, "0984ffffffff"),
        (FaultKind.HUGE_LENGTH, SCALER, "0284ffffffff02"),
    ],
)
def test_values(client: RawClient, kind: FaultKind, descriptor: AttributeDescriptor, begins: str) -> None:
    client.meter.faults.switch_on(kind, 1)
    assert client.request(get_normal(descriptor))[4:].hex().startswith(begins)
    assert not client.request(get_normal(descriptor))[4:].hex().startswith(begins)


def test_a_buffer_that_announces_four_gib(client: RawClient) -> None:
    client.meter.faults.switch_on(FaultKind.HUGE_LENGTH, 1)
    answer = client.request(get_normal(INTERVALS))
    assert answer[:4].hex() == "c402c100"  # the first of many blocks
    assert "0184ffffffff" in answer[:24].hex()


def test_a_fault_waits_for_what_it_applies_to(client: RawClient) -> None:
    client.meter.faults.switch_on(FaultKind.FEW_COLUMNS, 1)
    client.meter.faults.switch_on(FaultKind.LONG_CLOCK, 1)
    assert client.get(IMPORT).type is DataType.DOUBLE_LONG_UNSIGNED
    assert len(client.get(CLOCK).value) == 14
    assert client.meter.faults.as_list() == [{"kind": "few-columns", "exchanges": 1}]


def test_an_empty_buffer_has_no_rows_to_spoil(client: RawClient) -> None:
    client.meter.faults.switch_on(FaultKind.FEW_COLUMNS, 1)
    assert client.get(INTERVALS, 1, time_range(date_time(20), date_time(21))).value == ()
    assert len(client.meter.faults.as_list()) == 1
