"""What the simulator says a head-end should have: from history and load curve, whatever the quirks."""

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.meter.truth import find_true_value, list_true_rows
from osgp.simulator.quirks import EXCLUSIVE, Quirk

from .meters import make, read

NOW = datetime(2026, 10, 28, 10, 20, 30, tzinfo=UTC)
BEGIN, END = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
ALL = frozenset(Quirk) - frozenset().union(*EXCLUSIVE)
SOME = ALL | {Quirk.FLOATS, Quirk.ROWS_SHUFFLED, Quirk.OPPOSITE_DEVIATION}


def test_rows_come_from_the_load_curve() -> None:
    meter, _ = make("SMR-5.5", NOW, gas_meters=1)
    rows = list_true_rows(meter, "INTERVAL_VALUES_E", BEGIN, END)
    assert [row.time for row in rows] == [BEGIN + timedelta(minutes=15) * number for number in range(101)]
    for row in rows:
        low, high = meter.household.imported(row.time.timestamp())
        assert row.values["ACTIVE_ENERGY_IMPORT"] == Decimal(low + high)
        is_summer = row.time < datetime(2026, 10, 25, 1, tzinfo=UTC)
        assert row.status == (("DAYLIGHT_SAVING",) if is_summer else ())
    gas = list_true_rows(meter, "INTERVAL_VALUES_G", BEGIN, END, 1)
    assert len(gas) == 26
    for row in gas:
        litres = meter.household.gas_volume(row.time.timestamp(), 1)
        assert row.values == {
            "MBUS_MASTER_VALUE/1": Decimal(litres).scaleb(-3),
            "MBUS_MASTER_VALUE/1.capture_time": row.time,
        }


@pytest.mark.parametrize(
    ("tag", "channel"),
    [
        ("INTERVAL_VALUES_E", None),
        ("INTERVAL_VALUES_G", 1),
        ("INTERVAL_VALUES_G", 2),
        ("DAILY_VALUES_E", None),
        ("STANDARD_EVENT_LOG", None),
        ("POWER_FAILURE_EVENT_LOG", None),
        ("POWER_QUALITY_PROFILE_1", None),
        ("DEFINABLE_LOAD_PROFILE", None),
    ],
)
def test_quirks_change_nothing_of_it(tag: str, channel: int | None) -> None:
    meter, _ = make("SMR-5.5", NOW, gas_meters=1, polyphase=True)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    truth = list_true_rows(meter, tag, since, NOW, channel)
    actual = find_true_value(meter, "ACTIVE_ENERGY_IMPORT")
    for quirks in (SOME, frozenset((Quirk.DELTAS, Quirk.NULL_REPEATS, Quirk.NO_DEVIATION))):
        meter.memory.quirks = quirks
        assert list_true_rows(meter, tag, since, NOW, channel) == truth
        assert find_true_value(meter, "ACTIVE_ENERGY_IMPORT") == actual
    assert truth


def test_values_of_a_moment() -> None:
    meter, clock = make("SMR-5.5", NOW, gas_meters=1)
    then = NOW.timestamp() - 86_400
    assert find_true_value(meter, "ACTIVE_ENERGY_IMPORT") == read(meter, "ACTIVE_ENERGY_IMPORT").value
    earlier = find_true_value(meter, "ACTIVE_ENERGY_IMPORT", moment=then)
    clock.now = then
    assert find_true_value(meter, "ACTIVE_ENERGY_IMPORT") == earlier
    assert find_true_value(meter, "MBUS_MASTER_VALUE", "capture_time", 1) == datetime(
        2026, 10, 27, 10, tzinfo=UTC
    )
    assert find_true_value(meter, "MBUS_MASTER_VALUE", channel=2) is None


@pytest.mark.parametrize(
    ("tag", "attribute", "channel"),
    [("NOTHING", "value", None), ("CLOCK", "value", None), ("MBUS_MASTER_VALUE", "value", None)],
)
def test_what_there_is_not(tag: str, attribute: str, channel: int | None) -> None:
    meter, _ = make("SMR-5.5", NOW)
    with pytest.raises(LookupError):
        find_true_value(meter, tag, attribute, channel)
    with pytest.raises(LookupError):
        list_true_rows(meter, tag, BEGIN, END, channel)


