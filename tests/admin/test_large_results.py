"""Results on the page of a request: drawn, or if too large, the beginning and a download; without secrets."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.pages.requests.results import LARGEST_DRAWN
from osgp.pages.shared.display_values import REDACTED, redact, redact_text
from osgp.requests.models import ActionState, RequestState
from tests.factories import make_request

pytestmark = pytest.mark.django_db

LARGE = {"a_key": "6b6579", "values": [{"text": "<b> 4711 </b>"}], "pad": "x" * LARGEST_DRAWN}


def make_page(organisation: Organisation, device: Device, **fields: Any) -> tuple[str, str]:
    """The addresses of the page, and of the download of its result."""
    request = make_request(organisation, device, state=RequestState.SUCCEEDED)
    request.actions.update(**{"state": ActionState.DONE} | fields)
    column = next(iter(fields))
    return (
        reverse("admin:requests_request_change", args=[request.pk]),
        reverse("admin:requests_request_result", args=[request.pk, 0, column]),
    )


@pytest.mark.parametrize("column", ["result", "partial_result"])
def test_a_large_one_begins_there_and_is_downloaded(
    operator: Client, organisation: Organisation, device: Device, column: str
) -> None:
    page, download = make_page(organisation, device, **{column: LARGE})
    shown = operator.get(page)
    assert len(shown.content) < 100_000
    text = shown.content.decode()
    assert "Too large to be drawn here" in text
    assert download in text
    assert "6b6579" not in text
    answer: Any = operator.get(download)
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"].startswith("attachment")
    assert json.loads(b"".join(answer)) == LARGE | {"a_key": REDACTED}


def test_a_smaller_one_is_drawn(operator: Client, organisation: Organisation, device: Device) -> None:
    page, download = make_page(organisation, device, result={**LARGE, "pad": ""})
    text = operator.get(page).content.decode()
    assert "&lt;b&gt; 4711 &lt;/b&gt;" in text
    assert download not in text
    assert "6b6579" not in text


def test_only_who_may_see_the_request_downloads_it(
    stranger: Client, operator: Client, client: Client, organisation: Organisation, device: Device
) -> None:
    _, download = make_page(organisation, device, result=LARGE)
    assert stranger.get(download).status_code == 404
    assert client.get(download).status_code == 302
    assert operator.post(download).status_code == 405
    assert operator.get(download.replace("result.json", "parameters.json")).status_code == 404
    assert operator.get(download.replace("results/0", "results/1")).status_code == 404


@pytest.mark.parametrize(
    "value",
    [
        {"key": "s", "b": [{"my_secret": {"x": ["s", 1]}, "c": None}], "password": None, "KEYS": ["s"]},
        {'"key": ': "kept", "text": 'say "key": "kept"', "monkey": "kept", "hidden": 3},
        [],
    ],
)
def test_texts_lose_what_values_lose(value: Any) -> None:
    secrets = frozenset({"hidden"})
    redacted = json.loads(redact_text(json.dumps(value), secrets))
    assert redacted == redact(value, secrets)
    assert "s" not in json.dumps(redacted).replace("secret", "").replace("password", "").split('"')


def test_a_secret_at_the_end_of_what_is_cut() -> None:
    assert redact_text('{"a": 1, "b_key": "s3cre') == '{"a": 1, "b_key": '
