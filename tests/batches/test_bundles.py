"""A batch of bundles: one request with several actions for each meter, checked as a single bundle is."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch, BatchState, RecurringRequest, SkippedDevice
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.fleet import creation, schedules, steering, submission
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.serializers import SecretField
from osgp.messages.shapes import NoResult
from osgp.messages.visited_meter import VisitedMeter
from osgp.requests.models import Action, Request
from tests.batches.conftest import create_all, make_fleet, make_group
from tests.batches.test_api_batches import finish, names
from tests.batches.test_schedules import make_due
from tests.factories import make_device, make_token
from tests.requests.operations import SampleMeter, registered

URL = "/api/v1/requests/batch/"
INTERVALS = {
    "message": "PeriodicMeterReads",
    "period_type": "INTERVAL",
    "relative_period": {"last": 96, "unit": "INTERVAL"},
}
DAYS = {"message": "PeriodicMeterReads", "period_type": "DAILY", "relative_period": "PREVIOUS_DAY"}
CLOCK = {"message": "SynchronizeTime", "timezone": "Europe/Amsterdam"}
NIGHTLY = [INTERVALS, DAYS, CLOCK]


class ProbeSecretParameters(TypedDict):
    """A key that is one meter's."""

    password: Annotated[str, SecretField()]


class SampleSecret(MeterOperation[ProbeSecretParameters, NoResult]):
    """Has a secret among its parameters."""

    message = "SampleSecret"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: ProbeSecretParameters) -> NoResult:
        return {}


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    with registered(SampleMeter, SampleSecret):
        yield


def post(api: APIClient, actions: Any = NIGHTLY, **body: Any) -> Any:
    return api.post(URL, {"message": "Bundle", "actions": actions, **body}, format="json")


def list_actions(request: Request) -> list[dict[str, Any]]:
    """The actions of a request as they are stored, in order."""
    columns = ("position", "message", "device_id", "parameters", "state")
    return list(request.actions.order_by("position").values(*columns))


def test_each_request_of_a_list_has_the_actions_of_a_single_bundle(
    api: APIClient, fleet: list[Device], django_assert_max_num_queries: Any
) -> None:
    single = {"device_identification": fleet[0].identification, "actions": NIGHTLY, "priority": 7}
    uid = api.post("/api/v1/bundle/", single, format="json").json()["correlation_uid"]
    alone = Request.objects.get(correlation_uid=uid)
    with django_assert_max_num_queries(20):
        answer = post(api, device_identifications=names(fleet)[::-1], priority=7)
    assert answer.status_code == 202, answer.json()
    assert (answer.json()["message"], answer.json()["total"]) == ("Bundle", 5)
    made = list(Request.objects.filter(batch__isnull=False).order_by("pk"))
    assert [request.device for request in made] == fleet[::-1]
    for request in made:
        assert (request.message, request.meter_id) == (alone.message, request.device_id)
        expected = [{**row, "device_id": request.device_id} for row in list_actions(alone)]
        assert list_actions(request) == expected
    assert Batch.objects.get().parameters == {"actions": NIGHTLY}


def test_a_group_is_made_in_the_background_and_others_are_skipped(
    api: APIClient, fleet: list[Device], gas_meter: Device, group: DeviceGroup, organisation: Organisation
) -> None:
    deaf = make_device("E9", owner=organisation, network_address="")
    for device in (gas_meter, deaf):
        DeviceGroupMembership.objects.create(group=group, device=device)
    answer = post(api, device_group="north")
    assert (answer.status_code, answer.json()["total"]) == (202, 7)
    create_all()
    batch = Batch.objects.get()
    assert (batch.state, batch.total, batch.skipped) == (BatchState.RUNNING, 5, 2)
    told = dict(SkippedDevice.objects.values_list("device_identification", "fault__message"))
    assert "Bundle is for SMART_METER_E" in told[gas_meter.identification]
    assert "no network address" in told["E9"]
    for request in batch.requests.all():
        assert [row["message"] for row in list_actions(request)] == [each["message"] for each in NIGHTLY]


def test_a_slice_of_large_bundles_has_fewer_devices(
    api: APIClient, group: DeviceGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "ACTIONS_PER_SLICE", 6)
    post(api, device_group="north")
    assert create_all() == 3
    assert Batch.objects.get().requests.count() == 5
    assert Action.objects.count() == 15


def test_a_list_has_a_limit_of_actions_in_all(
    api: APIClient, fleet: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "MOST_ACTIONS_AT_ONCE", 14)
    answer = post(api, device_identifications=names(fleet))
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/device_identifications"
    assert "5 devices with 3 actions each are 15 actions; a list has 14 at most" in error["detail"]
    assert post(api, device_identifications=names(fleet)[:4]).status_code == 202


def test_the_failed_get_all_actions_again(api: APIClient, fleet: list[Device]) -> None:
    uid = post(api, device_identifications=names(fleet)).json()["uid"]
    finish(Batch.objects.get(uid=uid), "SFSFS")
    steering.settle()
    again = api.post(f"{URL}{uid}/retry-failed/").json()
    create_all()
    retried = Request.objects.filter(batch__uid=again["uid"])
    assert {request.device for request in retried} == {fleet[1], fleet[3]}
    assert {request.actions.count() for request in retried} == {3}


