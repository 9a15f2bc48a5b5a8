"""Where a meter's invocation counter comes from when the platform does not know it: its profile says so."""

from collections.abc import Iterator

import pytest

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.counters import counter_of, set_counter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulator(profile: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorThread]:
    """A meter that does not show its counter to the public client."""
    with SimulatorThread(Fleet.build(1, profile)) as simulator:
        (meter,) = simulator.meters.values()
        found = meter.type.profile["INVOCATION_COUNTER"].get_logical_name()
        monkeypatch.setattr(meter.type.objects[found], "public", False)
        yield simulator


@pytest.mark.parametrize("profile", ["DSMR-4.2.2", "SMR-4.3"])
def test_where_meters_may_lack_the_object_the_platform_begins(
    organisation: Organisation, simulator: SimulatorThread
) -> None:
    (device,) = meters.add_meters(organisation, simulator).values()
    request = visited(organisation, device)
    assert request.state == RequestState.SUCCEEDED
    assert 0 < (counter_of(device) or 0) < 1000


@pytest.mark.parametrize("profile", ["SMR-5.0.0", "SMR-5.5"])
def test_where_all_meters_have_it_a_refusal_is_a_fault(
    organisation: Organisation, simulator: SimulatorThread
) -> None:
    (device,) = meters.add_meters(organisation, simulator).values()
    request = visited(organisation, device)
    assert request.state != RequestState.SUCCEEDED
    assert request.fault is not None
    assert "0-0:43.1.0.255" in request.fault["message"]
    assert counter_of(device) is None


def visited(organisation: Organisation, device: Device) -> Request:
    set_counter(None)
    request = factories.make_request(organisation, device, "ActualMeterReads")
    meters.visit(device)
    request.refresh_from_db()
    return request
