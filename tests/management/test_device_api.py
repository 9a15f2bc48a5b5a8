"""GET and PATCH /api/v1/devices/{identification}/: a device, its settings, and what was learned of it."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup, Scope
from osgp.accounts.models import Organisation
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device, MeterKnowledge, SharedSettings
from tests.factories import grant, make_device, make_organisation, make_token

pytestmark = pytest.mark.django_db


def url(device: Device) -> str:
    return f"/api/v1/devices/{device.identification}/"


def patch(api: APIClient, device: Device, **changes: Any) -> Any:
    return api.patch(url(device), changes, format="json")


def refused(answer: Any) -> tuple[int, int, list[str]]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    return answer.status_code, body["code"], sorted(error["pointer"] for error in body.get("errors", []))


def test_what_holds_and_where_it_comes_from(api: APIClient, device: Device) -> None:
    Device.objects.update(model="E360", own_settings={"attempts": 5}, with_list_max=0)
    SharedSettings.objects.create(kind="MODEL", name="E360", settings={"with_list_max": 8, "attempts": 2})
    SharedSettings.objects.create(kind="PROFILE", name="SMR-5.1", settings={"carrier": "UDP"})
    body = api.get(url(device)).json()
    assert body["device_identification"] == device.identification
    assert body["own_settings"] == {"attempts": 5}
    assert list(body["settings"]) == list(SETTINGS)
    assert body["settings"]["attempts"] == {"value": 5, "source": "DEVICE"}
    assert body["settings"]["with_list_max"] == {"value": 8, "source": "MODEL"}
    assert body["settings"]["carrier"] == {"value": "UDP", "source": "PROFILE"}
    assert body["settings"]["range_bounds"] == {"value": None, "source": "DEFAULT"}
    assert body["learned"] == {"habits": {}, "checked": {}}


def test_what_was_learned(api: APIClient, device: Device) -> None:
    content = {"descriptions": {}, "habits": {"with_list_max": "8"}}
    row = MeterKnowledge.objects.create(digest="0" * 32, content=content)
    checked = {"REGISTERS": "2026-03-01T12:00:00+00:00"}
    Device.objects.update(knowledge=row, knowledge_checked=checked)
    assert api.get(url(device)).json()["learned"] == {"habits": {"with_list_max": "8"}, "checked": checked}


def test_an_m_bus_device_has_none(api: APIClient, gas_meter: Device) -> None:
    body = api.get(url(gas_meter)).json()
    assert (body["own_settings"], body["settings"], body["learned"]) == (None, None, None)
    assert refused(patch(api, gas_meter, attempts=2)) == (400, 401, ["/attempts"])


def test_settings_are_changed_and_removed(api: APIClient, device: Device) -> None:
    answer = patch(api, device, pause_between_connections=3, counter_object="0.0.43.1.1.255", with_list_max=2)
    assert answer.status_code == 200, answer.json()
    own = {"pause_between_connections": 3.0, "counter_object": "0-0:43.1.1.255", "with_list_max": 2}
    assert answer.json()["own_settings"] == own
    answer = patch(api, device, pause_between_connections=None)
    assert answer.json()["own_settings"] == {name: own[name] for name in own if not name.startswith("pause")}
    assert answer.json()["settings"]["pause_between_connections"] == {"value": 0.0, "source": "DEFAULT"}


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"hdlc_window": 3}, ["/hdlc_window"]),
        (
            {"attempts": 0, "carrier": "SMS", "client_address": "1"},
            ["/attempts", "/carrier", "/client_address"],
        ),
        ({"attempts": 3, "colour": 1}, ["/colour"]),
        ({"security": "NONE"}, ["/security"]),
        ({}, [""]),
    ],
)
def test_what_is_refused(
    api: APIClient, device: Device, changes: dict[str, Any], pointers: list[str]
) -> None:
    assert refused(patch(api, device, **changes)) == (400, 401, pointers)
    device.refresh_from_db()
    assert device.own_settings is None


def test_hdlc_and_udp(api: APIClient, organisation: Organisation) -> None:
    device = make_device("E7", owner=organisation, framing="HDLC")
    assert refused(patch(api, device, carrier="UDP")) == (400, 401, ["/carrier"])


def test_who_may(api: APIClient, organisation: Organisation) -> None:
    other = make_organisation("OTHER")
    device = make_device("E8", owner=other)
    assert refused(api.get(url(device)))[:2] == (404, 201)
    assert refused(patch(api, device, attempts=2))[:2] == (404, 201)
    grant(organisation, device, DeviceFunctionGroup.MANAGEMENT)
    assert api.get(url(device)).status_code == 200
    assert refused(patch(api, device, attempts=2))[:2] == (403, 301)
    assert api.get("/api/v1/devices/E%00/").status_code == 404


@pytest.mark.parametrize(("scope", "statuses"), [(Scope.READ, (200, 403)), (Scope.MANAGEMENT, (403, 200))])
def test_scopes(
    client_of: Callable[[str], APIClient],
    organisation: Organisation,
    device: Device,
    scope: Scope,
    statuses: tuple[int, int],
) -> None:
    api = client_of(make_token(organisation, scopes=[scope]))
    assert (api.get(url(device)).status_code, patch(api, device, attempts=2).status_code) == statuses


def test_the_document_has_all_settings(api: APIClient) -> None:
    document = api.get("/api/v1/schema/?format=json").json()
    change = document["paths"]["/api/v1/devices/{identification}/"]["patch"]
    name = change["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    properties = document["components"]["schemas"][name]["properties"]
    assert list(properties) == list(SETTINGS)
    window = properties["hdlc_window"]
    assert (window["minimum"], window["maximum"], window["nullable"]) == (1, 7, True)
    assert window["description"] == SETTINGS["hdlc_window"].describe()