def test_the_outcome_has_a_response_per_action(api: APIClient, fleet: list[Device]) -> None:
    [entry] = post(api, device_identifications=names(fleet)[:1]).json()["devices"]
    body = api.get(f"/api/v1/bundle/{entry['correlation_uid']}/").json()
    assert [each["message"] for each in body["responses"]] == [each["message"] for each in NIGHTLY]
    assert {each["status"] for each in body["responses"]} == {"QUEUED"}


FAULTY = [
    ("SynchronizeTime", "", "JSON object"),
    ({}, "/message", "required"),
    ({"message": "NoSuchMessage"}, "/message", "no message NoSuchMessage"),
    ({"message": "AddDevice"}, "/message", "cannot be part of a bundle"),
    ({"message": "Bundle", "actions": NIGHTLY}, "/message", "cannot be part of a bundle"),
    ({"message": "SampleSecret", "password": "AAAA"}, "/message", "is about one device"),
    ({"message": "SampleSecret"}, "/message", "is about one device"),
    ({"message": "ActualMeterReadsGas"}, "/message", "is for SMART_METER_G, SMART_METER_W. The actions"),
    ({"message": "SynchronizeTime", "timezone": "Mars"}, "/timezone", "IANA"),
    ({**DAYS, "period_type": "YEARLY"}, "/period_type", "INTERVAL"),
    ({**CLOCK, "priority": 9}, "/priority", "Unknown field"),
    ({**CLOCK, "device_identification": "E000000000000001"}, "/device_identification", "same for all"),
    ({**CLOCK, "device_identification": None}, "/device_identification", "same for all"),
    (
        {"message": "ActualMeterReadsGas", "device_identification": "G0000000000000001"},
        "/message",
        "a batch or schedule of its own",
    ),
]


@pytest.mark.parametrize("target", ["list", "group"])
@pytest.mark.parametrize(("action", "pointer", "detail"), FAULTY)
def test_a_faulty_action_refuses_the_batch(
    api: APIClient,
    fleet: list[Device],
    group: DeviceGroup,
    action: Any,
    pointer: str,
    detail: str,
    target: str,
) -> None:
    where: dict[str, Any] = (
        {"device_identifications": names(fleet)} if target == "list" else {"device_group": "north"}
    )
    answer = post(api, [CLOCK, DAYS, action], **where)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"] == f"/actions/2{pointer}"
    assert detail in error["detail"]
    assert not Batch.objects.exists()


def test_all_that_is_wrong_is_told_at_once(api: APIClient, fleet: list[Device]) -> None:
    twice = {**DAYS, "period_type": "YEARLY", "device_identification": "E1"}
    answer = post(
        api, [twice, CLOCK, {"message": "NoSuch"}], device_identifications=["E1", "E1"], priority=11
    )
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == [
        "/priority",
        "/device_identifications/1",
        "/actions/0/period_type",
        "/actions/0/device_identification",
        "/actions/2/message",
    ]


@pytest.mark.parametrize("actions", [None, [], {}, "x", [CLOCK] * 501])
def test_what_is_no_list_of_actions(api: APIClient, fleet: list[Device], actions: Any) -> None:
    answer = post(api, actions, device_identifications=names(fleet))
    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/actions"}


