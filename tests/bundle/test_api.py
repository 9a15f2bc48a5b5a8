"""The resources of bundles: what they answer while pending and once final, and the habits of all messages."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jsonschema
import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.requests import states
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from tests import factories, json_schemas, meters
from tests.bundle.probes import Probe
from tests.requests.test_api_schema import answer_schema, resolved
from tests.state_check import states_by_hand

PATH = "/api/v1/bundle/"
OUTCOME = PATH + "{correlation_uid}/"
FAULT = Fault(FaultCode.ILLEGAL_RESPONSE, "It made no sense.", retryable=True).as_dict()
SYNCHRONIZED = {
    "time": "2026-01-01T00:00:00Z",
    "timezone": "Europe/Lisbon",
    "deviation": 0,
    "daylight_saving": False,
}


@cache
def _document() -> Any:
    """The OpenAPI document; to make it takes half a second."""
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def document(_probes: None) -> Any:
    """The document with the probes in it, which are the same in each test."""
    return _document()


def post(api: APIClient, device: Device, *actions: Any, **more: Any) -> Any:
    body = {
        "device_identification": device.identification,
        "actions": [
            {"message": "Probe", "name": name} if isinstance(name, str) else name for name in actions
        ],
    }
    return api.post(PATH, body, format="json", **more)


def bundle_of(organisation: Organisation, device: Device, *states_: str, **fields: Any) -> Request:
    """A stored bundle of probes whose actions are in these states."""
    request = factories.make_request(organisation, device, "Bundle", **fields)
    Action.objects.filter(request=request).delete()
    Action.objects.bulk_create(
        Action(
            request=request,
            position=position,
            message="SynchronizeTime",
            device=device,
            state=state,
            result=SYNCHRONIZED if state == "DONE" else None,
            fault=FAULT if state in {"FAULT", "UNKNOWN"} else None,
        )
        for position, state in enumerate(states_)
    )
    return request


@pytest.mark.django_db(transaction=True)
def test_from_post_to_responses(
    api: APIClient, electricity: Device, gas: Device, simulated: Meter, document: Any
) -> None:
    read_gas = {"message": "ActualMeterReadsGas", "device_identification": gas.identification}
    absent = {
        "message": "GetSpecificConfigurationObject",
        "class_id": 1,
        "obis_code": "9-9:9.9.9.9",
        "attribute": 2,
    }
    accepted = post(api, electricity, {"message": "SynchronizeTime"}, absent, read_gas)
    url = accepted.json()["url"]
    pending = api.get(url)
    assert pending.status_code == 202
    assert [item["status"] for item in pending.json()["responses"]] == ["QUEUED"] * 3
    meters.visit(electricity)
    answer = api.get(url)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["fault"], body["attempts"]) == ("SUCCEEDED", None, 1)
    assert "result" not in body
    clock, refused, volume = body["responses"]
    assert [item["message"] for item in body["responses"]] == [
        "SynchronizeTime",
        "GetSpecificConfigurationObject",
        "ActualMeterReadsGas",
    ]
    assert (clock["status"], clock["fault"]) == ("SUCCEEDED", None)
    assert datetime.fromisoformat(clock["result"]["time"])
    assert (refused["status"], refused["result"], refused["fault"]["code"]) == ("FAILED", None, 412)
    assert volume["result"]["consumption"]["unit"] == "m³"
    assert [item["device_identification"] for item in body["responses"]] == [
        electricity.identification,
        electricity.identification,
        gas.identification,
    ]
    assert simulated.memory.statistics.associations == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_known_so_far(api: APIClient, electricity: Device, simulated: Meter) -> None:
    Probe.hooks["b"] = lambda: simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)
    url = post(api, electricity, "a", "b").json()["url"]
    meters.visit(electricity)
    answer = api.get(url)
    assert (answer.status_code, answer.json()["status"], answer.json()["fault"]) == (202, "RETRYING", None)
    first, second = answer.json()["responses"]
    assert (first["status"], first["result"]) == ("SUCCEEDED", {"name": "a"})
    assert (second["status"], second["result"], second["fault"]) == ("RETRYING", None, None)


@pytest.mark.parametrize(
    ("state", "action", "shown"),
    [
        ("SCHEDULED", "PENDING", "SCHEDULED"),
        ("RUNNING", "PENDING", "RUNNING"),
        ("RUNNING", "STARTED", "RUNNING"),
        ("RUNNING", "DONE", "SUCCEEDED"),
        ("RETRYING", "FAULT", "FAILED"),
        ("RETRYING", "STARTED", "RETRYING"),
        ("FAILED", "DONE", "SUCCEEDED"),
        ("FAILED", "FAULT", "FAILED"),
        ("FAILED", "UNKNOWN", "UNKNOWN"),
        ("SUCCEEDED", "FAULT", "FAILED"),
        ("CANCELLED", "PENDING", "CANCELLED"),
        ("CANCELLED", "STARTED", "UNKNOWN"),
        ("CANCELLED", "DONE", "SUCCEEDED"),
    ],
)
def test_states_of_actions(
    api: APIClient,
    organisation: Organisation,
    device: Device,
    document: Any,
    state: str,
    action: str,
    shown: str,
) -> None:
    request = bundle_of(
        organisation, device, action, "DONE", state=state, fault=FAULT, completed_at=timezone.now()
    )
    answer = api.get(f"{PATH}{request.correlation_uid}/")
    pending = state in {"SCHEDULED", "QUEUED", "RUNNING", "RETRYING"}
    assert answer.status_code == (202 if pending else 200)
    first = answer.json()["responses"][0]
    assert first["status"] == shown
    assert (first["result"] is not None) == (shown == "SUCCEEDED")
    assert (first["fault"] is not None) == (action in {"FAULT", "UNKNOWN"})
    assert answer.json()["fault"] == (FAULT if state == "FAILED" else None)
    schema = answer_schema(document, OUTCOME, "get", answer.status_code)
    json_schemas.validate(answer.json(), schema | {"additionalProperties": False})


def test_a_fault_before_another_attempt_is_not_shown_yet(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    request = bundle_of(organisation, device, "PENDING", state="RETRYING", fault=FAULT)
    Action.objects.update(fault=FAULT)
    (response,) = api.get(f"{PATH}{request.correlation_uid}/").json()["responses"]
    assert (response["status"], response["fault"]) == ("RETRYING", None)


def test_prefer_wait(api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    from osgp.requests import waiting

    def sleep(seconds: float) -> None:
        with states_by_hand():
            Request.objects.update(state=RequestState.SUCCEEDED, completed_at=timezone.now())
        Action.objects.update(state=ActionState.DONE, result={"name": "a"})

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    answer = post(api, device, "a", "b", headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "wait=5")
    assert [item["result"] for item in answer.json()["responses"]] == [{"name": "a"}] * 2


def test_idempotency_key(api: APIClient, device: Device) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = (post(api, device, "a", "b", headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert Request.objects.count() == 1
    assert post(api, device, "b", "a", headers=headers).status_code == 422


def test_scheduling_and_cancelling(api: APIClient, device: Device) -> None:
    later = (timezone.now() + timedelta(days=300)).isoformat()
    body = {
        "device_identification": device.identification,
        "schedule_time": later,
        "actions": [{"message": "Probe"}],
    }
    accepted = api.post(PATH, body, format="json").json()
    assert accepted["status"] == "SCHEDULED"
    assert states.queue_scheduled() == 0
    uid = accepted["correlation_uid"]
    assert api.delete(accepted["url"]).status_code == 409
    assert api.post(f"/api/v1/requests/{uid}/cancel/").json()["status"] == "CANCELLED"
    answer = api.get(accepted["url"])
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert [item["status"] for item in answer.json()["responses"]] == ["CANCELLED"]
    assert api.delete(accepted["url"]).status_code == 204
    assert api.get(accepted["url"]).status_code == 404
    assert not Action.objects.exists()


def test_cancelling_needs_the_scope_of_bundles(
    api: APIClient, device: Device, organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    uid = post(api, device, "a").json()["correlation_uid"]
    without = client_of(factories.make_token(organisation, scopes=["adhoc", "read"]))
    assert without.post(f"/api/v1/requests/{uid}/cancel/").status_code == 403


def test_others_see_no_bundle(
    api: APIClient, device: Device, other_organisation: Organisation, client_of: Callable[[str], APIClient]
) -> None:
    accepted = post(api, device, "a").json()
    stranger = client_of(factories.make_token(other_organisation))
    assert stranger.get(accepted["url"]).status_code == 404
    assert stranger.delete(accepted["url"]).status_code == 404
    single = f"/api/v1/adhoc/synchronize-time/{accepted['correlation_uid']}/"
    assert api.get(single).status_code == 404


def test_lists_show_bundles_without_their_responses(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    request = bundle_of(organisation, device, *["DONE"] * 500, state="SUCCEEDED")
    (row,) = api.get("/api/v1/requests/", {"message": "Bundle"}).json()["results"]
    assert (row["message"], row["status"], row["url"]) == (
        "Bundle",
        "SUCCEEDED",
        f"{PATH}{request.correlation_uid}/",
    )
    assert "responses" not in row


def test_responses_in_pages(
    api: APIClient, organisation: Organisation, device: Device, django_assert_max_num_queries: Any
) -> None:
    request = bundle_of(organisation, device, *["DONE"] * 250, "FAULT", state="SUCCEEDED")
    url = f"{PATH}{request.correlation_uid}/"
    whole = api.get(url)
    assert "Link" not in whole
    assert len(whole.json()["responses"]) == 251
    collected: list[Any] = []
    link = url + "?page_size=100"
    for expected in (100, 100, 51):
        with django_assert_max_num_queries(3):
            page = api.get(link)
        assert len(page.json()["responses"]) == expected
        collected += page.json()["responses"]
        link = page.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert link == ""
    assert collected == whole.json()["responses"]


@pytest.mark.parametrize("query", ["page_size=0", "page_size=x", "cursor=x", "cursor=-1", "page=2"])
def test_faulty_pages(api: APIClient, organisation: Organisation, device: Device, query: str) -> None:
    request = bundle_of(organisation, device, "DONE")
    answer = api.get(f"{PATH}{request.correlation_uid}/?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]


# --- OpenAPI -------------------------------------------------------------------------------------------


def bundleable() -> list[MeterOperation]:
    return [
        task for task in registry.list_operations() if isinstance(task, MeterOperation) and task.bundleable
    ]


def test_every_message_to_a_meter_is_an_action(document: Any) -> None:
    schemas = document["components"]["schemas"]
    mapping = schemas["BundleActionRequest"]["discriminator"]["mapping"]
    assert set(mapping) == {task.message for task in bundleable()}
    assert {"SynchronizeTime", "ActualMeterReads", "ActualMeterReadsGas"} < set(mapping)
    for task in bundleable():
        schema = resolved(document, {"$ref": mapping[task.message]})
        assert set(schema["properties"]) == {
            "message",
            "device_identification",
            *task.parameters_serializer().fields,
        }
        assert schema["properties"]["message"]["enum"] == [task.message]
        assert "message" in schema["required"]
        assert "device_identification" not in schema["required"]


def test_every_action_has_its_response(document: Any) -> None:
    responses = document["components"]["schemas"]["BundleActionResponse"]
    assert set(responses["discriminator"]["mapping"]) == {task.message for task in bundleable()}


def test_names_of_actions_are_no_parameters() -> None:
    for task in bundleable():
        assert {"message", "device_identification", "actions"}.isdisjoint(task.parameters_serializer().fields)


def test_bodies_are_what_the_document_says(document: Any, api: APIClient, device: Device) -> None:
    (content,) = document["paths"][PATH]["post"]["requestBody"]["content"].values()
    schema = resolved(document, content["schema"])
    right = {
        "device_identification": device.identification,
        "actions": [{"message": "SynchronizeTime"}, {"message": "Probe", "name": "a"}],
    }
    json_schemas.validate(right, schema)
    assert api.post(PATH, right, format="json").status_code == 202
    for wrong in ([], [{"message": "AddDevice"}], [{"message": "Probe", "size": 11}], [{}]):
        with pytest.raises(jsonschema.ValidationError):
            json_schemas.validate(right | {"actions": wrong}, schema)
        assert api.post(PATH, right | {"actions": wrong}, format="json").status_code == 400