# Over HTTP


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    """A simulator with the interface."""
    settings = FleetSettings(clock=NOW.timestamp)
    with SimulatorThread(Fleet.build(1, "SMR-5.5", gas_meters=1, settings=settings), http_port=0) as running:
        yield running


def call(simulator: SimulatorThread, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", simulator.http_port or 0, timeout=60)
    connection.request(
        method, f"/meters/SIME0000000000001/{path}", json.dumps(document) if document else None
    )
    response = connection.getresponse()
    octets = response.read()
    connection.close()
    return response.status, json.loads(octets) if octets else None


def test_rows_over_http(simulator: SimulatorThread) -> None:
    query = (
        "truth?buffer=INTERVAL_VALUES_G&channel=1&begin=2026-10-25T02:00:00%2B02:00&end=2026-10-25T01:00:00Z"
    )
    status, rows = call(simulator, "GET", query)
    meter = simulator.meters["SIME0000000000001"]
    volumes = [
        meter.household.gas_volume(NOW.replace(day=25, hour=hour, minute=0, second=0).timestamp(), 1)
        for hour in (0, 1)
    ]
    assert (status, rows) == (
        200,
        [
            {
                "time": f"2026-10-25T0{hour}:00:00Z",
                "status": ["DAYLIGHT_SAVING"] if hour == 0 else [],
                "values": {
                    "MBUS_MASTER_VALUE/1": f"{Decimal(volume).scaleb(-3):f}",
                    "MBUS_MASTER_VALUE/1.capture_time": f"2026-10-25T0{hour}:00:00Z",
                },
            }
            for hour, volume in enumerate(volumes)
        ],
    )


def test_values_over_http(simulator: SimulatorThread) -> None:
    low, high = simulator.meters["SIME0000000000001"].household.imported(NOW.timestamp())
    assert call(simulator, "GET", "truth?object=ACTIVE_ENERGY_IMPORT") == (200, {"value": str(low + high)})
    at = "truth?object=MBUS_MASTER_VALUE&channel=1&attribute=capture_time&at=2026-10-25T03:30:00Z"
    assert call(simulator, "GET", at) == (200, {"value": "2026-10-25T03:00:00Z"})


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("truth", 422),
        ("truth?buffer=INTERVAL_VALUES_E&object=CLOCK", 422),
        ("truth?buffer=INTERVAL_VALUES_E", 422),
        ("truth?buffer=INTERVAL_VALUES_E&begin=yesterday&end=now", 422),
        ("truth?buffer=INTERVAL_VALUES_E&begin=2026-10-25T01:00:00&end=2026-10-25T01:00:00", 422),
        ("truth?object=CLOCK&channel=one", 422),
        ("truth?object=NOTHING", 404),
        ("truth?object=CLOCK", 404),
        ("truth?buffer=CLOCK&begin=2026-10-25T01:00:00Z&end=2026-10-25T01:00:00Z", 404),
    ],
)
def test_what_cannot_be_asked(simulator: SimulatorThread, query: str, status: int) -> None:
    assert call(simulator, "GET", query)[0] == status


def test_quirks_of_one_meter_over_http(simulator: SimulatorThread) -> None:
    assert call(simulator, "GET", "quirks") == (200, [])
    both = {"quirks": ["floats", "no-deviation"]}
    assert call(simulator, "PUT", "quirks", both) == (200, ["floats", "no-deviation"])
    status, problem = call(simulator, "PUT", "quirks", {"quirks": ["floats", "long64"]})
    assert (status, "floats and long64 exclude one another" in problem["detail"]) == (422, True)
    assert call(simulator, "PUT", "quirks", {"quirks": ["no-manners"]})[0] == 422
    assert call(simulator, "GET", "quirks") == (200, ["floats", "no-deviation"])
    assert call(simulator, "DELETE", "quirks")[0] == 204
    assert call(simulator, "GET", "quirks") == (200, [])
