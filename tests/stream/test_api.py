"""What Django says of the stream: where it is, and how it is used."""

import pytest
from rest_framework.test import APIClient

from osgp.requests.api.schema import build_document


def test_django_says_who_serves_it() -> None:
    answer = APIClient().get("/api/v1/events/")
    assert answer.status_code == 501
    assert answer["Content-Type"] == "application/problem+json"
    assert "manage.py stream" in answer.json()["detail"]


def test_the_document_has_it() -> None:
    described = build_document()["paths"]["/api/v1/events/"]["get"]
    assert list(described["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {(each["in"], each["name"]) for each in described["parameters"]} == {
        ("header", "Last-Event-ID"),
        ("query", "last_event_id"),
        ("query", "kind"),
        ("query", "device"),
    }
    assert described["security"] == [{"token": []}]
    assert {"400", "401", "403", "429", "501", "503"} <= described["responses"].keys()


@pytest.mark.parametrize("method", ["post", "delete"])
def test_there_is_nothing_else_to_do(method: str) -> None:
    assert getattr(APIClient(), method)("/api/v1/events/").status_code == 405
