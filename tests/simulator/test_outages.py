"""Power failures: the log, the counters and the register of the last one agree."""

from datetime import UTC, datetime

import pytest

from osgp.simulator import Fleet, FleetSettings
from osgp.simulator.codec.axdr import Data, DataType, decode
from osgp.simulator.codec.cosem_time import decode_date_time
from osgp.simulator.meter.meter import Meter
from tests.catalogue.generations import ALL

MOMENT = datetime(2026, 6, 15, 12, tzinfo=UTC)


def meter(profile: str, calm_from: float | None = None) -> Meter:
    """A meter at :data:`MOMENT`."""
    settings = FleetSettings(clock=MOMENT.timestamp, calm_from=calm_from)
    return next(iter(Fleet.build(1, profile, settings=settings).meters.values()))


def read(of: Meter, tag: str) -> Data:
    """Attribute 2."""
    return decode(of.get(of.type.profile[tag].address_attribute(2)))


@pytest.mark.parametrize("profile", ALL)
def test_the_log_of_dutch_meters_lists_the_ends_of_long_outages_with_durations(profile: str) -> None:
    told = meter(profile)
    rows = read(told, "POWER_FAILURE_EVENT_LOG").value
    assert len(rows) == 10
    ends = [decode_date_time(row.value[0].value, told.zone) for row in rows]
    assert ends == sorted(ends)
    assert ends[-1] < MOMENT
    assert {row.value[1].type for row in rows} == {DataType.DOUBLE_LONG_UNSIGNED}
    durations = [row.value[1].value for row in rows]
    assert all(duration >= 180 for duration in durations)
    assert len(set(durations)) > 5
    assert read(told, "DURATION_OF_LAST_LONG_POWER_FAILURE").value == durations[-1]


def test_the_counters_count_what_the_log_lists() -> None:
    told = meter("SMR-5.1", calm_from=datetime(2022, 1, 1, tzinfo=UTC).timestamp())
    listed = len(read(told, "POWER_FAILURE_EVENT_LOG").value)
    assert read(told, "NUMBER_OF_LONG_POWER_FAILURES").value == listed == 3
    assert read(told, "NUMBER_OF_POWER_FAILURES").value > listed
