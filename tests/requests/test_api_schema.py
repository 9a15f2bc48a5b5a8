"""The OpenAPI document is valid, complete, and what the API really does."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import CompositeOperation, Operation
from osgp.messages.registry import find_operation
from osgp.requests.answers import build_outcome_body, build_route_name, find_complete_until
from osgp.requests.api.responses import make_response_entry_serializer
from osgp.requests.api.serializers import make_response_serializer
from osgp.requests.models import RequestState
from osgp.requests.queries import find_outcome
from osgp.requests.submission import COMMON_FIELDS
from tests import json_schemas
from tests.factories import make_request
from tests.requests.operations import registered
from tests.visits.parts import ReadInParts, rows_as_json

PENDING = {"SCHEDULED", "QUEUED", "RUNNING", "RETRYING"}


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def resolved(document: Any, schema: Any) -> Any:
    """A schema with its references inlined and OpenAPI's nullable in terms of JSON Schema."""
    if isinstance(schema, list):
        return [resolved(document, member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    plain = {name: resolved(document, member) for name, member in schema.items() if name != "nullable"}
    for part in plain.pop("allOf", []):
        plain = part | plain
    return {"anyOf": [{"type": "null"}, plain]} if schema.get("nullable") else plain


def answer_schema(document: Any, path: str, method: str, status: int) -> Any:
    (content,) = document["paths"][path][method]["responses"][str(status)]["content"].values()
    return resolved(document, content["schema"])


def test_the_document_is_valid_and_without_warnings() -> None:
    output = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=output)
    assert "openapi: 3" in output.getvalue()


def test_it_is_served_to_everybody(document: Any) -> None:
    answer = APIClient().get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    assert answer.json()["paths"].keys() == document["paths"].keys()
    assert APIClient().get("/api/v1/schema/").status_code == 200


def test_its_schemas_are_json_schemas(document: Any) -> None:
    Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})


def test_the_page_for_people_loads_nothing_from_elsewhere() -> None:
    answer = APIClient().get("/api/v1/docs/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "http:" not in page
    assert "https:" not in page
    assert "/static/drf_spectacular_sidecar/redoc/" in page
    assert "/api/v1/schema/" in page


@pytest.mark.parametrize("task", list(registry.list_operations()), ids=lambda task: task.message)
def test_every_message_is_documented(document: Any, task: Operation) -> None:
    path = f"/api/v1/{build_route_name(task)}/"
    post = document["paths"][path]["post"]
    (content,) = post["requestBody"]["content"].values()
    body = resolved(document, content["schema"])
    parameters = task.parameters_serializer().fields
    assert set(body["properties"]) == COMMON_FIELDS | set(parameters)
    required = {name for name, field in parameters.items() if field.required}
    assert set(body["required"]) == {"device_identification"} | required
    assert post["description"].startswith((task.__doc__ or "").strip().splitlines()[0])
    assert post["security"] == [{"token": []}]
    assert {"202", "200", "400", "401", "403", "404", "409", "422"} <= set(post["responses"])
    final = answer_schema(document, path + "{correlation_uid}/", "get", 200)
    if isinstance(task, CompositeOperation):
        assert {"responses", "fault"} <= set(final["properties"])
    elif result := task.result_serializer().fields:
        assert set(final["properties"]["result"]["anyOf"][1]["properties"]) == set(result)
    assert set(document["paths"][path + "{correlation_uid}/"]) == {"get", "delete"}


def test_parameters_of_a_message_are_none_of_the_common_fields() -> None:
    for task in registry.list_operations():
        assert COMMON_FIELDS.isdisjoint(task.parameters_serializer().fields), task.message


@pytest.mark.parametrize("state", RequestState)
def test_answers_are_what_the_document_says(
    document: Any, api: APIClient, organisation: Organisation, device: Device, state: RequestState
) -> None:
    fault = Fault(FaultCode.CONNECTION_REFUSED, "Refused.").as_dict()
    request = make_request(organisation, device, state=state, fault=fault, completed_at=timezone.now())
    told = {"deviation": -60, "daylight_saving": False}
    request.actions.update(result={"time": "2026-01-01T00:00:00Z", "timezone": "Europe/Amsterdam", **told})
    path = "/api/v1/adhoc/synchronize-time/"
    answer = api.get(f"{path}{request.correlation_uid}/")
    assert answer.status_code == (202 if state in PENDING else 200)
    schema = answer_schema(document, path + "{correlation_uid}/", "get", answer.status_code)
    json_schemas.validate(answer.json(), schema | {"additionalProperties": False})
    listed = api.get("/api/v1/requests/")
    json_schemas.validate(listed.json(), answer_schema(document, "/api/v1/requests/", "get", 200))
    row = answer_schema(document, "/api/v1/requests/", "get", 200)["properties"]["results"]["items"]
    assert set(listed.json()["results"][0]) == set(row["properties"])


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "RETRYING", "SUCCEEDED"])
@pytest.mark.parametrize("message", ["ReadInParts", "Bundle"])
def test_answers_with_what_came_before_the_line_was_lost(
    organisation: Organisation, device: Device, state: str, message: str
) -> None:
    """Only of messages that come in parts, and only once no more may come."""
    with registered(ReadInParts):
        part = {"rows": rows_as_json(0, 1), "complete_until": "2026-01-01T00:00:00Z"}
        is_final = state in {"FAILED", "CANCELLED"}
        request = make_request(organisation, device, message, state=state, completed_at=timezone.now())
        request.actions.update(message="ReadInParts", partial_result=part, result=part)
        found = find_outcome(organisation, message, request.correlation_uid)
        assert found is not None
        answer = build_outcome_body(found)
        told = answer["responses"][0] if message == "Bundle" else answer
        fields = {"partial_result": part, "complete_until": "2026-01-01T00:00:00Z"} if is_final else {}
        assert {name: told[name] for name in ("partial_result", "complete_until") if name in told} == fields
        operation = find_operation("ReadInParts")
        make = make_response_entry_serializer if message == "Bundle" else make_response_serializer
        documented = make(operation)()
        assert set(told) <= set(documented.fields)
        assert not documented.fields["partial_result"].required
        assert "partial_result" not in make(find_operation("SynchronizeTime"))().fields


