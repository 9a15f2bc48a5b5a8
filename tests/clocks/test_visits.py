"""Workers whose clock is wrong: no meter gets a wrong time, and what is read gets the right one."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device, KeyType
from osgp.faults import FaultCode
from osgp.monitoring.log_times import read_log_time
from osgp.platform_time import ClocksDiffer, Offset
from osgp.processes import heartbeats
from osgp.processes.heartbeats import ProcessKind
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.requests.models import Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.sql import read_now
from tests import factories, meters
from tests.clocks.conftest import Wall
from tests.clocks.test_platform_time import MESSAGES, OSGP
from tests.configuration.calendars import SAMPLE
from tests.memory_keys import MemoryKeys
from tests.visited import Visits, all_meters, perform

HOURS = 3 * 3600.0
YEARS_BEHIND = bytes.fromhex("090c 07e4 01 01 ff 00 00 00 00 ffc4 00")


@pytest.fixture(scope="module")
def visits() -> Iterator[Visits]:
    with all_meters() as running:
        yield running


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as running:
        yield running


@pytest.fixture
def device(simulator: SimulatorThread, organisation: Organisation) -> Device:
    [device] = meters.add_meters(organisation, simulator).values()
    return device


def clock_of(simulated: SimulatedMeter) -> bytes:
    return simulated.get(simulated.type.profile["CLOCK"].address_attribute(2))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ahead", [HOURS, -HOURS, 3.0])
def test_no_clock_is_set_by_a_clock_that_is_off(
    simulator: SimulatorThread, device: Device, organisation: Organisation, wall: Wall, ahead: float
) -> None:
    """The request waits for another attempt, and succeeds once the clock is right."""
    simulated = simulator.meters[device.identification]
    simulated.set(simulated.type.profile["CLOCK"].address_attribute(2), YEARS_BEHIND)
    year = shown_by(simulated).year
    request = factories.make_request(organisation, device, "SynchronizeTime")
    wall.ahead = ahead
    meters.visit(device)
    request.refresh_from_db()
    assert (request.state, shown_by(simulated).year) == (RequestState.RETRYING, year)
    fault = request.actions.get().fault
    assert fault["code"] == FaultCode.UNABLE_TO_PROCESS_REQUEST
    assert f"of this worker and of the database differ by {abs(ahead):.1f} s" in fault["message"]
    wall.ahead = 0.0
    Request.objects.update(due_at=F("created_at"))
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    assert abs(shown_by(simulated) - timezone.now()) < timedelta(minutes=5)


def shown_by(simulated: SimulatedMeter) -> datetime:
    shown = CosemDateTime.from_bytes(clock_of(simulated)[2:]).to_datetime()
    assert shown is not None
    return shown


@pytest.mark.django_db(transaction=True)
def test_what_is_read_has_the_time_of_the_database(
    simulator: SimulatorThread, device: Device, organisation: Organisation, wall: Wall
) -> None:
    """Ranges that count from now, and times of readings where the meter's clock makes no sense."""
    begin = timezone.now()
    hour = {"period_type": "INTERVAL", "relative_period": {"last": 1, "unit": "HOUR"}}
    rows = factories.make_request(organisation, device, "PeriodicMeterReads", parameters=hour)
    wall.ahead = HOURS
    heartbeats.beat(ProcessKind.WORKER, "worker-1@a", queues=["meter"])
    meters.visit(device)
    rows.refresh_from_db()
    assert rows.state == RequestState.SUCCEEDED, rows.fault
    last_hour = begin.replace(minute=0, second=0, microsecond=0)
    end = datetime.fromisoformat(rows.actions.get().result["end_date"])
    assert end - last_hour in (timedelta(0), timedelta(hours=1))


@pytest.mark.django_db
def test_readings_without_a_time_have_that_of_the_database(visits: Visits, wall: Wall) -> None:
    begin = timezone.now()
    wall.ahead = HOURS
    read_now()
    with visits.visit(visits.simulated("SMR-5.1")) as meter:
        told = read_log_time(meter, Data(DataType.OCTET_STRING, bytes.fromhex("07b20101ff00000000ffc400")))
    assert told.shown is not None
    assert begin - timedelta(seconds=1) <= told.read_at <= begin + timedelta(minutes=5)


SENT_AS_TIMES: dict[str, tuple[str, dict[str, Any]]] = {
    "SynchronizeTime": ("SMR-5.1", {}),
    "TestAlarmScheduler": (
        "SMR-5.5",
        {"alarm_type": "LAST_GASP", "test_time": "2090-12-24T22:58:59Z"},
    ),
    "SetActivityCalendar": (
        "SMR-5.1",
        {**SAMPLE, "activate_passive_calendar_time": "2090-07-01T00:00:00Z"},
    ),
    "SetEncryptionKeyExchangeOnGMeter": ("SMR-5.1", {}),
}
"""Messages that send times, or decide by the time: profile and parameters."""


@pytest.mark.parametrize("message", SENT_AS_TIMES)
def test_nothing_is_written_while_clocks_differ(visits: Visits, message: str) -> None:
    profile, parameters = SENT_AS_TIMES[message]
    # Only polyphase meters can test alarms.
    simulated = visits.simulated(profile, polyphase=message == "TestAlarmScheduler")
    keys = MemoryKeys(
        active={KeyType.G_METER_MASTER_KEY: bytes(16), KeyType.G_METER_ENCRYPTION_KEY: bytes(16)},
        mbus_identification_number="99310014",
        mbus_manufacturer="FLO",
    )

    def refuse() -> datetime:
        raise ClocksDiffer(Offset(HOURS, 0.0))

    with visits.visit(simulated, channel=1, keys=keys, read_platform_time=refuse) as meter:
        before = meter.association.statistics.round_trips
        with pytest.raises(ClocksDiffer):
            perform(meter, message, parameters)
        assert meter.association.statistics.round_trips == before
    assert keys.steps == []
    assert not simulated.memory.overrides


def test_these_are_all_that_ask_for_the_time() -> None:
    """Each module that reads the platform's time during a visit is one of a message above."""
    packages = [path for package in MESSAGES for path in (OSGP / package).rglob("*.py")]
    using = {path.stem for path in packages if "meter.read_platform_time" in path.read_text()}
    assert using == {"synchronize_time", "test_alarm_scheduler", "set_activity_calendar", "mbus_keys"}
