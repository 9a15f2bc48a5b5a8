"""Schedules that want the same meters at the same time: each meter is visited once, and does it all."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import schedules
from osgp.requests import states
from osgp.requests.models import ActionState, MeterSession, Request, RequestState
from osgp.requests.states.scheduled import queue_scheduled
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits.visit import visit_meter
from tests import meters
from tests.batches.conftest import create_all, make_group
from tests.batches.test_schedules import make_due, make_schedule
from tests.factories import make_organisation

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
LAST_HOURS = {"period_type": "INTERVAL", "relative_period": {"last": 4, "unit": "HOUR"}}
ELECTRICITY = {"message": "PeriodicMeterReads", "parameters": LAST_HOURS}
GAS = {"message": "PeriodicMeterReadsGas", "parameters": LAST_HOURS}
BUNDLE = {
    "message": "Bundle",
    "parameters": {
        "actions": [
            {"message": "PeriodicMeterReads", **LAST_HOURS},
            {"message": "PeriodicMeterReads", "period_type": "DAILY", "relative_period": "PREVIOUS_DAY"},
            {"message": "SynchronizeTime"},
        ]
    },
}
ALARMS = {"message": "Bundle", "parameters": {"actions": [{"message": "ReadAlarmRegister"}]}}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(3, "SMR-5.1", gas_meters=3)) as simulator:
        yield simulator


@pytest.fixture
def devices(simulator: SimulatorThread, transactional_db: None, settings: Settings) -> dict[str, Device]:
    """Three electricity meters, each with a gas meter."""
    deadline = timedelta(seconds=5)
    settings.OSGP = settings.OSGP | {"APDU_DEADLINE": deadline, "CONNECT_DEADLINE": deadline}
    return meters.add_meters(make_organisation(), simulator)


@pytest.fixture
def owner(devices: dict[str, Device]) -> Organisation:
    return Organisation.objects.get()


def group_of(owner: Organisation, devices: dict[str, Device], *, is_mbus: bool) -> DeviceGroup:
    chosen = [device for device in devices.values() if device.is_mbus == is_mbus]
    name = "gas" if is_mbus else "electricity"
    return DeviceGroup.objects.filter(name=name).first() or make_group(owner, chosen, name)


def make_occurrence(owner: Organisation, group: DeviceGroup, at: Any, **fields: Any) -> None:
    row = make_schedule(owner, group, **{"name": fields["message"] + group.name} | fields)
    make_due(row)
    row.next_at, row.starts_at = at, at - 24 * HOUR
    row.save()


def dispatch_all() -> list[int]:
    """Dial meters as long as there is due work; returns which, in order."""
    dialled: list[int] = []
    queue_scheduled()
    while sessions := states.open_sessions(100).sessions:
        for session in sessions:
            assert visit_meter(session.pk, session.token, worker="test")
            dialled.append(session.meter_id)
        queue_scheduled()
    return dialled


@pytest.mark.parametrize("spread", [timedelta(0), HOUR], ids=["at once", "spread"])
@pytest.mark.parametrize(
    ("first", "second", "second_is_gas"),
    [(ELECTRICITY, GAS, True), (BUNDLE, GAS, True), (BUNDLE, ALARMS | {"name": "alarms"}, False)],
    ids=["gas", "bundle and gas", "two bundles"],
)
def test_schedules_with_the_same_window_share_visits(
    simulator: SimulatorThread,
    devices: dict[str, Device],
    owner: Organisation,
    first: dict[str, Any],
    second: dict[str, Any],
    second_is_gas: bool,
    spread: timedelta,
) -> None:
    """Time passes from the moment of one meter to that of the next: none of them is dialled twice."""
    at = timezone.now() - timedelta(seconds=1)
    for fields, is_mbus in ((first, False), (second, second_is_gas)):
        make_occurrence(owner, group_of(owner, devices, is_mbus=is_mbus), at, spread=spread, **fields)
    assert schedules.create_due() == 2
    create_all()
    gateways = [device for device in devices.values() if not device.is_mbus]
    requests = Request.objects.order_by("due_at")
    dialled: list[int] = []
    while (
        waiting := requests.filter(state__in=(RequestState.SCHEDULED, RequestState.QUEUED)).first()
    ) is not None:
        # SQLite tells the time in milliseconds, cut off: what is due just now may not be due for it.
        elapsed = max(timedelta(0), waiting.due_at - timezone.now()) + timedelta(milliseconds=2)
        requests.update(due_at=F("due_at") - elapsed, schedule_time=F("schedule_time") - elapsed)
        now_dialled = dispatch_all()
        assert len(now_dialled) == (1 if spread else len(gateways))
        dialled += now_dialled
    assert sorted(dialled) == sorted(device.pk for device in gateways)
    assert requests.filter(state=RequestState.SUCCEEDED).count() == 2 * len(gateways)
    assert MeterSession.objects.count() == len(gateways)
    for device in gateways:
        assert simulator.meters[device.identification].memory.statistics.associations == 1
        done = [action.state for request in requests.filter(meter=device) for action in request.actions.all()]
        assert set(done) == {ActionState.DONE}
