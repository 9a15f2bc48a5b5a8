"""Calls that fail are in the logs of their devices, debugged or not: at which step, for which requests."""

import io
import socket
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyType
from osgp.message_logs import failed_calls
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.metrics import rollup
from osgp.metrics.families import ASSOCIATIONS
from osgp.metrics.models import Counter
from osgp.protocol_dlms import Step
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from tests import factories, meters
from tests.admin.conftest import make_user, signed_in
from tests.message_logs.conftest import Due, debug, log_of
from tests.message_logs.test_reading import RESOURCE, found, listed

pytestmark = pytest.mark.django_db(transaction=True)

WRONG_KEY = b"not the right key"[:16]
Break = Callable[[Device, Meter], None]


def refuse(device: Device, simulated: Meter) -> None:
    """Nothing listens at the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        Device.objects.filter(pk=device.pk).update(port=probe.getsockname()[1])


def rename(device: Device, simulated: Meter) -> None:
    Device.objects.filter(pk=device.pk).update(network_address="no-such-meter.invalid")


def change_key(key_type: KeyType) -> Break:
    def change(device: Device, simulated: Meter) -> None:
        keystore.store_new(device, {key_type: WRONG_KEY})
        keystore.activate(device, [key_type])

    return change


def lose_keys(device: Device, simulated: Meter) -> None:
    DeviceKey.objects.filter(device=device).delete()


def switch_on(kind: FaultKind) -> Break:
    return lambda device, simulated: simulated.faults.switch_on(kind)


CASES = {
    "refused": (refuse, Step.CONNECTION, 225, False),
    "name unknown": (rename, Step.CONNECTION, 228, False),
    "keys missing": (lose_keys, Step.PREPARATION, 806, False),
    "hangs": (switch_on(FaultKind.HANG), Step.ASSOCIATION, 233, True),
    "rejected": (switch_on(FaultKind.REFUSE_ASSOCIATION), Step.ASSOCIATION, 228, True),
    "another encryption key": (
        change_key(KeyType.E_METER_ENCRYPTION_KEY_UNICAST),
        Step.ASSOCIATION,
        None,
        True,
    ),
}


def only_call(device: Device) -> MessageLog:
    [row] = MessageLog.objects.filter(device=device, direction=MessageDirection.FAILED)
    return row


def call_of(row: MessageLog) -> dict[str, Any]:
    assert row.failed_call is not None
    return row.failed_call


@pytest.mark.parametrize("name", CASES)
def test_the_step_at_which_it_failed(electricity: Device, simulated: Meter, due: Due, name: str) -> None:
    damage, step, code, is_connected = CASES[name]
    # So that the invocation counter is known: the public client would be the first to fail.
    due(electricity)
    meters.visit(electricity)
    damage(electricity, simulated)
    request = due(electricity)
    session = MeterSession.objects.get(pk=meters.visit(electricity))
    electricity.refresh_from_db()
    request.refresh_from_db()
    [row] = log_of(electricity)
    call = call_of(row)
    assert (row.direction, row.session_id, row.number) == (MessageDirection.FAILED, session.pk, 1)
    assert (row.message, row.correlation_uid) == ("ActualMeterReads", request.correlation_uid)
    assert call["step"] == step
    assert code is None or call["fault"]["code"] == code
    assert call["fault"] == request.fault
    assert session.fault == {**call["fault"], "step": step}
    assert (call["network_address"], call["port"]) == (electricity.network_address, electricity.port)
    for column in ("round_trips", "bytes_sent", "bytes_received"):
        assert call[column] == getattr(session, column)
    assert (session.bytes_sent > 0) == is_connected
    assert call["requests"] == [
        {"correlation_uid": str(request.correlation_uid), "message": "ActualMeterReads", "attempt": 1}
    ]
    assert call["request_count"] == 1
    assert call["fault"]["message"] in row.description


def test_a_proof_that_is_not_accepted(electricity: Device, simulated: Meter, due: Due) -> None:
    """The association is there, and the answer to our proof is not the meter's."""
    due(electricity)
    meters.visit(electricity)
    simulated.faults.switch_on(FaultKind.WRONG_TAG)
    due(electricity)
    meters.visit(electricity)
    call = call_of(only_call(electricity))
    assert (call["step"], call["fault"]["code"], call["round_trips"]) == (Step.AUTHENTICATION, 230, 2)


