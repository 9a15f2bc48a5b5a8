"""FindMessageLogs as a request and as a resource: what is told of a log, and to whom."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.management import find_message_logs
from osgp.message_logs.models import MessageLog
from osgp.message_logs.reading import MessageLogSerializer
from osgp.requests.models import MeterSession, Request
from osgp.visits.platform_requests import perform_due
from tests.factories import grant, make_device, make_request, make_token

MESSAGE = "/api/v1/management/find-message-logs/"
RESOURCE = "/api/v1/management/message-logs/"
START = datetime(2026, 3, 29, 0, 59, 58, tzinfo=UTC)
"""Two seconds before the clocks of Europe go forward."""


def fill(device: Device, count: int = 5, **fields: Any) -> list[MessageLog]:
    """A log of one visit with a message a second, both directions in turn."""
    session = MeterSession.objects.create(
        meter=device, state="CLOSED", opened_at=START, closed_at=START, expires_at=START
    )
    return MessageLog.objects.bulk_create(
        MessageLog(
            **{
                "device": device,
                "session": session,
                "number": number + 1,
                "at": START + timedelta(seconds=number),
                "direction": "RECEIVED" if number % 2 else "SENT",
                "service": "get-request-normal",
                "length": 2,
                "apdu": f"c0{number:02x}",
                "description": f"message {number}",
            }
            | fields
        )
        for number in range(count)
    )


def found(api: APIClient, device: Device, **parameters: Any) -> Any:
    """The result of a request."""
    answer = api.post(MESSAGE, {"device_identification": device.identification, **parameters}, format="json")
    assert answer.status_code == 202, answer.json()
    assert perform_due(1) == 1
    body = api.get(answer.json()["url"]).json()
    assert body["status"] == "SUCCEEDED"
    return body["result"]


def listed(api: APIClient, device: Device, **query: Any) -> list[dict[str, Any]]:
    answer = api.get(RESOURCE, {"device": device.identification, **query})
    assert answer.status_code == 200, answer.json()
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [row["number"] for row in rows]


def test_both_ways_tell_the_same(api: APIClient, organisation: Organisation, device: Device) -> None:
    request = make_request(organisation, device, "ActualMeterReads", state="SUCCEEDED")
    rows = fill(device, 2, message="ActualMeterReads", correlation_uid=request.correlation_uid)
    fill(make_device("OTHER", owner=organisation))
    result = found(api, device)
    assert result == {"message_logs": listed(api, device), "has_more": False}
    assert result["message_logs"] == [
        {
            "at": f"2026-03-29T00:59:{58 + number}Z",
            "session": str(rows[number].session_id),
            "number": number + 1,
            "direction": direction,
            "message": "ActualMeterReads",
            "correlation_uid": str(request.correlation_uid),
            "service": "get-request-normal",
            "length": 2,
            "apdu": f"c00{number}",
            "description": f"message {number}",
            "failed_call": None,
        }
        for number, direction in ((1, "RECEIVED"), (0, "SENT"))
    ]
    assert set(result["message_logs"][0]) == set(MessageLogSerializer().fields)


def test_an_association_belongs_to_no_message(api: APIClient, device: Device) -> None:
    fill(device, 1)
    (row,) = listed(api, device)
    assert (row["message"], row["correlation_uid"]) == (None, None)
    assert found(api, device)["message_logs"] == [row]


def test_requests_of_others_stay_theirs(
    api: APIClient, organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    theirs = make_request(other_organisation, device, state="SUCCEEDED")
    fill(device, 1, message="ActualMeterReads", correlation_uid=theirs.correlation_uid)
    fill(device, 1, message="ActualMeterReads", correlation_uid=uuid.uuid4())
    for rows in (listed(api, device), found(api, device)["message_logs"]):
        assert [row["correlation_uid"] for row in rows] == [None, None]
        assert str(theirs.correlation_uid) not in str(rows)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"from": "2026-03-29T01:00:00Z"}, [5, 4, 3]),
        ({"from": "2026-03-29T03:00:00+02:00"}, [5, 4, 3]),
        ({"until": "2026-03-29T01:59:59+01:00"}, [1]),
        ({"from": "2026-03-29T00:59:59Z", "until": "2026-03-29T01:00:01Z"}, [3, 2]),
        ({"direction": "SENT"}, [5, 3, 1]),
        ({"direction": "RECEIVED", "from": "2026-03-29T01:00:00Z"}, [4]),
        ({"from": "2099-01-01T00:00:00Z"}, []),
    ],
)
def test_filters(api: APIClient, device: Device, chosen: dict[str, str], expected: list[int]) -> None:
    fill(device)
    assert numbers(listed(api, device, **chosen)) == expected
    assert numbers(found(api, device, **chosen)["message_logs"]) == expected


def test_a_result_has_the_latest_ones(api: APIClient, device: Device) -> None:
    fill(device)
    result = found(api, device, limit=2)
    assert (numbers(result["message_logs"]), result["has_more"]) == ([5, 4], True)
    result = found(api, device, limit=5)
    assert (numbers(result["message_logs"]), result["has_more"]) == ([5, 4, 3, 2, 1], False)


def test_a_result_is_of_bounded_size(api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(device, description="x" * 100)
    monkeypatch.setattr(find_message_logs, "MOST_CHARACTERS", 250)
    result = found(api, device)
    assert (numbers(result["message_logs"]), result["has_more"]) == ([5, 4], True)
    monkeypatch.setattr(find_message_logs, "MOST_CHARACTERS", 10)
    assert numbers(found(api, device)["message_logs"]) == [5]


def test_pages_lead_through_everything_once(api: APIClient, device: Device) -> None:
    # Messages of the same instant are told apart by their order.
    fill(device, 7, at=START)
    rows: list[dict[str, Any]] = []
    answer = api.get(RESOURCE, {"device": device.identification, "page_size": "3"})
    while True:
        rows += answer.json()["results"]
        link = answer.headers.get("Link")
        if link is None:
            break
        answer = api.get(link.removesuffix('>; rel="next"').removeprefix("<"))
    assert numbers(rows) == [7, 6, 5, 4, 3, 2, 1]


def test_the_number_of_queries_does_not_grow(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            listed(api, device)
        return len(queries)

    fill(device, 1, correlation_uid=uuid.uuid4())
    listed(api, device)
    few = count()
    for _ in range(5):
        request = make_request(organisation, device, state="SUCCEEDED")
        fill(device, 10, message="ActualMeterReads", correlation_uid=request.correlation_uid)
    assert count() == few


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"from": "yesterday"}, "/from"),
        ({"until": "2026-03-29T01:00:00"}, "/until"),
        ({"from": "2026-03-29T01:00:00Z", "until": "2026-03-29T01:00:00Z"}, "/until"),
        ({"direction": "UP"}, "/direction"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_bad_input_names_the_field(
    api: APIClient, device: Device, parameters: dict[str, str], pointer: str
) -> None:
    body = {"device_identification": device.identification, **parameters}
    for answer in (
        api.post(MESSAGE, body, format="json"),
        api.get(RESOURCE, {"device": device.identification, **parameters}),
    ):
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Request.objects.exists()


@pytest.mark.parametrize("limit", [0, 501, "5", None])
def test_limits_are_limited(api: APIClient, device: Device, limit: object) -> None:
    body = {"device_identification": device.identification, "limit": limit}
    answer = api.post(MESSAGE, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/limit"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/device"),
        ({"device": "a b"}, "/device"),
        ({"page_size": "x"}, "/page_size"),
        ({"cursor": "x"}, "/cursor"),
    ],
)
def test_bad_queries_name_the_parameter(
    api: APIClient, device: Device, query: dict[str, str], pointer: str
) -> None:
    known = {"device": device.identification} if "device" not in query and query else {}
    answer = api.get(RESOURCE, known | query)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_devices_of_others_do_not_exist(api: APIClient, other_organisation: Organisation) -> None:
    foreign = make_device("FOREIGN", owner=other_organisation)
    fill(foreign)
    for identification in ("FOREIGN", "NOWHERE"):
        answer = api.get(RESOURCE, {"device": identification})
        assert (answer.status_code, answer.json()["code"]) == (404, 201)
        answer = api.post(MESSAGE, {"device_identification": identification}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (404, 201)


def test_logs_are_for_owners_and_managers(api: APIClient, organisation: Organisation) -> None:
    device = make_device()
    fill(device)
    grant(organisation, device, DeviceFunctionGroup.MONITORING)
    answer = api.get(RESOURCE, {"device": device.identification})
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    answer = api.post(MESSAGE, {"device_identification": device.identification}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
    grant(organisation, device, DeviceFunctionGroup.MANAGEMENT)
    assert len(listed(api, device)) == 5


def test_scopes(organisation: Organisation, client_of: Callable[[str], APIClient], device: Device) -> None:
    query = {"device": device.identification}
    assert client_of(make_token(organisation, scopes=["management"])).get(RESOURCE, query).status_code == 403
    assert client_of(make_token(organisation, scopes=["read"])).get(RESOURCE, query).status_code == 200
    assert APIClient().get(RESOURCE, query).status_code == 401
