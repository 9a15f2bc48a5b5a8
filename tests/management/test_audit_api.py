"""GET /api/v1/audit/: the organisation's own entries, searched, in pages, as CSV and as lines of JSON."""

import csv
import io
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.functions import Scope
from osgp.accounts.models import Organisation
from osgp.audit.keeping import record
from osgp.audit.models import AuditEntry, AuditEvent
from tests.factories import make_token

pytestmark = pytest.mark.django_db
URL = "/api/v1/audit/"


@pytest.fixture
def auditor(organisation: Organisation, client_of: Callable[[str], APIClient]) -> APIClient:
    return client_of(make_token(organisation, scopes=[Scope.ADMIN]))


@transaction.atomic
def add(event: AuditEvent = AuditEvent.CHANGED, **fields: Any) -> int:
    return record(event, **{"organisation": "UTILITY", "actor": "portal"} | fields)


def ids(client: APIClient, **query: Any) -> list[int]:
    answer = client.get(URL, query)
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_entries_are_found(auditor: APIClient) -> None:
    uid = uuid.uuid4()
    first = add(device="E1", correlation_uid=uid, details={"changes": {"model": ["a", "b"]}})
    second = add(AuditEvent.DELETED, actor="other")
    add(organisation="STRANGER", device="E1", correlation_uid=uid)
    add(organisation="", actor="admin/root")
    assert ids(auditor) == [second, first]
    assert ids(auditor, organisation="UTILITY") == [second, first]
    assert ids(auditor, device="E1") == ids(auditor, correlation_uid=str(uid)) == [first]
    assert ids(auditor, event="DELETED") == ids(auditor, actor="other") == [second]
    assert ids(auditor, request_id="call-1") == []
    old = AuditEntry(event="CHANGED", organisation_identification="UTILITY", actor="portal")
    old.at = timezone.now() - timedelta(days=2)
    old.save()
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    assert ids(auditor, **{"from": yesterday}) == [second, first]
    assert ids(auditor, until=yesterday) == [old.pk]
    [row] = auditor.get(URL, {"device": "E1"}).json()["results"]
    assert row["details"] == {"changes": {"model": ["a", "b"]}}
    assert (row["organisation"], row["actor"], row["correlation_uid"]) == ("UTILITY", "portal", str(uid))


def test_pages(auditor: APIClient) -> None:
    made = [add() for _ in range(5)]
    answer = auditor.get(URL, {"page_size": 2})
    found = [row["id"] for row in answer.json()["results"]]
    while "Link" in answer.headers:
        # What is added meanwhile shifts nothing.
        add()
        answer = auditor.get(answer.headers["Link"].partition(">")[0].lstrip("<"))
        found += [row["id"] for row in answer.json()["results"]]
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"event": "NONSENSE"}, "event"),
        ({"organisation": "STRANGER"}, "organisation"),
        ({"correlation_uid": "x"}, "correlation_uid"),
        ({"cursor": "x"}, "cursor"),
        ({"from": "yesterday"}, "from"),
        ({"format": "xml"}, "format"),
        ({"format": "csv", "page_size": 2}, "page_size"),
        ({"nonsense": 1}, "nonsense"),
        ({"actor": "a\0b"}, "actor"),
    ],
)
def test_a_senseless_query_names_the_field(auditor: APIClient, query: dict[str, Any], field: str) -> None:
    answer = auditor.get(URL, query)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]


def test_it_needs_the_scope(organisation: Organisation, client_of: Callable[[str], APIClient]) -> None:
    answer = client_of(make_token(organisation)).get(URL)
    assert (answer.status_code, answer.json()["code"]) == (403, 301)


@pytest.mark.parametrize("by_accept", [True, False])
def test_csv(auditor: APIClient, by_accept: bool) -> None:
    made = add(device="E1", actor="=cmd|x", details={"a": 'é, "b"'})
    answer = auditor.get(URL, HTTP_ACCEPT="text/csv") if by_accept else auditor.get(URL, {"format": "csv"})
    text = b"".join(answer.streaming_content).decode()
    [told, row] = list(csv.DictReader(io.StringIO(text)))
    # The export itself is the latest entry.
    assert (told["event"], row["id"]) == ("EXPORTED", str(made))
    assert json.loads(row["details"]) == {"a": 'é, "b"'}
    assert row["actor"] == "'=cmd|x"
    exported = AuditEntry.objects.get(event=AuditEvent.EXPORTED)
    assert (exported.details["what"], exported.details["format"]) == ("audit", "text/csv")


def test_lines_of_json(auditor: APIClient) -> None:
    made = [add(device="E1"), add(device="E1")]
    answer = auditor.get(URL, {"format": "ndjson", "device": "E1"})
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [line["id"] for line in lines] == made[::-1]
