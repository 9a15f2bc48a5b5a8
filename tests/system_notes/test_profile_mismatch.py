"""Meters with the objects of another profile: what reads their list notices, UpdateProtocol resolves."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.operation import PlatformOperation, Sender
from osgp.messages.registry import find_operation
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.system_notes.models import NoteState, SystemNote
from osgp.visits import visit as visits
from osgp.visits.outcome import ActionOutcome
from osgp.visits.platform_requests import perform_due
from tests import factories, meters
from tests.answers import read_answer

pytestmark = pytest.mark.django_db(transaction=True)

READERS = ("GetAssociationLnObjects", "RetrieveConfigurationObjects")
WRONG = {"protocol_version": "5.2"}


@pytest.fixture
def device(organisation: Organisation) -> Iterator[Device]:
    """A polyphase meter of SMR 5.2c that was registered as one of SMR 5.2, with a gas meter."""
    fleet = Fleet.build(1, "SMR-5.2c", polyphase=True, gas_meters=1)
    with SimulatorThread(fleet) as simulator:
        device, gas_meter = meters.add_meters(organisation, simulator).values()
        assert device.protocol_version == gas_meter.protocol_version == "5.2c"
        Device.objects.update(**WRONG)
        device.refresh_from_db()
        yield device


def carry_out(organisation: Organisation, device: Device, message: str) -> Request:
    request = factories.make_request(organisation, device, message)
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    return request


def update(api: APIClient, device: Device, version: str) -> None:
    body = {
        "device_identification": device.identification,
        "protocol_name": "SMR",
        "protocol_version": version,
    }
    assert api.post("/api/v1/management/update-protocol/", body, format="json").status_code == 202
    assert perform_due(10) == 1


@pytest.mark.parametrize("message", READERS)
def test_whatever_reads_the_list_keeps_a_note(
    organisation: Organisation, device: Device, message: str
) -> None:
    request = carry_out(organisation, device, message)
    note = SystemNote.objects.get()
    assert (note.device, note.kind, note.state) == (device, "PROFILE_MISMATCH", NoteState.OPEN)
    assert note.text == "The meter lists 20 objects that SMR 5.2 does not have and SMR 5.2c has."
    assert note.what_to_do == "UpdateProtocol to SMR 5.2c, if the meter is one."
    assert note.last_correlation_uid == request.correlation_uid
    objects = note.details.pop("objects")
    assert note.details == {
        "profile": "SMR-5.2",
        "protocol_name": "SMR",
        "protocol_version": "5.2c",
        "object_count": 20,
        "unknown_object_count": 0,
    }
    assert len(objects) == 20
    assert {"POWER_QUALITY_THD_EVENT_LOG", "THD_CURRENT_OVER_LIMIT_COUNTER_L3"} < set(objects)
    carry_out(organisation, device, message)
    assert SystemNote.objects.get().count == 2


@pytest.mark.parametrize("message", READERS)
def test_none_of_a_meter_that_agrees(organisation: Organisation, device: Device, message: str) -> None:
    carry_out(organisation, device, message)
    Device.objects.filter(pk=device.pk).update(protocol_version="5.2c")
    carry_out(organisation, device, message)
    note = SystemNote.objects.get()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, message)


def test_two_messages_of_a_bundle_count_once(api: APIClient, device: Device) -> None:
    body = {
        "device_identification": device.identification,
        "actions": [{"message": message} for message in READERS],
    }
    answer = api.post("/api/v1/bundle/", body, format="json")
    assert answer.status_code == 202
    meters.visit(device)
    assert [action.state for action in Action.objects.all()] == [ActionState.DONE] * 2
    assert SystemNote.objects.get().count == 1


def test_update_protocol_resolves_it(api: APIClient, organisation: Organisation, device: Device) -> None:
    gas_meter = Device.objects.get(gateway=device)
    thd = "/api/v1/monitoring/get-thd-fingerprint/"
    body = {"device_identification": device.identification}
    assert api.post(thd, body, format="json").json()["code"] == 416
    carry_out(organisation, device, "GetAssociationLnObjects")
    # The same protocol as before changes nothing.
    update(api, device, "5.2")
    assert SystemNote.objects.get().state == NoteState.OPEN
    update(api, device, "5.2c")
    note = SystemNote.objects.get()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, "UpdateProtocol")
    # Its M-Bus device keeps what it was registered with, and is read by the profile of its gateway.
    gas_meter.refresh_from_db()
    assert gas_meter.protocol_version == "5.2"
    assert gas_meter.profile.key == "SMR-5.2c"
    accepted = api.post(thd, body, format="json")
    gas = factories.make_request(organisation, gas_meter, "ActualMeterReadsGas")
    bundle = {**body, "actions": [{"message": name} for name in ("GetThdFingerprint", *READERS)]}
    answers = [accepted, api.post("/api/v1/bundle/", bundle, format="json")]
    meters.visit(device)
    gas.refresh_from_db()
    assert gas.state == RequestState.SUCCEEDED
    for answer in answers:
        assert read_answer(api.get(answer.json()["url"]))["status"] == "SUCCEEDED"
    assert set(Action.objects.values_list("state", flat=True)) == {ActionState.DONE}
    assert SystemNote.objects.filter(resolved_at=None).count() == 0


def test_an_action_of_a_bundle_that_needs_the_objects_fails_alone_on_plain_5_2(
    api: APIClient, device: Device
) -> None:
    body = {
        "device_identification": device.identification,
        "actions": [{"message": "ActualMeterReads"}, {"message": "GetThdFingerprint"}],
    }
    answer = api.post("/api/v1/bundle/", body, format="json")
    assert answer.status_code == 202
    reading, fingerprint = Action.objects.order_by("position")
    assert (reading.state, fingerprint.state) == (ActionState.PENDING, ActionState.FAULT)
    assert fingerprint.fault["code"] == 416
    assert "SMR-5.2 meters do not have" in fingerprint.fault["message"]


def test_replacing_the_device_resolves_it(organisation: Organisation, device: Device) -> None:
    carry_out(organisation, device, "GetAssociationLnObjects")
    operation = find_operation("AddDevice")
    assert isinstance(operation, PlatformOperation)
    parameters = operation.parse(
        {
            "device_type": "SMART_METER_E",
            "protocol_name": "SMR",
            "protocol_version": "5.2c",
            "communication_method": "LTE",
            "network_address": "127.0.0.1",
            "transport": "WRAPPER",
            "security": "NONE",
            "overwrite": True,
        }
    )
    operation.perform(Sender(organisation, "portal"), device.identification, parameters)
    note = SystemNote.objects.get()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, "AddDevice")


def test_storing_an_outcome_again_after_a_lost_answer_counts_once(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database stored it all, but the worker did not hear of that."""
    settle, lost = visits.Visit._settle, threading.Event()

    def settle_twice(self: visits.Visit, last: ActionOutcome) -> bool:
        more = settle(self, last)
        if not lost.is_set():
            lost.set()
            more = settle(self, last)
        return more

    monkeypatch.setattr(visits.Visit, "_settle", settle_twice)
    carry_out(organisation, device, "GetAssociationLnObjects")
    assert lost.is_set()
    assert SystemNote.objects.get().count == 1


def test_a_note_that_cannot_be_stored_takes_the_outcome_with_it(
    organisation: Organisation, device: Device
) -> None:
    """Both are in one transaction: there is no result whose note is lost."""
    request = factories.make_request(organisation, device, "GetAssociationLnObjects")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osgp.visits.outcome.keep", _fail)
        meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.RETRYING
    assert Action.objects.get(request=request).state != ActionState.DONE
    assert not SystemNote.objects.exists()


def _fail(*arguments: object) -> None:
    raise RuntimeError("the disk is full")


def test_messages_that_observe_nothing_need_no_statement_for_it(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    settle = visits.Visit._settle

    def watch(self: visits.Visit, last: ActionOutcome) -> bool:
        with CaptureQueriesContext(connection) as queries:
            more = settle(self, last)
        statements.extend(query["sql"] for query in queries)
        return more

    monkeypatch.setattr(visits.Visit, "_settle", watch)
    carry_out(organisation, device, "SynchronizeTime")
    assert statements
    assert not [sql for sql in statements if "system_notes" in sql]
    plain = len(statements)
    statements.clear()
    carry_out(organisation, device, "GetAssociationLnObjects")
    assert [sql for sql in statements if "system_notes" in sql]
    assert len(statements) > plain
