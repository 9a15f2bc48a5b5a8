"""Batches over REST: what is accepted, what is refused, and what an organisation gets to see."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch, BatchState, SkippedDevice
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.faults import FaultCode
from osgp.fleet import duties, steering
from osgp.messages.serializers import utc_text
from osgp.processes import retention
from osgp.requests import states as request_states
from osgp.requests.models import Action, Request, RequestState
from tests.batches.conftest import create_all, make_fleet
from tests.factories import make_device, make_gas_meter, make_token
from tests.state_check import states_by_hand

URL = "/api/v1/requests/batch/"
FAULT = {
    "code": 233,
    "name": "RESPONSE_TIMEOUT",
    "message": "The meter did not answer.",
    "component": "PROTOCOL_DLMS",
    "retryable": True,
}

STATES = {"S": RequestState.SUCCEEDED, "F": RequestState.FAILED, "R": RequestState.RUNNING}


def post(api: APIClient, **body: Any) -> Any:
    return api.post(URL, {"message": "ActualMeterReads", **body}, format="json")


def names(devices: list[Device]) -> list[str]:
    return [device.identification for device in devices]


def finish(batch: Batch, outcomes: str) -> None:
    """Give the requests of a batch their outcomes, in order: one letter each."""
    states = [STATES[letter] for letter in outcomes]
    for request, state in zip(Request.objects.filter(batch=batch).order_by("pk"), states, strict=True):
        fault = FAULT if state == RequestState.FAILED else None
        with states_by_hand():
            Request.objects.filter(pk=request.pk).update(state=state, fault=fault)


@pytest.fixture
def batch(api: APIClient, fleet: list[Device]) -> Batch:
    """A batch of five, all waiting."""
    return Batch.objects.get(uid=post(api, device_identifications=names(fleet)).json()["uid"])


def test_a_list_is_answered_with_one_correlation_uid_per_device_in_order(
    api: APIClient, fleet: list[Device], django_assert_max_num_queries: Any
) -> None:
    wanted = names(fleet)[::-1]
    with django_assert_max_num_queries(20):
        answer = post(
            api,
            message="SynchronizeTime",
            timezone="Europe/Amsterdam",
            device_identifications=wanted,
            priority=7,
            bypass_retry=True,
        )
    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == body["url"] == f"{URL}{body['uid']}/"
    assert (body["status"], body["total"], body["skipped"]) == ("RUNNING", 5, 0)
    assert [entry["device_identification"] for entry in body["devices"]] == wanted
    for entry in body["devices"]:
        request = Request.objects.get(correlation_uid=entry["correlation_uid"])
        assert request.device_identification == entry["device_identification"]
        assert request.meter_id == request.device_id
        assert (request.priority, request.effective_priority, request.bypass_retry) == (7, 7, True)
        assert request.state == RequestState.QUEUED
        assert Action.objects.get(request=request).parameters == {"timezone": "Europe/Amsterdam"}
        single = api.get(f"/api/v1/adhoc/synchronize-time/{entry['correlation_uid']}/")
        assert single.json()["device_identification"] == entry["device_identification"]


def test_an_m_bus_device_is_reached_through_its_gateway(
    api: APIClient, device: Device, gas_meter: Device
) -> None:
    answer = post(api, message="ActualMeterReadsGas", device_identifications=[gas_meter.identification])
    request = Request.objects.get(correlation_uid=answer.json()["devices"][0]["correlation_uid"])
    assert request.meter_id == device.pk


def test_a_list_with_devices_that_cannot_do_it_is_refused_with_an_error_for_each(
    api: APIClient, fleet: list[Device], gas_meter: Device, organisation: Organisation
) -> None:
    stranger = make_device("E9")
    old = make_device("E8", owner=organisation, network_address="")
    wanted = [fleet[0], gas_meter, stranger, old]
    answer = post(api, device_identifications=names(wanted))
    assert answer.status_code == 400
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == [f"/device_identifications/{position}" for position in (1, 2, 3)]
    assert "There is no device E9." in answer.json()["errors"][1]["detail"]
    assert not Batch.objects.exists()
    assert not Request.objects.exists()


def test_missing_rights_alone_are_403(
    api: APIClient, organisation: Organisation, fleet: list[Device]
) -> None:
    DeviceAuthorisation.objects.filter(device=fleet[1]).update(function_group=DeviceFunctionGroup.FIRMWARE)
    answer = post(api, device_identifications=names(fleet))
    assert answer.status_code == 403
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/device_identifications/1"]


def test_errors_are_bounded(api: APIClient, organisation: Organisation) -> None:
    answer = post(api, device_identifications=[f"X{number}" for number in range(3000)])
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 1000


def test_invalid_devices_can_be_left_out(api: APIClient, fleet: list[Device], gas_meter: Device) -> None:
    wanted = ["E9", fleet[0].identification, gas_meter.identification, fleet[1].identification, "E8"]
    headers = {"HTTP_IDEMPOTENCY_KEY": "again"}
    body = {"message": "ActualMeterReads", "device_identifications": wanted, "skip_invalid": True}
    answer = api.post(URL, body, format="json", **headers)
    assert answer.status_code == 202
    devices = answer.json()["devices"]
    assert [entry["device_identification"] for entry in devices] == wanted
    codes = [entry["fault"] and entry["fault"]["code"] for entry in devices]
    assert codes == [201, None, 401, None, 201]
    assert [entry["correlation_uid"] is None for entry in devices] == [True, False, True, False, True]
    assert (answer.json()["total"], answer.json()["skipped"]) == (2, 3)
    repeated = api.post(URL, body, format="json", **headers)
    assert repeated.json() == answer.json()
    assert Batch.objects.count() == 1
    skipped = api.get(f"{answer.json()['url']}skipped/?page_size=2")
    assert [row["device_identification"] for row in skipped.json()["results"]] == ["E9", wanted[2]]
    assert 'rel="next"' in skipped["Link"]


def test_nothing_is_left_when_all_devices_are_invalid(api: APIClient) -> None:
    assert post(api, device_identifications=["E9"], skip_invalid=True).status_code == 400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"device_identifications": ["E1"], "device_group": "north"}, ""),
        ({"device_identifications": []}, "/device_identifications"),
        ({"device_identifications": "E1"}, "/device_identifications"),
        ({"device_identifications": ["E1", "E 2"]}, "/device_identifications/1"),
        ({"device_identifications": ["E1", 2]}, "/device_identifications/1"),
        ({"device_identifications": ["E1", "E2", "E1"]}, "/device_identifications/2"),
        ({"device_identifications": [f"E{number}" for number in range(10_001)]}, "/device_identifications"),
        ({"device_identifications": ["E1"], "priority": 10}, "/priority"),
        ({"device_identifications": ["E1"], "spread_seconds": -1}, "/spread_seconds"),
        ({"device_identifications": ["E1"], "whatever": 1}, "/whatever"),
        ({"device_identifications": ["E1"], "message": 7}, "/message"),
        ({"device_identifications": ["E1"], "message": "Nonsense"}, "/message"),
        ({"device_identifications": ["E1"], "message": "AddDevice"}, "/message"),
        ({"device_identifications": ["E1"], "message": "Bundle"}, "/actions"),
        ({"device_identifications": ["E1"], "message": "SynchronizeTime", "timezone": "X"}, "/timezone"),
        ({"device_group": "nowhere"}, "/device_group"),
        ({"device_group": "north", "skip_invalid": False}, "/skip_invalid"),
        (
            {
                "device_identifications": ["E1"],
                "schedule_time": "2001-01-01T00:00:00Z",
                "max_schedule_time": "2001-01-01T00:00:00Z",
            },
            "/max_schedule_time",
        ),
        (
            {
                "device_identifications": ["E1"],
                "schedule_time": "2098-01-01T00:00:00Z",
                "max_schedule_time": "2098-01-01T01:00:00Z",
                "spread_seconds": 3600,
            },
            "/max_schedule_time",
        ),
    ],
)
def test_faulty_bodies_are_refused_by_field(
    api: APIClient, group: DeviceGroup, body: dict[str, Any], pointer: str
) -> None:
    answer = post(api, **body)
    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Batch.objects.exists()


def test_all_devices_start_before_the_latest_time(api: APIClient, fleet: list[Device]) -> None:
    soon = timezone.now() + timedelta(seconds=60)
    given = {"device_identifications": names(fleet), "max_schedule_time": utc_text(soon)}
    answer = post(api, **given, spread_seconds=120)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/max_schedule_time"]
    assert post(api, **given, spread_seconds=30).status_code == 202


@pytest.mark.parametrize("spread", [0, 3600])
def test_a_latest_time_that_has_passed(api: APIClient, fleet: list[Device], spread: int) -> None:
    answer = post(
        api,
        device_identifications=names(fleet),
        max_schedule_time="2001-01-01T00:00:00Z",
        spread_seconds=spread,
    )
    assert answer.status_code == 202, answer.json()
    Device.objects.exclude(pk=fleet[1].pk).update(security="NONE")
    assert request_states.open_sessions(100).sessions == []
    assert request_states.fail_overdue() == len(fleet)
    codes = dict(Request.objects.values_list("device", "fault__code"))
    assert codes == {device.pk: 806 if device == fleet[1] else 417 for device in fleet}


def test_a_body_that_is_no_object_is_refused(api: APIClient) -> None:
    assert api.post(URL, ["ActualMeterReads"], format="json").status_code == 400


def test_the_scope_of_the_message_is_needed(
    organisation: Organisation, client_of: Callable[[str], APIClient], fleet: list[Device]
) -> None:
    reader = client_of(make_token(organisation, scopes=["read", "adhoc"]))
    assert post(reader, device_identifications=names(fleet)).status_code == 403
    accepted = post(reader, message="SynchronizeTime", device_identifications=names(fleet))
    assert accepted.status_code == 202
    poster = client_of(make_token(organisation, scopes=["monitoring"]))
    assert poster.get(accepted["Location"]).status_code == 403
    assert poster.post(f"{accepted['Location']}cancel/").status_code == 403


def test_an_empty_group_is_refused(api: APIClient, organisation: Organisation) -> None:
    DeviceGroup.objects.create(organisation=organisation, name="empty")
    assert post(api, device_group="empty").status_code == 400


def test_a_group_is_answered_with_a_count_and_served_in_the_background(
    api: APIClient, group: DeviceGroup, fleet: list[Device], gas_meter: Device
) -> None:
    group.devices.add(gas_meter)
    answer = post(api, device_group="north", spread_seconds=3600)
    body = answer.json()
    assert answer.status_code == 202
    assert (body["status"], body["total"], body["devices"]) == ("CREATING", 6, None)
    assert not Request.objects.exists()
    create_all()
    body = api.get(body["url"]).json()
    assert (body["status"], body["total"], body["skipped"]) == ("RUNNING", 5, 1)
    assert sum(body["requests"].values()) == 5
    assert body["device_group"] == "north"
    assert SkippedDevice.objects.get().fault["code"] == FaultCode.VALIDATION_ERROR
    begin = Batch.objects.get().created_at
    moments = [(request.due_at - begin).total_seconds() for request in Request.objects.all()]
    assert all(0 <= moment < 3600 for moment in moments)
    assert len(set(moments)) == 5


def test_scheduled_batches_wait(api: APIClient, fleet: list[Device]) -> None:
    answer = post(api, device_identifications=names(fleet), schedule_time="2090-01-01T00:00:00Z")
    body = api.get(answer["Location"]).json()
    assert body["requests"]["SCHEDULED"] == 5
    assert body["schedule_time"] == "2090-01-01T00:00:00Z"
    assert {request.due_at.year for request in Request.objects.all()} == {2090}


def test_progress_and_outcome(api: APIClient, batch: Batch) -> None:
    finish(batch, "SSFRR")
    url = f"{URL}{batch.uid}/"
    body = api.get(url).json()
    assert body["requests"] == {
        "SCHEDULED": 0, "QUEUED": 0, "RUNNING": 2, "RETRYING": 0, "SUCCEEDED": 2, "FAILED": 1, "CANCELLED": 0
    }  # fmt: skip
    assert body["success_rate"] == "0.6666"
    assert body["faults"] == [{"code": 233, "name": "RESPONSE_TIMEOUT", "count": 1}]
    assert steering.settle() == 0
    finish(batch, "SSFFF")
    assert steering.settle() == 1
    body = api.get(url).json()
    assert (body["status"], body["success_rate"]) == ("COMPLETED", "0.4000")
    assert body["completed_at"] is not None
    # The counts outlive the requests.
    Request.objects.all().delete()
    assert api.get(url).json() == body


def test_a_cancelled_batch_is_looked_after_until_what_was_running_is_over(
    api: APIClient, batch: Batch, fleet: list[Device]
) -> None:
    finish(batch, "SSSSR")
    body = api.post(f"{URL}{batch.uid}/cancel/").json()
    assert (body["status"], body["requests"]["RUNNING"]) == ("CANCELLING", 1)
    assert (duties.is_due(), duties.is_running()) == (False, True)
    finish(batch, "SSSSS")
    assert steering.settle() == 1
    assert api.get(f"{URL}{batch.uid}/").json()["status"] == "CANCELLED"
    assert (duties.is_due(), duties.is_running()) == (False, False)


def test_it_goes_after_its_requests(batch: Batch, fleet: list[Device]) -> None:
    finish(batch, "SSSSS")
    assert steering.settle() == 1
    assert not retention.is_due()
    Batch.objects.update(completed_at=timezone.now() - timedelta(days=8))
    assert not retention.is_due()
    assert retention.delete_slices() == 0
    Request.objects.all().delete()
    assert retention.is_due()
    assert retention.delete_slices() == 1
    assert not Batch.objects.exists()


def test_its_requests_are_listed_in_pages(api: APIClient, batch: Batch, fleet: list[Device]) -> None:
    other = make_fleet(batch.organisation, 2, prefix="F")
    post(api, device_identifications=names(other))
    url = api.get(f"{URL}{batch.uid}/").json()["requests_url"]
    found: list[str] = []
    url += "&page_size=2"
    while url:
        answer = api.get(url)
        assert answer.status_code == 200
        found += [row["device_identification"] for row in answer.json()["results"]]
        url = answer.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == names(fleet)[::-1]
    assert api.get(f"/api/v1/requests/?batch={batch.uid}&status=FAILED").json()["results"] == []
    assert api.get("/api/v1/requests/?batch=nonsense").status_code == 400


def test_batches_are_listed_latest_first(api: APIClient, batch: Batch, group: DeviceGroup) -> None:
    second = post(api, device_group="north").json()["uid"]
    listed = api.get(URL).json()["results"]
    assert [row["uid"] for row in listed] == [second, str(batch.uid)]
    creating = api.get(f"{URL}?status=CREATING").json()["results"]
    assert [row["uid"] for row in creating] == [second]
    assert len(api.get(f"{URL}?message={batch.message}").json()["results"]) == 2
    misspelt = api.get(f"{URL}?message=ActualMeterRead")
    assert (misspelt.status_code, misspelt.json()["errors"][0]["pointer"]) == (400, "/message")


@pytest.mark.parametrize("path", ["", "skipped/", "cancel/", "retry-failed/"])
def test_another_organisation_s_batch_is_not_there(
    other_organisation: Organisation, client_of: Callable[[str], APIClient], batch: Batch, path: str
) -> None:
    stranger = client_of(make_token(other_organisation))
    call = stranger.post if path in ("cancel/", "retry-failed/") else stranger.get
    for uid in (batch.uid, "nonsense"):
        answer = call(f"{URL}{uid}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, 405)
    assert stranger.get(URL).json()["results"] == []
    assert stranger.get(f"/api/v1/requests/?batch={batch.uid}").json()["results"] == []
    assert post(stranger, device_group="north").status_code == 400
    assert Request.objects.filter(state=RequestState.QUEUED).count() == 5


def test_cancel(api: APIClient, batch: Batch) -> None:
    first = Request.objects.filter(batch=batch).order_by("pk").first()
    assert first is not None
    Request.objects.filter(pk=first.pk).update(state=RequestState.RUNNING)
    url = f"{URL}{batch.uid}/"
    answer = api.post(f"{url}cancel/")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["requests"]["CANCELLED"]) == ("CANCELLING", 4)
    # What was running comes to its end, and is not tried again.
    Request.objects.filter(pk=first.pk).update(state=RequestState.RETRYING)
    assert steering.find_batch_to_cancel() == batch.pk
    assert steering.cancel_slice(batch.pk) == 1
    assert steering.settle() == 1
    cancelled = api.get(url).json()
    assert cancelled["status"] == "CANCELLED"
    again = api.post(f"{url}cancel/")
    assert (again.status_code, again.json()) == (200, cancelled)


def test_a_batch_of_a_message_that_this_release_does_not_know_can_be_cancelled(
    api: APIClient, batch: Batch
) -> None:
    Batch.objects.update(message="MessageOfYesterday")
    Request.objects.update(message="MessageOfYesterday")
    body = api.post(f"{URL}{batch.uid}/cancel/").json()
    assert (body["status"], body["requests"]["CANCELLED"]) == ("CANCELLED", 5)
    finish(batch, "FFFFF")
    assert api.post(f"{URL}{batch.uid}/retry-failed/").json()["code"] == FaultCode.VALIDATION_ERROR


def test_what_was_completed_is_not_cancelled(api: APIClient, batch: Batch) -> None:
    finish(batch, "SSSSS")
    assert steering.settle() == 1
    assert api.post(f"{URL}{batch.uid}/cancel/").status_code == 409
    assert api.get(f"{URL}{batch.uid}/").json()["status"] == "COMPLETED"


def test_a_cancelled_group_gets_no_more_requests(api: APIClient, group: DeviceGroup) -> None:
    url = post(api, device_group="north").json()["url"]
    body = api.post(f"{url}cancel/").json()
    assert (body["status"], body["total"]) == ("CANCELLED", 0)
    assert create_all() == 0
    assert not Request.objects.exists()


def test_retry_failed(api: APIClient, batch: Batch, fleet: list[Device]) -> None:
    url = f"{URL}{batch.uid}/retry-failed/"
    assert api.post(url).status_code == 409
    finish(batch, "SFSFS")
    assert steering.settle() == 1
    answer = api.post(url, HTTP_IDEMPOTENCY_KEY="once")
    assert answer.status_code == 202
    assert answer.json()["total"] == 2
    assert api.post(url, HTTP_IDEMPOTENCY_KEY="once").json() == answer.json()
    create_all()
    again = Batch.objects.get(uid=answer.json()["uid"])
    assert again.retry_of == batch
    assert api.get(answer["Location"]).json()["retry_of"] == str(batch.uid)
    assert sorted(again.requests.values_list("device_identification", flat=True)) == sorted(
        [fleet[1].identification, fleet[3].identification]
    )
    finish(again, "SS")
    assert steering.settle() == 1
    again.refresh_from_db()
    assert again.state == BatchState.COMPLETED
    assert api.post(f"{URL}{again.uid}/retry-failed/").status_code == 409


def test_single_m_bus_devices_behind_one_gateway_share_it(
    api: APIClient, device: Device, organisation: Organisation
) -> None:
    second = make_gas_meter("G2", gateway=device, channel=2, owner=organisation)
    first = make_gas_meter("G1", gateway=device, channel=1, owner=organisation)
    post(api, message="ActualMeterReadsGas", device_identifications=names([first, second]))
    assert set(Request.objects.values_list("meter_id", flat=True)) == {device.pk}


def test_a_request_of_a_batch_is_the_same_as_a_single_one(api: APIClient, device: Device) -> None:
    common = {"timezone": "Europe/Paris", "priority": 3, "schedule_time": "2090-01-01T00:00:00.5Z"}
    post(api, message="SynchronizeTime", device_identifications=[device.identification], **common)
    body = {"device_identification": device.identification, **common}
    assert api.post("/api/v1/adhoc/synchronize-time/", body, format="json").status_code == 202
    of_batch, single = Request.objects.order_by("pk").values()
    own = {"id", "correlation_uid", "batch_id", "created_at"}
    assert {key: of_batch[key] for key in of_batch.keys() - own} == {
        key: single[key] for key in single.keys() - own
    }
    own = {"id", "request_id"}
    of_batch_action, single_action = Action.objects.order_by("pk").values()
    assert {key: of_batch_action[key] for key in of_batch_action.keys() - own} == {
        key: single_action[key] for key in single_action.keys() - own
    }
