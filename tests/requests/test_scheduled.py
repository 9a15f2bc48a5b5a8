"""Scheduled requests whose time has come, and what their organisation may do by then."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.messages.naming import BUNDLE
from osgp.requests import states
from osgp.requests.models import Action, Request
from osgp.requests.states import scheduled
from tests.factories import grant, make_device, make_gas_meter, make_organisation, make_request

pytestmark = pytest.mark.django_db


def schedule(organisation: Organisation, device: Device, message: str, **fields: Any) -> Request:
    """A request whose time has come just now."""
    due = timezone.now() - timedelta(seconds=1)
    return make_request(organisation, device, message, **{"state": "SCHEDULED", "due_at": due} | fields)


def outcome(request: Request) -> tuple[str, int | None]:
    """Its state and the code of its fault."""
    request.refresh_from_db()
    return request.state, request.fault and request.fault["code"]


def revoke(organisation: Organisation, device: Device) -> None:
    DeviceAuthorisation.objects.filter(organisation=organisation, device=device).delete()


def test_what_is_granted_still_is_queued(organisation: Organisation, device: Device) -> None:
    request = schedule(organisation, device, "ActualMeterReads")
    later = schedule(organisation, device, "ActualMeterReads", due_at=timezone.now() + timedelta(minutes=5))
    assert states.queue_scheduled() == 1
    assert outcome(request) == ("QUEUED", None)
    assert outcome(later) == ("SCHEDULED", None)


def test_what_is_not_granted_any_more_fails(organisation: Organisation, device: Device) -> None:
    request = schedule(organisation, device, "ActualMeterReads")
    revoke(organisation, device)
    grant(make_organisation("OTHER"), device)
    assert states.queue_scheduled() == 0
    assert outcome(request) == ("FAILED", 301)
    assert request.completed_at is not None
    action = request.actions.get()
    assert (action.state, action.fault["code"] if action.fault else None) == ("FAULT", 301)


def test_what_a_disabled_organisation_asked_for_fails(
    organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    grant(other_organisation, device)
    request = schedule(organisation, device, "ActualMeterReads")
    of_others = schedule(other_organisation, device, "ActualMeterReads")
    Organisation.objects.filter(pk=organisation.pk).update(enabled=False)
    assert states.queue_scheduled() == 1
    assert (outcome(request), outcome(of_others)) == (("FAILED", 104), ("QUEUED", None))
    assert request.actions.get().state == "FAULT"


def test_another_group_may_grant_it(organisation: Organisation, device: Device) -> None:
    """Reading is for MONITORING as well, setting the clock is not."""
    reads = schedule(organisation, device, "ActualMeterReads")
    clock = schedule(organisation, device, "SynchronizeTime")
    revoke(organisation, device)
    grant(organisation, device, DeviceFunctionGroup.MONITORING)
    assert states.queue_scheduled() == 1
    assert (outcome(reads), outcome(clock)) == (("QUEUED", None), ("FAILED", 301))


def test_a_bundle_fails_as_a_whole(organisation: Organisation, device: Device) -> None:
    gas_meter = make_gas_meter(gateway=device, owner=organisation)
    bundles = [schedule(organisation, device, BUNDLE) for _ in range(2)]
    for bundle in bundles:
        Action.objects.filter(request=bundle).delete()
        Action.objects.create(request=bundle, position=0, message="ActualMeterReads", device=device)
    Action.objects.create(request=bundles[0], position=1, message="ActualMeterReadsGas", device=gas_meter)
    revoke(organisation, gas_meter)
    assert states.queue_scheduled() == 1
    assert [outcome(bundle)[0] for bundle in bundles] == ["FAILED", "QUEUED"]
    assert set(bundles[0].actions.values_list("state", flat=True)) == {"FAULT"}


def test_what_cannot_be_told_is_left_to_others(organisation: Organisation, device: Device) -> None:
    """A device that does not exist yet, and a message of a newer release."""
    adding = schedule(organisation, device, "AddDevice")
    Request.objects.filter(pk=adding.pk).update(device=None, meter=None)
    adding.actions.update(device=None)
    newer = schedule(organisation, device, "MessageOfTomorrow")
    revoke(organisation, device)
    assert states.queue_scheduled() == 2
    assert (outcome(adding)[0], outcome(newer)[0]) == ("QUEUED", "QUEUED")


def test_any_number_fails_in_slices(organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduled, "SLICE", 2)
    devices = [make_device(f"E{number}", owner=organisation) for number in range(7)]
    requests = [schedule(organisation, each, "ActualMeterReads") for each in devices]
    for each in devices[:5]:
        revoke(organisation, each)
    assert states.queue_scheduled() == 2
    assert [outcome(request)[0] for request in requests] == ["FAILED"] * 5 + ["QUEUED"] * 2


def test_with_nothing_scheduled_it_is_one_query(organisation: Organisation, device: Device) -> None:
    make_request(organisation, device, "ActualMeterReads")
    with CaptureQueriesContext(connection) as queries:
        assert states.queue_scheduled() == 0
    assert len(queries) == 1


def test_a_fleet_that_is_due_at_one_moment_is_queued_bit_by_bit(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of it need not wait for the last."""
    monkeypatch.setattr(scheduled, "SLICE", 2)
    monkeypatch.setattr(scheduled, "SLICES", 2)
    device = make_device("E1", owner=organisation)
    requests = [schedule(organisation, device, "ActualMeterReads") for _ in range(7)]
    oldest = schedule(organisation, device, "ActualMeterReads", due_at=timezone.now() - timedelta(hours=1))
    assert states.queue_scheduled() == 4
    assert outcome(oldest)[0] == "QUEUED"
    assert (states.queue_scheduled(), states.queue_scheduled()) == (4, 0)
    assert {outcome(request)[0] for request in requests} == {"QUEUED"}


@pytest.mark.django_db(transaction=True)
def test_what_somebody_else_changes_meanwhile_is_left_alone(organisation: Organisation) -> None:
    """One is being cancelled, the others are not passed over."""
    devices = [make_device(f"E{number}", owner=organisation) for number in range(3)]
    requests = [schedule(organisation, device, "ActualMeterReads") for device in devices]
    DeviceAuthorisation.objects.filter(device__in=devices[:2]).delete()

    def queue() -> None:
        try:
            states.queue_scheduled()
        finally:
            connection.close()

    queueing = threading.Thread(target=queue)
    with transaction.atomic():
        assert states.cancel(requests[0].pk)
        queueing.start()
        if connection.vendor == "postgresql":
            queueing.join()  # Nobody waits; SQLite has one writer at a time.
    queueing.join()
    assert [outcome(request)[0] for request in requests] == ["CANCELLED", "FAILED", "QUEUED"]
    assert requests[0].actions.get().state == "PENDING"
