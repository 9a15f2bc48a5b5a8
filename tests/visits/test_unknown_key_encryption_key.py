"""A worker meets keys of a meter that were wrapped with a key-encryption key that it does not know yet."""

import base64
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device, DeviceKey
from osgp.faults import FaultCode
from osgp.requests.models import Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import retries
from tests import factories, meters
from tests.devices.conftest import with_platform

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = (f"{name}:{base64.b64encode(name.encode() * 8).decode()}" for name in ("kek1", "kek2"))


@pytest.fixture
def simulator(settings: Settings) -> Iterator[SimulatorThread]:
    with_platform(settings, KEY_ENCRYPTION_KEYS=f"{NEW},{OLD}")
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        yield simulator


@pytest.fixture
def meter(organisation: Organisation, simulator: SimulatorThread) -> Device:
    [device] = meters.add_meters(organisation, simulator).values()
    return device


def visit(request: Request, meter: Device) -> None:
    Request.objects.filter(pk=request.pk).update(due_at=timezone.now() - timedelta(seconds=5))
    meters.visit(meter)
    request.refresh_from_db()


def test_its_requests_wait_until_it_knows(
    organisation: Organisation, simulator: SimulatorThread, meter: Device, settings: Settings
) -> None:
    request = factories.make_request(organisation, meter, "ActualMeterReads")
    with_platform(settings, KEY_ENCRYPTION_KEYS=OLD)
    visit(request, meter)
    assert (request.state, request.attempts) == (RequestState.RETRYING, 1)
    assert request.due_at > timezone.now()
    assert request.fault is not None
    assert (request.fault["code"], request.fault["retryable"]) == (FaultCode.READING_KEY_EXCEPTION, True)
    assert simulator.meters[meter.identification].memory.statistics.associations == 0

    # A rolling restart takes longer than the usual attempts, and the hint may find an old worker each time.
    usual: int = settings.OSGP["MAX_ATTEMPTS"]
    for attempt in range(2, 2 * usual):
        visit(request, meter)
        assert (request.state, request.attempts) == (RequestState.RETRYING, attempt)
        assert request.due_at - timezone.now() < 2 * settings.OSGP["RETRY_DELAY"]

    with_platform(settings, KEY_ENCRYPTION_KEYS=f"{OLD},{NEW}")
    visit(request, meter)
    assert (request.state, request.attempts, request.fault) == (RequestState.SUCCEEDED, 2 * usual, None)


def test_a_key_that_nobody_knows_is_not_waited_for_for_ever(
    organisation: Organisation, meter: Device, settings: Settings
) -> None:
    request = factories.make_request(organisation, meter, "ActualMeterReads")
    with_platform(settings, KEY_ENCRYPTION_KEYS=OLD)
    while request.state != RequestState.FAILED:
        visit(request, meter)
    assert request.attempts == retries.ATTEMPTS_TO_READ_KEYS
    assert request.fault is not None
    assert request.fault["code"] == FaultCode.READING_KEY_EXCEPTION


def test_damaged_keys_are_not_waited_for(organisation: Organisation, meter: Device) -> None:
    DeviceKey.objects.update(ciphertext=bytes(44))
    request = factories.make_request(organisation, meter, "ActualMeterReads")
    visit(request, meter)
    assert (request.state, request.attempts) == (RequestState.FAILED, 1)
    assert request.fault is not None
    assert (request.fault["code"], request.fault["retryable"]) == (FaultCode.READING_KEY_EXCEPTION, False)