def test_no_actions_at_all(api: APIClient, group: DeviceGroup) -> None:
    answer = api.post(URL, {"message": "Bundle", "device_group": "north"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/actions")


def test_each_action_needs_its_scope(
    organisation: Organisation, client_of: Callable[[str], APIClient], fleet: list[Device]
) -> None:
    narrow = client_of(make_token(organisation, scopes=["bundle", "monitoring"]))
    assert post(narrow, [DAYS], device_identifications=names(fleet)).status_code == 202
    answer = post(narrow, device_identifications=names(fleet))
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/actions/2/message"]
    other = client_of(make_token(organisation, scopes=["monitoring", "adhoc"]))
    assert post(other, device_identifications=names(fleet)).status_code == 403
    assert Batch.objects.count() == 1


def test_each_device_needs_the_grants_of_all_actions(
    api: APIClient, organisation: Organisation, fleet: list[Device], group: DeviceGroup
) -> None:
    of_second = DeviceAuthorisation.objects.filter(device=fleet[1])
    of_second.update(function_group=DeviceFunctionGroup.MONITORING)
    answer = post(api, device_identifications=names(fleet))
    assert answer.status_code == 403
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/device_identifications/1"
    assert error["detail"].endswith("SYNCHRONIZE_TIME.")
    assert post(api, [DAYS], device_identifications=names(fleet)).status_code == 202
    DeviceAuthorisation.objects.filter(device=fleet[2]).update(function_group=DeviceFunctionGroup.AD_HOC)
    post(api, device_group="north")
    create_all()
    told = dict(SkippedDevice.objects.values_list("device_identification", "fault__message"))
    assert told[fleet[1].identification].endswith("SYNCHRONIZE_TIME.")
    assert told[fleet[2].identification].endswith("HANDLE_BUNDLED_ACTIONS.")


PROBE = {"message": "SampleMeter", "size": 3}


@pytest.fixture
def mixed(organisation: Organisation) -> list[Device]:
    """Every other one of six meters lacks what a probe needs."""
    fleet = make_fleet(organisation, 6, prefix="N")
    old = [device.pk for device in fleet[1::2]]
    Device.objects.filter(pk__in=old).update(protocol_name="DSMR", protocol_version="2.2")
    return fleet


def outcomes(request: Request) -> list[tuple[str, int | None, bool]]:
    """State, fault code and whether it is finished, of each action."""
    return [
        (action.state, action.fault and action.fault["code"], action.finished_at is not None)
        for action in request.actions.order_by("position")
    ]


@pytest.mark.parametrize("target", ["list", "group"])
def test_what_a_device_cannot_do_fails_alone(
    api: APIClient, organisation: Organisation, mixed: list[Device], target: str
) -> None:
    if target == "list":
        answer = post(api, [CLOCK, PROBE, DAYS], device_identifications=names(mixed))
        assert [entry["fault"] for entry in answer.json()["devices"]] == [None] * 6
    else:
        make_group(organisation, mixed)
        answer = post(api, [CLOCK, PROBE, DAYS], device_group="north")
        create_all()
    assert answer.status_code == 202, answer.json()
    batch = Batch.objects.get()
    assert (batch.total, batch.skipped) == (6, 0)
    waits, unable = ("PENDING", None, False), ("FAULT", 416, True)
    for number, device in enumerate(mixed):
        request = batch.requests.get(device=device)
        assert (request.state, request.completed_at) == ("QUEUED", None)
        assert outcomes(request) == [waits, unable if number % 2 else waits, waits]
    request = batch.requests.get(device=mixed[1])
    unable_action = request.actions.get(position=1)
    assert unable_action.parameters == {"size": 3}
    assert unable_action.fault == {
        "code": 416,
        "name": "OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL",
        "message": "SampleMeter needs CDMA_DIAGNOSTIC, which DSMR-2.2 meters do not have.",
        "component": "DOMAIN_SMART_METERING",
        "retryable": False,
        "pointer": "/device_identification",
    }


def test_devices_that_can_do_nothing_of_it_are_over_at_once(api: APIClient, mixed: list[Device]) -> None:
    later = "2098-01-01T00:00:00Z"
    answer = post(api, [PROBE, PROBE], device_identifications=names(mixed), schedule_time=later)
    batch = Batch.objects.get(uid=answer.json()["uid"])
    for number, device in enumerate(mixed):
        request = batch.requests.get(device=device)
        is_over = number % 2 == 1
        assert request.state == ("SUCCEEDED" if is_over else "SCHEDULED")
        assert (request.completed_at is not None) == is_over
        assert outcomes(request) == [("FAULT", 416, True) if is_over else ("PENDING", None, False)] * 2
    assert steering.settle() == 0
    batch.requests.filter(state="SCHEDULED").delete()
    assert steering.settle() == 1
    batch.refresh_from_db()
    assert batch.state == BatchState.COMPLETED


def test_a_batch_of_which_no_device_can_do_anything(api: APIClient, mixed: list[Device]) -> None:
    post(api, [PROBE], device_identifications=names(mixed[1::2]))
    assert steering.settle() == 1
    assert Batch.objects.get().state == BatchState.COMPLETED
    assert set(Request.objects.values_list("state", "attempts")) == {("SUCCEEDED", 0)}


def test_it_costs_as_many_statements_as_without_faults(api: APIClient, mixed: list[Device]) -> None:
    def statements(actions: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert post(api, actions, device_identifications=names(mixed)).status_code == 202
        return len(queries)

    statements([CLOCK])  # The first call notes that the token is in use.
    assert statements([CLOCK, PROBE]) == statements([CLOCK, DAYS])


def test_one_message_is_refused_as_before(api: APIClient, mixed: list[Device]) -> None:
    body = {**PROBE, "device_identifications": names(mixed[:2])}
    answer = api.post(URL, body, format="json")
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/device_identifications/1"
    answer = api.post(URL, {**body, "skip_invalid": True}, format="json")
    assert [entry["fault"] and entry["fault"]["code"] for entry in answer.json()["devices"]] == [None, 416]


def test_a_schedule_takes_a_mixed_fleet(api: APIClient, mixed: list[Device]) -> None:
    schedule = {
        "name": "nightly",
        "message": "Bundle",
        "parameters": {"actions": [CLOCK, PROBE]},
        "device_identifications": names(mixed),
        "every": 1,
        "period": "days",
    }
    answer = api.post("/api/v1/schedules/", schedule, format="json")
    assert answer.status_code == 201, answer.json()
    row = RecurringRequest.objects.get()
    make_due(row)
    assert schedules.create_due() == 1
    create_all()
    batch = Batch.objects.get()
    assert (batch.total, batch.skipped) == (6, 0)
    assert outcomes(batch.requests.get(device=mixed[1]))[1] == ("FAULT", 416, True)