def test_the_public_client_is_part_of_the_call(electricity: Device, simulated: Meter, due: Due) -> None:
    """The counter of a new meter is not known, and the first association is not ours."""
    simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, after=1)
    due(electricity)
    session = MeterSession.objects.get(pk=meters.visit(electricity))
    call = call_of(only_call(electricity))
    assert (call["step"], call["round_trips"]) == (Step.INVOCATION_COUNTER, 1)
    assert session.bytes_received > 0


def test_each_attempt_is_told(electricity: Device, simulated: Meter, due: Due) -> None:
    simulated.faults.switch_on(FaultKind.REFUSE_CONNECTION)
    request = due(electricity)
    for _ in range(3):
        Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        meters.visit(electricity)
    rows = log_of(electricity)
    assert [call_of(row)["requests"][0]["attempt"] for row in rows] == [1, 2, 3]
    assert {row.correlation_uid for row in rows} == {request.correlation_uid}
    assert len({row.session_id for row in rows}) == 3


def test_it_follows_the_messages_of_a_debugged_device(
    electricity: Device, simulated: Meter, due: Due
) -> None:
    due(electricity)
    meters.visit(electricity)
    debug(electricity)
    simulated.faults.switch_on(FaultKind.HANG, after=2)
    due(electricity)
    due(electricity, "SynchronizeTime", effective_priority=1)
    meters.visit(electricity)
    log = log_of(electricity)
    row = only_call(electricity)
    assert log[-1] == row
    assert row.number == len(log) > 4
    call = call_of(row)
    assert call["step"] == Step.EXCHANGE
    # Of several requests, none is the one that it belongs to.
    assert (row.message, row.correlation_uid) == ("", None)
    assert [carried["message"] for carried in call["requests"]] == ["ActualMeterReads", "SynchronizeTime"]


def test_what_succeeded_before_did_not_fail(electricity: Device, simulated: Meter, due: Due) -> None:
    done = due(electricity, "SynchronizeTime", effective_priority=9)
    lost = due(electricity, effective_priority=1)
    meters.visit(electricity)
    Request.objects.filter(pk=lost.pk).delete()
    assert not MessageLog.objects.exists()
    done.refresh_from_db()
    assert done.state == RequestState.SUCCEEDED


def test_logs_of_mbus_devices_have_their_part(
    api: APIClient, electricity: Device, gas: Device, simulated: Meter, due: Due
) -> None:
    actions = [
        {"message": "ActualMeterReads"},
        {"message": "ActualMeterReadsGas", "device_identification": gas.identification},
    ]
    body = {"device_identification": electricity.identification, "actions": actions}
    answer = api.post("/api/v1/bundle/", body, format="json")
    assert answer.status_code == 202, answer.json()
    of_gas = due(gas, "ActualMeterReadsGas")
    due(electricity)
    Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    simulated.faults.switch_on(FaultKind.REFUSE_CONNECTION)
    meters.visit(electricity)
    bundle = uuid.UUID(answer.json()["correlation_uid"])
    assert call_of(only_call(electricity))["request_count"] == 3
    carried = {uid for uid, _ in only_call(gas).list_carried()}
    assert carried == {bundle, of_gas.correlation_uid}


def test_the_requests_that_are_named_are_bounded(
    electricity: Device, simulated: Meter, due: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_calls, "MOST_REQUESTS", 2)
    simulated.faults.switch_on(FaultKind.REFUSE_CONNECTION)
    for _ in range(3):
        due(electricity)
    meters.visit(electricity)
    call = call_of(only_call(electricity))
    assert (call["request_count"], len(call["requests"])) == (3, 2)


