"""Messages that change what the platform knows of a device: from HTTP to the row, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.messages.serializers import utc_text
from osgp.requests.models import Request, RequestState
from osgp.visits.platform_requests import perform_due
from tests.factories import grant, make_device, make_token

SETTINGS = "/api/v1/management/set-device-communication-settings/"
PROTOCOL = "/api/v1/management/update-protocol/"
ENABLE = "/api/v1/management/enable-debugging/"
DISABLE = "/api/v1/management/disable-debugging/"
BODIES: list[tuple[str, dict[str, Any]]] = [
    (SETTINGS, {"polyphase": True}),
    (PROTOCOL, {"protocol_name": "SMR", "protocol_version": "5.2"}),
    (ENABLE, {}),
    (DISABLE, {}),
]


def post(api: APIClient, url: str, device: Device | str, **parameters: Any) -> Any:
    identification = device if isinstance(device, str) else device.identification
    return api.post(url, {"device_identification": identification, **parameters}, format="json")


def outcome(api: APIClient, url: str, device: Device, **parameters: Any) -> dict[str, Any]:
    """The final answer to a message that is accepted."""
    answer = post(api, url, device, **parameters)
    assert answer.status_code == 202, answer.json()
    assert perform_due(10) == 1
    final = api.get(answer.json()["url"])
    assert final.status_code == 200
    body: dict[str, Any] = final.json()
    return body


def columns(device: Device) -> dict[str, Any]:
    """Everything in the row but when it was written."""
    row = Device.objects.filter(pk=device.pk).values().get()
    del row["updated_at"]
    return row


def refused(answer: Any) -> tuple[int, int, list[str]]:
    """Status, code and where the fault is; nothing was stored."""
    assert not Request.objects.exists()
    body = answer.json()
    return answer.status_code, body["code"], [error["pointer"] for error in body.get("errors", [])]


# SetDeviceCommunicationSettings


def test_only_given_settings_change(api: APIClient, device: Device) -> None:
    before = columns(device)
    body = outcome(api, SETTINGS, device, challenge_length=8, selective_access=False)
    assert body["status"] == "SUCCEEDED"
    assert body["result"] == {
        "challenge_length": 8,
        "with_list_max": 1,
        "selective_access": False,
        "transport": "WRAPPER",
        "polyphase": False,
    }
    assert columns(device) == before | {"challenge_length": 8, "selective_access": False}
    body = outcome(api, SETTINGS, device, with_list_max=32, transport="HDLC", polyphase=True)
    assert body["result"] == {
        "challenge_length": 8,
        "with_list_max": 32,
        "selective_access": False,
        "transport": "HDLC",
        "polyphase": True,
    }


@pytest.mark.parametrize(
    ("parameters", "code", "pointer"),
    [
        ({"challenge_length": 7}, 213, "/challenge_length"),
        ({"challenge_length": 65}, 213, "/challenge_length"),
        ({"challenge_length": "16"}, 401, "/challenge_length"),
        ({"with_list_max": 0}, 401, "/with_list_max"),
        ({"with_list_max": 256}, 401, "/with_list_max"),
        ({"transport": "UDP"}, 401, "/transport"),
        ({"polyphase": None}, 401, "/polyphase"),
        ({"selective_access": 1}, 401, "/selective_access"),
        ({"use_hdlc": True, "polyphase": True}, 401, "/use_hdlc"),
        ({}, 401, ""),
    ],
)
def test_bad_settings_are_refused(
    api: APIClient, device: Device, parameters: dict[str, Any], code: int, pointer: str
) -> None:
    before = columns(device)
    assert refused(post(api, SETTINGS, device, **parameters)) == (400, code, [pointer])
    assert columns(device) == before


def test_the_address_must_fit_hdlc(api: APIClient, organisation: Organisation) -> None:
    device = make_device(owner=organisation, logical_device_address=16384)
    assert refused(post(api, SETTINGS, device, transport="HDLC")) == (400, 401, ["/transport"])


@pytest.mark.parametrize(
    "parameters", [{"challenge_length": 16}, {"transport": "HDLC"}, {"selective_access": False}]
)
def test_an_mbus_device_has_no_settings_of_its_own(
    api: APIClient, gas_meter: Device, parameters: dict[str, Any]
) -> None:
    before = columns(gas_meter)
    answer = post(api, SETTINGS, gas_meter, **parameters)
    assert refused(answer) == (400, 401, ["/device_identification"])
    assert columns(gas_meter) == before


# UpdateProtocol


def test_the_protocol_changes(api: APIClient, device: Device) -> None:
    before = columns(device)
    body = outcome(api, PROTOCOL, device, protocol_name="smr", protocol_version="5.2", protocol_variant="X")
    told = {"protocol_name": "SMR", "protocol_version": "5.2", "protocol_variant": "X"}
    assert body["result"] == told
    assert columns(device) == before | told
    body = outcome(api, PROTOCOL, device, protocol_name="DSMR", protocol_version="4.2.2")
    assert columns(device) == before | body["result"]
    assert body["result"]["protocol_variant"] == ""


@pytest.mark.parametrize(
    ("parameters", "code", "pointer"),
    [
        ({"protocol_name": "SMR", "protocol_version": "9.9"}, 206, "/protocol_version"),
        ({"protocol_name": "OTHER", "protocol_version": "5.1"}, 206, "/protocol_version"),
        ({"protocol_name": "SMR"}, 401, "/protocol_version"),
        ({"protocol_version": "5.1"}, 401, "/protocol_name"),
        ({"protocol_name": "SMR", "protocol_version": 5.1}, 401, "/protocol_version"),
        ({"protocol_name": "SMR", "protocol_version": "5.1", "protocol": "SMR"}, 401, "/protocol"),
    ],
)
def test_an_unknown_protocol_changes_nothing(
    api: APIClient, device: Device, parameters: dict[str, Any], code: int, pointer: str
) -> None:
    before = columns(device)
    assert refused(post(api, PROTOCOL, device, **parameters)) == (400, code, [pointer])
    assert columns(device) == before


# EnableDebugging, DisableDebugging


def test_debugging_ends_by_itself(api: APIClient, device: Device) -> None:
    earliest = timezone.now() + timedelta(hours=24)
    body = outcome(api, ENABLE, device)
    device.refresh_from_db()
    assert device.debugging_until is not None
    assert earliest <= device.debugging_until <= timezone.now() + timedelta(hours=24)
    assert body["result"] == {"debugging_until": utc_text(device.debugging_until)}
    assert device.is_debugged
    device.debugging_until = timezone.now() - timedelta(seconds=1)
    assert not device.is_debugged


def test_debugging_until_a_given_time(api: APIClient, device: Device) -> None:
    until = utc_text((timezone.now() + timedelta(days=30)).replace(microsecond=0))
    assert outcome(api, ENABLE, device, until=until)["result"] == {"debugging_until": until}


@pytest.mark.parametrize("days", [-1, 32])
def test_an_end_in_the_past_or_far_away_is_refused(api: APIClient, device: Device, days: int) -> None:
    until = utc_text(timezone.now() + timedelta(days=days))
    assert refused(post(api, ENABLE, device, until=until)) == (400, 401, ["/until"])
    assert not Device.objects.get().is_debugged


def test_an_end_that_passed_before_its_turn_came(api: APIClient, device: Device) -> None:
    until = timezone.now() + timedelta(days=1)
    answer = post(api, ENABLE, device, until=utc_text(until))
    stored = Request.objects.get()
    late = {"until": utc_text(timezone.now() - timedelta(minutes=1))}
    stored.actions.update(parameters=late)
    assert perform_due(10) == 1
    body = api.get(answer.json()["url"]).json()
    assert (body["status"], body["fault"]["code"]) == ("FAILED", 401)
    assert not Device.objects.get().is_debugged


def test_debugging_is_switched_off(api: APIClient, device: Device) -> None:
    outcome(api, ENABLE, device)
    assert outcome(api, DISABLE, device)["result"] == {"debugging_until": None}
    assert not Device.objects.get().is_debugged


# Rights


@pytest.mark.parametrize(("url", "parameters"), BODIES)
def test_a_device_of_others_does_not_exist(
    api: APIClient, other_organisation: Organisation, url: str, parameters: dict[str, Any]
) -> None:
    foreign = make_device("FOREIGN", owner=other_organisation)
    before = columns(foreign)
    pointer = ["/device_identification"]
    assert refused(post(api, url, foreign, **parameters)) == (404, 201, pointer)
    assert refused(post(api, url, "NOWHERE", **parameters)) == (404, 201, pointer)
    assert columns(foreign) == before


@pytest.mark.parametrize(("url", "parameters"), BODIES)
def test_owners_and_managers_may(
    api: APIClient, organisation: Organisation, url: str, parameters: dict[str, Any]
) -> None:
    device = make_device()
    grant(organisation, device, DeviceFunctionGroup.MONITORING)
    assert refused(post(api, url, device, **parameters)) == (403, 301, ["/device_identification"])
    grant(organisation, device, DeviceFunctionGroup.MANAGEMENT)
    assert outcome(api, url, device, **parameters)["status"] == RequestState.SUCCEEDED


@pytest.mark.parametrize(("url", "parameters"), BODIES)
def test_a_right_that_was_taken_meanwhile(
    api: APIClient, device: Device, url: str, parameters: dict[str, Any]
) -> None:
    before = columns(device)
    answer = post(api, url, device, **parameters)
    DeviceAuthorisation.objects.all().delete()
    perform_due(10)
    body = api.get(answer.json()["url"]).json()
    assert (body["status"], body["fault"]["code"]) == ("FAILED", 201)
    assert columns(device) == before


@pytest.mark.parametrize(("url", "parameters"), BODIES)
def test_the_scope_management_is_needed(
    organisation: Organisation,
    client_of: Callable[[str], APIClient],
    device: Device,
    url: str,
    parameters: dict[str, Any],
) -> None:
    others = client_of(make_token(organisation, scopes=["read", "configuration"]))
    assert refused(post(others, url, device, **parameters)) == (403, 301, [])
