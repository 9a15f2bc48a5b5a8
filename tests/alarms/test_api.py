"""Alarms over REST: RetrievePushNotificationAlarm, lists with filters, and acknowledging."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.alarms import storing
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device
from osgp.events.models import Event
from osgp.networks.models import CommunicationNetwork
from tests.alarms.pushing import RECEIVED_AT
from tests.factories import grant, make_device, make_organisation, make_token

pytestmark = pytest.mark.django_db

URL = "/api/v1/alarms/"


def add_alarm(device: Device, *names: str, minutes: int = 0, **fields: Any) -> Alarm:
    with transaction.atomic():
        [alarm] = storing.store(
            [
                NewAlarm(
                    device,
                    RECEIVED_AT + timedelta(minutes=minutes),
                    "Push alarm monitor",
                    alarm_types=names or ("POWER_UP",),
                    registers={1: 4},
                    **fields,
                )
            ]
        )
    return alarm


def list_alarms(api: APIClient, query: str = "") -> list[str]:
    answer = api.get(URL + query)
    assert answer.status_code == 200, answer.json()
    return [row["alarm_uid"] for row in answer.json()["results"]]


def test_retrieve_push_notification_alarm(api: APIClient, device: Device) -> None:
    alarm = add_alarm(device, "POWER_UP", is_verified=True, unknown_bits=["1.17"])
    answer = api.get(f"{URL}{alarm.uid}/")
    assert answer.status_code == 200
    assert answer.json() == {
        "alarm_uid": str(alarm.uid),
        "device_identification": device.identification,
        "received_at": "2026-07-16T12:30:40Z",
        "happened_at": None,
        "trigger": "Push alarm monitor",
        "alarm_types": ["POWER_UP"],
        "unknown_bits": ["1.17"],
        "is_verified": True,
        "registers": {"1": 4},
        "acknowledged_at": None,
        "acknowledged_by": None,
        "note": None,
    }
    assert api.get(URL).json() == {"results": [answer.json()]}


def test_what_was_fetched_is_told_no_more(api: APIClient, device: Device) -> None:
    alarm = add_alarm(device)
    other = make_organisation("OTHER")
    Event.objects.create(organisation=other, kind="alarm.received", subject=alarm.uid)
    api.get(f"{URL}{alarm.uid}/")
    fetched = Event.objects.exclude(fetched_at=None).values_list("organisation__identification", flat=True)
    assert list(fetched) == ["UTILITY"]


def test_what_is_unknown_or_foreign_is_404(api: APIClient) -> None:
    foreign = add_alarm(make_device("E0000000000000009", owner=make_organisation("OTHER")))
    for uid in (foreign.uid, uuid.uuid4(), "nonsense"):
        answer = api.get(f"{URL}{uid}/")
        assert answer.status_code == 404
        assert answer.json()["code"] == 405
    assert list_alarms(api) == []
    answer = api.post(f"{URL}acknowledge/", {"alarms": [str(foreign.uid)]}, format="json")
    assert answer.json() == {"acknowledged": 0}
    foreign.refresh_from_db()
    assert foreign.acknowledged_at is None


@pytest.mark.parametrize(
    ("group", "sees", "may"),
    [("MONITORING", True, False), ("MANAGEMENT", True, True), ("AD_HOC", False, False)],
)
def test_rights(api: APIClient, organisation: Organisation, group: str, sees: bool, may: bool) -> None:
    device = make_device("E0000000000000009", owner=make_organisation("OTHER"))
    grant(organisation, device, group)
    alarm = add_alarm(device)
    assert bool(list_alarms(api)) == sees
    answer = api.post(f"{URL}acknowledge/", {"alarms": [str(alarm.uid)]}, format="json")
    assert answer.json() == {"acknowledged": int(may)}


def test_scopes(device: Device, organisation: Organisation, client_of: Any) -> None:
    alarm = add_alarm(device)
    reading = client_of(make_token(organisation, scopes=["read"]))
    managing = client_of(make_token(organisation, scopes=["management"]))
    assert reading.get(URL).status_code == 200
    assert managing.get(URL).status_code == 403
    body = {"alarms": [str(alarm.uid)]}
    assert reading.post(f"{URL}acknowledge/", body, format="json").status_code == 403
    assert managing.post(f"{URL}acknowledge/", body, format="json").json() == {"acknowledged": 1}


def test_filters(api: APIClient, device: Device, organisation: Organisation) -> None:
    network = CommunicationNetwork.objects.create(name="LTE")
    other = make_device("E0000000000000009", owner=organisation, network=network)
    first = str(add_alarm(device, "POWER_UP").uid)
    second = str(add_alarm(device, "FRAUD_ATTEMPT", "POWER_UP", minutes=10, is_verified=True).uid)
    third = str(add_alarm(other, "FRAUD_ATTEMPT", minutes=20).uid)
    api.post(f"{URL}acknowledge/", {"alarms": [first]}, format="json")
    assert list_alarms(api) == [third, second, first]
    assert list_alarms(api, f"?device={device.identification}") == [second, first]
    assert list_alarms(api, f"?device={device.identification}&device={other.identification}") == [
        third,
        second,
        first,
    ]
    assert list_alarms(api, "?alarm_type=POWER_UP") == [second, first]
    assert list_alarms(api, "?alarm_type=POWER_UP&alarm_type=FRAUD_ATTEMPT") == [third, second, first]
    assert list_alarms(api, "?network=LTE") == [third]
    assert list_alarms(api, "?from=2026-07-16T12:40:40Z&until=2026-07-16T12:50:40Z") == [second]
    assert list_alarms(api, "?acknowledged=true") == [first]
    assert list_alarms(api, "?acknowledged=false") == [third, second]
    assert list_alarms(api, "?verified=true") == [second]


def test_pages(api: APIClient, device: Device) -> None:
    expected = [str(add_alarm(device, minutes=number).uid) for number in range(5)][::-1]
    answer = api.get(f"{URL}?page_size=3")
    assert [row["alarm_uid"] for row in answer.json()["results"]] == expected[:3]
    following = answer["Link"].partition(">")[0].lstrip("<")
    assert [row["alarm_uid"] for row in api.get(following).json()["results"]] == expected[3:]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?alarm_type=NONSENSE", "/alarm_type/0"),
        ("?acknowledged=perhaps", "/acknowledged"),
        ("?from=yesterday", "/from"),
        ("?from=2026-07-16T12:00:00Z&until=2026-07-16T12:00:00Z", "/until"),
        ("?page=2", "/page"),
        ("?device=a-b", "/device/0"),
    ],
)
def test_bad_filters(api: APIClient, query: str, pointer: str) -> None:
    answer = api.get(URL + query)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/alarms"),
        ({"alarms": []}, "/alarms"),
        ({"alarms": ["nonsense"]}, "/alarms/0"),
        ({"alarms": [str(uuid.UUID(int=1))], "filter": {}}, "/alarms"),
        ({"filter": {"alarm_type": ["NONSENSE"]}}, "/filter/alarm_type/0"),
        ({"filter": {"colour": "red"}}, "/filter/colour"),
        ({"filter": {}, "note": "x" * 501}, "/note"),
    ],
    ids=str,
)
def test_bad_bodies(api: APIClient, device: Device, body: dict[str, Any], pointer: str) -> None:
    alarm = add_alarm(device)
    answer = api.post(f"{URL}acknowledge/", body, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None


def test_many_are_acknowledged_at_once(api: APIClient, device: Device) -> None:
    for number in range(5):
        add_alarm(device, "POWER_UP", minutes=number)
    kept = add_alarm(device, "FRAUD_ATTEMPT")
    body = {"filter": {"alarm_type": ["POWER_UP"]}, "note": "The substation was switched."}
    assert api.post(f"{URL}acknowledge/", body, format="json").json() == {"acknowledged": 5}
    assert api.post(f"{URL}acknowledge/", body, format="json").json() == {"acknowledged": 0}
    assert dict(AlarmGroup.objects.values_list("kind", "unacknowledged")) == {
        "POWER_UP": 0,
        "FRAUD_ATTEMPT": 1,
    }
    row = api.get(f"{URL}?alarm_type=POWER_UP&page_size=1").json()["results"][0]
    assert (row["acknowledged_by"], row["note"]) == ("portal", "The substation was switched.")
    assert list_alarms(api, "?acknowledged=false") == [str(kept.uid)]