def test_a_log_that_fails_does_not_keep_the_visit_from_ending(
    electricity: Device, simulated: Meter, due: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(failed_calls, "_make_row", fail)
    simulated.faults.switch_on(FaultKind.REFUSE_CONNECTION)
    request = due(electricity)
    session = MeterSession.objects.get(pk=meters.visit(electricity))
    request.refresh_from_db()
    assert (request.state, session.state) == (RequestState.RETRYING, "CLOSED")
    assert not MessageLog.objects.exists()


def test_octets_without_an_association_count_as_such(electricity: Device, simulated: Meter, due: Due) -> None:
    simulated.faults.switch_on(FaultKind.REFUSE_ASSOCIATION)
    due(electricity)
    session = MeterSession.objects.get(pk=meters.visit(electricity))
    assert session.round_trips > 0
    MeterSession.objects.update(closed_at=timezone.now() - timedelta(minutes=10))
    rollup.advance()
    assert sum(Counter.objects.filter(name=ASSOCIATIONS.name).values_list("value", flat=True)) == 0


# How it is shown


@pytest.fixture
def failed(electricity: Device, simulated: Meter, due: Due, other_organisation: Organisation) -> Request:
    """A request of the caller whose call failed, together with one of another organisation."""
    request = due(electricity)
    factories.make_request(
        other_organisation,
        electricity,
        due_at=timezone.now() - timedelta(seconds=5),
        message="SynchronizeTime",
    )
    simulated.faults.switch_on(FaultKind.REFUSE_CONNECTION)
    meters.visit(electricity)
    return request


def test_both_ways_tell_the_same(api: APIClient, electricity: Device, failed: Request) -> None:
    [row] = listed(api, electricity)
    result = found(api, electricity)
    assert result == {"message_logs": [row], "has_more": False}
    assert (row["direction"], row["service"], row["apdu"], row["length"]) == ("FAILED", "", "", 0)
    call = row["failed_call"]
    assert (call["step"], call["request_count"]) == ("ASSOCIATION", 2)
    assert sorted(call["requests"], key=lambda carried: carried["message"]) == [
        {"correlation_uid": str(failed.correlation_uid), "message": "ActualMeterReads", "attempt": 1},
        # Of another organisation.
        {"correlation_uid": None, "message": "SynchronizeTime", "attempt": 1},
    ]
    assert call["fault"]["name"] in ("SOCKET_CLOSED_BY_REMOTE", "CONNECTION_RESET")
    query = f"?device={electricity.identification}&direction="
    assert len(api.get(f"{RESOURCE}{query}FAILED").json()["results"]) == 1
    assert api.get(f"{RESOURCE}{query}SENT").json()["results"] == []


def test_the_command_prints_it(electricity: Device, failed: Request) -> None:
    output = io.StringIO()
    call_command("message_log", electricity.identification, stdout=output, no_color=True)
    text = output.getvalue()
    assert "✗ failed call" in text
    assert "No association:" in text
    assert f"attempt 1 of ActualMeterReads {failed.correlation_uid}" in text


def test_pages_show_it(organisation: Organisation, electricity: Device, failed: Request) -> None:
    session = MeterSession.objects.get()
    session_page = reverse("admin:requests_metersession_change", args=[session.pk])
    log_page = reverse("admin:message_logs_messagelog_device", args=[electricity.pk])
    theirs = Request.objects.exclude(pk=failed.pk).get()
    permissions = ("view_messagelog", "view_metersession", "view_request", "view_device")
    reader: Client = signed_in(make_user("reader", organisation, *permissions))
    for page in (session_page, log_page):
        text = reader.get(page).content.decode()
        assert "Attempt 1 of <b>ActualMeterReads</b>" in text
        assert "Attempt 1 of <b>SynchronizeTime</b>" in text
        assert reverse("admin:requests_request_change", args=[failed.pk]) in text
        assert str(theirs.correlation_uid) not in text
    text = reader.get(log_page).content.decode()
    assert "No association:" in text
    without = signed_in(make_user("without", organisation, "view_metersession"))
    assert "Attempt 1" not in without.get(session_page).content.decode()
