"""Every error is a problem document, and hostile input costs a refusal and no more."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from psycopg2.errors import QueryCanceled
from rest_framework.exceptions import ErrorDetail, Throttled
from rest_framework.test import APIClient

from osgp.accounts.models import ApiToken, Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.requests.api import messages, problems
from osgp.requests.api.parsers import LARGEST_BODY
from osgp.requests.models import Request
from osgp.requests.problems import build_fault_problem, list_errors

URL = "/api/v1/adhoc/synchronize-time/"
SPECIFIC = "/api/v1/adhoc/get-specific-configuration-object/"
DEVICE = "E0000000000000001"


@pytest.fixture(autouse=True)
def _nothing_is_stored(db: None) -> Iterator[None]:
    yield
    assert not Request.objects.exists()


def checked(answer: Any, status: int, code: int | None = None) -> dict[str, Any]:
    """The problem in an answer, after looking at what all of them have in common."""
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.content)
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "code", "name"}
    assert (body["status"], body["code"]) == (status, code)
    assert all(body[name] and isinstance(body[name], str) for name in ("type", "title", "detail", "name"))
    assert all(set(error) == {"pointer", "detail"} for error in body.get("errors", []))
    return body


def pointers(answer: Any) -> set[str]:
    return {error["pointer"] for error in checked(answer, 400, 401)["errors"]}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": 1}, "/timezone"),
        ({"timezone": "Europe/Amsterdam\0"}, "/timezone"),
        ({"timezone": "\ud800"}, "/timezone"),
        ({"timezone": "x" * 500_000}, "/timezone"),
        ({"priority": 10**4000}, "/priority"),
        ({"priority": 1e400}, "/priority"),
        ({"priority": 4.0}, "/priority"),
        ({"schedule_time": "2026-12-01T00:00:00"}, "/schedule_time"),
        ({"max_schedule_time": "1970-01-01T00:00:00Z"}, "/max_schedule_time"),
        ({"bypass_retry": "true"}, "/bypass_retry"),
        ({"device_identification": ["E1"]}, "/device_identification"),
        ({"device_identification": "E1\0"}, "/device_identification"),
        ({"response_url": "http://169.254.169.254/"}, "/response_url"),
        ({"colour": {"deep": [[[[[]]]]]}}, "/colour"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"\ud800": 1}, "/\\ud800"),
        ({"": 1}, ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_fields_are_named(api: APIClient, device: Device, fields: dict[str, Any], pointer: str) -> None:
    body = json.dumps({"device_identification": DEVICE} | fields).replace("Infinity", "1e400")
    assert pointers(api.post(URL, body, content_type="application/json")) == {pointer}


def test_all_bad_fields_are_named_at_once(api: APIClient) -> None:
    answer = api.post(SPECIFIC, {"class_id": "3", "obis_code": "1-0", "attribute": 2, "x": 1}, format="json")
    assert pointers(answer) == {"/device_identification", "/class_id", "/obis_code", "/x"}


def test_a_name_that_comes_twice_is_named(api: APIClient) -> None:
    body = b'{"device_identification": "E1", "tim\\u0000e": 1, "priority": 1, "priority": 9}'
    answer = api.post(URL, body, content_type="application/json")
    assert checked(answer, 400, 401)["detail"] == "An object in the body has the name priority twice."


def test_a_thousand_unknown_fields_do_not_make_a_long_answer(api: APIClient) -> None:
    answer = api.post(URL, {f"field{number}": number for number in range(50_000)}, format="json")
    assert len(pointers(answer)) < 50
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"device_identification": "E1"} extra',
        b"\xff\xfe{\x00}\x00",
        b'{"device_identification": "\xc3\x28"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"priority": NaN}',
        b'{"priority": -Infinity}',
        b'{"priority": ' + b"9" * 10_000 + b"}",
        b'{"priority": 1, "priority": 9}',
        b"[]",
        b'"text"',
        b"null",
        b"17",
        b"\0",
    ],
    ids=lambda content: content[:20].decode("latin-1"),
)
def test_bodies_that_are_no_json_objects_are_refused(api: APIClient, content: bytes) -> None:
    answer = api.post(URL, content, content_type="application/json")
    checked(answer, 400, 401)
    assert len(answer.content) < 2_000


def test_large_bodies_are_refused_before_they_are_parsed(api: APIClient) -> None:
    body = b'{"device_identification": "' + b"E" * 10 * LARGEST_BODY + b'"}'
    checked(api.post(URL, body, content_type="application/json"), 413)
    exact = b"{}" + b" " * (LARGEST_BODY - 2)
    checked(api.post(URL, exact, content_type="application/json"), 400, 401)


@pytest.mark.parametrize(
    "content_type", ["text/xml", "application/x-www-form-urlencoded", "nonsense", "a/b/c"]
)
def test_other_media_types_are_refused(api: APIClient, content_type: str) -> None:
    checked(api.post(URL, b"device_identification=E1", content_type=content_type), 415)


def test_encoded_bodies_are_refused_as_such(api: APIClient) -> None:
    content = gzip.compress(b'{"device_identification": "E1"}')
    answer = api.post(URL, content, content_type="application/json", headers={"Content-Encoding": "gzip"})
    assert "Content-Encoding" in checked(answer, 415)["detail"]
    answer = api.post(URL, b"{}", content_type="application/json", headers={"Content-Encoding": "identity"})
    checked(answer, 400, 401)


def test_only_json_is_offered(api: APIClient) -> None:
    checked(api.post(URL, {}, format="json", headers={"Accept": "text/html"}), 406)


def test_unsupported_methods_tell_what_is_supported(api: APIClient) -> None:
    answer = api.put(URL, {}, format="json")
    assert checked(answer, 405)["name"] == "METHOD_NOT_ALLOWED"
    assert "POST" in answer["Allow"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Bearer osgp_" + "x" * 43, "Basic dTpw", "Bearer \x00", "é"],
)
def test_callers_without_a_valid_token_are_challenged(authorization: str | None) -> None:
    client = APIClient()
    headers = {} if authorization is None else {"Authorization": authorization}
    for method in ("get", "post", "delete"):
        answer = getattr(client, method)("/api/v1/requests/", headers=headers)
        checked(answer, 401)
        assert answer["WWW-Authenticate"] == "Bearer"


def test_the_token_and_its_organisation_are_looked_at_with_every_call(
    api: APIClient, organisation: Organisation
) -> None:
    organisation.enabled = False
    organisation.save()
    checked(api.get("/api/v1/requests/"), 403, FaultCode.DISABLED_ORGANISATION)
    ApiToken.objects.all().delete()
    checked(api.get("/api/v1/requests/"), 401)


def test_a_post_without_the_last_slash_goes_on_as_a_post(api: APIClient) -> None:
    answer = api.post(URL.rstrip("/"), {"colour": "red"}, format="json")
    assert (answer.status_code, answer["Location"]) == (308, URL)
    followed = api.post(URL.rstrip("/"), {"colour": "red"}, format="json", follow=True)
    assert pointers(followed) == {"/device_identification", "/colour"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/",
        "/api/v1/adhoc/",
        "/api/v1/adhoc/no-such-message/",
        "/api/v1/%00/",
        "/api/v2/requests/",
    ],
)
def test_urls_that_do_not_exist(path: str) -> None:
    checked(APIClient().get(path), 404)
    checked(APIClient().post(path, {}, format="json"), 404)


def test_other_pages_that_do_not_exist_are_no_problem_documents() -> None:
    assert APIClient().get("/no-such-page/")["Content-Type"].startswith("text/html")


def test_malformed_requests_never_reach_a_view(api: APIClient) -> None:
    checked(api.get("/api/v1/requests/", headers={"Host": "evil.example"}), 400)


def test_programming_errors_tell_nothing(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the master key is 0011")

    monkeypatch.setattr(messages, "submit", fail)
    api.raise_request_exception = False
    answer = api.post(URL, {}, format="json")
    checked(answer, 500)
    assert b"0011" not in answer.content


def test_a_lost_database_is_said_to_pass(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(messages, "submit", fail)
    answer = api.post(URL, {}, format="json")
    checked(answer, 503)
    assert int(answer["Retry-After"]) > 0
    assert b"10.0.0.1" not in answer.content


def test_what_takes_the_database_too_long_is_given_up(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_for_long(*_: Any) -> None:
        if connection.vendor != "postgresql":
            raise OperationalError from QueryCanceled()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
            cursor.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr(messages, "submit", look_for_long)
    answer = api.post(URL, {}, format="json")
    assert "too long" in checked(answer, 503)["detail"]
    assert "Retry-After" not in answer


def test_throttled_callers_are_told_how_long_to_wait() -> None:
    answer = problems.exception_handler(Throttled(wait=7), {})
    assert answer is not None
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_has_an_error_status(code: FaultCode) -> None:
    body = build_fault_problem(Fault(code, "What happened."))
    assert 400 <= body["status"] <= 500
    assert (body["code"], body["name"]) == (code, code.name)


def test_faults_point_to_their_field(api: APIClient) -> None:
    body = checked(api.post(URL, {"device_identification": DEVICE}, format="json"), 404, 201)
    assert body["errors"] == [
        {"pointer": "/device_identification", "detail": f"There is no device {DEVICE}."}
    ]


def test_pointers_lead_through_objects_and_lists() -> None:
    detail = {
        "actions": [{}, {"end_date": [ErrorDetail("late")], "non_field_errors": [ErrorDetail("odd")]}],
        "flags": {3: [ErrorDetail("no flag")]},
        "non_field_errors": [ErrorDetail("all wrong")],
    }
    assert {(error["pointer"], error["detail"]) for error in list_errors(detail)} == {
        ("/actions/1/end_date", "late"),
        ("/actions/1", "odd"),
        ("/flags/3", "no flag"),
        ("", "all wrong"),
    }
