"""GET /api/v1/system-notes/: who is told what."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.serializers import utc_text
from osgp.system_notes.keeping import dismiss, keep
from osgp.system_notes.kinds import PROFILE_MISMATCH, NoteKind
from osgp.system_notes.models import SystemNote
from osgp.system_notes.observations import Noticed, Observation
from tests import factories

pytestmark = pytest.mark.django_db

URL = "/api/v1/system-notes/"


def add_note(device: Device, kind: NoteKind = PROFILE_MISMATCH) -> SystemNote:
    noticed = Noticed("It is so.", "Do this.", {"protocol_version": "5.2c"})
    keep(device.pk, [Observation(kind, noticed)], uuid.uuid4(), "GetAssociationLnObjects")
    return SystemNote.objects.get(device=device, kind=kind.name, resolved_at=None)


def resolve(device: Device) -> None:
    keep(device.pk, [Observation(PROFILE_MISMATCH, None)], uuid.uuid4(), "GetAssociationLnObjects")


def told(api: APIClient, query: str = "") -> list[tuple[str, str]]:
    answer = api.get(URL + query)
    assert answer.status_code == 200, answer.json()
    return [(row["device_identification"], row["state"]) for row in answer.json()["results"]]


def test_a_row_tells_all(api: APIClient, device: Device) -> None:
    note = add_note(device)
    expected: dict[str, Any] = {
        "device_identification": device.identification,
        "kind": "PROFILE_MISMATCH",
        "state": "OPEN",
        "text": "It is so.",
        "what_to_do": "Do this.",
        "details": {"protocol_version": "5.2c"},
        "count": 1,
        "first_seen_at": utc_text(note.first_seen_at),
        "last_seen_at": utc_text(note.last_seen_at),
        "dismissed_at": None,
        "resolved_at": None,
        "resolved_by": None,
    }
    assert api.get(URL).json()["results"] == [expected]
    resolve(device)
    note.refresh_from_db()
    assert note.resolved_at is not None
    ended = {"state": "RESOLVED", "resolved_by": "GetAssociationLnObjects"}
    assert api.get(f"{URL}?state=RESOLVED").json()["results"] == [
        {**expected, **ended, "resolved_at": utc_text(note.resolved_at)}
    ]


def test_filters(api: APIClient, organisation: Organisation, device: Device, gas_meter: Device) -> None:
    third = factories.make_device("E3", owner=organisation)
    for each in (device, gas_meter, third):
        add_note(each)
    resolve(device)
    dismiss(SystemNote.objects.filter(device=gas_meter))
    add_note(third, NoteKind("LATER", "Of a later release"))
    one, two, three = ((each.identification) for each in (device, gas_meter, third))
    assert told(api) == [(three, "OPEN")] * 2
    assert told(api, "?kind=PROFILE_MISMATCH") == [(three, "OPEN")]
    assert told(api, "?state=DISMISSED") == [(two, "DISMISSED")]
    assert told(api, "?state=RESOLVED") == [(one, "RESOLVED")]
    assert len(told(api, "?state=ALL")) == 4
    assert told(api, f"?state=ALL&device={one}&device={two}") == [(two, "DISMISSED"), (one, "RESOLVED")]
    assert told(api, "?device=E9") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?kind=LATER", "/kind"),
        ("?state=CLOSED", "/state"),
        ("?device=a-b", "/device/0"),
        ("?page_size=0", "/page_size"),
        ("?open=true", "/open"),
        ("?state=OPEN&state=ALL", "/state"),
        ("?cursor=x", "/cursor"),
    ],
)
def test_bad_filters_are_refused(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(URL + query)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_pages(api: APIClient, organisation: Organisation) -> None:
    names = [f"E{number}" for number in range(5)]
    for name in names:
        add_note(factories.make_device(name, owner=organisation))
    found: list[str] = []
    url = f"{URL}?page_size=2"
    for _ in range(3):
        answer = api.get(url)
        found += [row["device_identification"] for row in answer.json()["results"]]
        url = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert url == ""
    assert found == names[::-1]


def test_an_organisation_is_told_of_granted_devices_only(
    api: APIClient, client_of: Callable[[str], APIClient], device: Device, other_organisation: Organisation
) -> None:
    add_note(device)
    strangers = client_of(factories.make_token(other_organisation))
    assert told(strangers, f"?state=ALL&device={device.identification}") == []
    factories.grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
    assert told(strangers) == told(api) == [(device.identification, "OPEN")]


def test_a_token_must_be_one_that_reads(
    client_of: Callable[[str], APIClient], organisation: Organisation
) -> None:
    assert APIClient().get(URL).status_code == 401
    assert client_of(factories.make_token(organisation, scopes=[])).get(URL).status_code == 403