@pytest.mark.parametrize(
    ("result", "until"),
    [
        (
            {"complete_until": "2026-01-02T00:00:00Z", "parts": [{"complete_until": "2026-01-01T00:00:00Z"}]},
            2,
        ),
        ({"parts": [{"complete_until": f"2026-01-0{day}T00:00:00Z"} for day in (3, 1, 2)]}, 1),
        ({"events": [{"code": 1}], "names": ["a"]}, None),
    ],
)
def test_up_to_when_a_part_is_complete(result: dict[str, Any], until: int | None) -> None:
    assert find_complete_until(result) == (until and f"2026-01-0{until}T00:00:00Z")


def test_other_answers_are_what_the_document_says(document: Any, api: APIClient, device: Device) -> None:
    path = "/api/v1/adhoc/synchronize-time/"
    accepted = api.post(path, {"device_identification": device.identification}, format="json")
    schema = answer_schema(document, path, "post", 202)
    json_schemas.validate(accepted.json(), schema | {"additionalProperties": False})
    refused = api.post(path, {"device_identification": "", "colour": "red"}, format="json")
    schema = answer_schema(document, path, "post", 400)
    json_schemas.validate(refused.json(), schema | {"additionalProperties": False})
    key = api.get("/api/v1/configuration/public-key/")
    schema = answer_schema(document, "/api/v1/configuration/public-key/", "get", 200)
    json_schemas.validate(key.json(), schema | {"additionalProperties": False})


def test_examples_are_what_the_document_says(document: Any) -> None:
    checked = 0
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    for example in content.get("examples", {}).values():
                        json_schemas.validate(example["value"], resolved(document, content["schema"]))
                        checked += 1
    assert checked > len(list(registry.list_operations()))


def test_the_document_can_be_written_as_json(document: Any) -> None:
    assert OpenApiJsonRenderer().render(document, renderer_context={}).startswith(b"{")
