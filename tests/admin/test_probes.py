"""Probes in the admin: a button sends one, its page shows what was found, and a button applies that."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import Action, ActionState, Request, RequestState
from tests.admin.conftest import make_user, signed_in
from tests.factories import make_gas_meter, make_request
from tests.state_check import states_by_hand

FINDINGS = [
    {
        "setting": "with_list_max",
        "seen": "Lists of up to 4 attributes came. <One> of 8 failed.",
        "value": 4,
        "proposed": 4,
        "current": 1,
    },
    {
        "setting": "selective_access",
        "seen": "It refused a range that names columns.",
        "value": False,
        "proposed": False,
        "current": True,
    },
    {
        "setting": "logical_device_address",
        "seen": "There are the logical devices 1.",
        "value": 1,
        "proposed": 1,
        "current": 9,
    },
]
METER = {"logical_device_name": "KFM1", "firmware": "V1", "clock_ahead": 0.0, "local_time": "UTC+01:00"}
RESULT = {"meter": METER, "findings": FINDINGS, "applied": {}, "round_trips": 41, "seconds": 1.5}


def send(client: Client, device: Device) -> Any:
    return client.post(reverse("admin:requests_request_probe", args=[device.pk]))


def apply(client: Client, request: Request) -> Any:
    return client.post(reverse("admin:requests_request_apply", args=[request.pk]))


def show(client: Client, request: Request) -> str:
    return client.get(reverse("admin:requests_request_change", args=[request.pk])).content.decode()


@pytest.fixture
def probed(organisation: Organisation, device: Device) -> Request:
    """A probe that was carried out."""
    request = make_request(organisation, device, "ProbeMeter")
    with states_by_hand():
        Request.objects.update(state=RequestState.SUCCEEDED, completed_at=request.created_at)
        Action.objects.update(state=ActionState.DONE, result=RESULT)
    return request


@pytest.fixture
def failed(organisation: Organisation, device: Device) -> Request:
    """A probe of a meter that was not reached."""
    request = make_request(organisation, device, "ProbeMeter")
    fault = {
        "code": 229,
        "name": "SOCKET_CLOSED_BY_REMOTE",
        "message": "the meter closed",
        "retryable": False,
    }
    fault["component"] = "PROTOCOL_DLMS"
    with states_by_hand():
        Request.objects.update(state=RequestState.FAILED, completed_at=request.created_at, fault=fault)
        Action.objects.update(state=ActionState.FAULT, partial_result=RESULT, fault=fault)
    return request


def test_the_button_sends_a_probe(operator: Client, organisation: Organisation, device: Device) -> None:
    page = operator.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    assert reverse("admin:requests_request_probe", args=[device.pk]) in page
    answer = send(operator, device)
    request = Request.objects.get()
    assert answer.url == reverse("admin:requests_request_change", args=[request.pk])
    assert (request.message, request.device, request.organisation) == ("ProbeMeter", device, organisation)
    assert request.application == "admin/joost"
    assert Action.objects.get().parameters == {}


def test_only_by_post_and_with_the_permission_to_send(operator: Client, device: Device) -> None:
    assert operator.get(reverse("admin:requests_request_probe", args=[device.pk])).status_code == 403
    looker = signed_in(make_user("ans", None, "view_request", "view_device"))
    assert send(looker, device).status_code == 403
    assert not Request.objects.exists()


def test_devices_of_others_are_not_there(stranger: Client, device: Device) -> None:
    assert send(stranger, device).status_code == 404
    assert not Request.objects.exists()


def test_a_probe_that_is_refused_says_why(
    superuser: Client, organisation: Organisation, device: Device
) -> None:
    gas = make_gas_meter(gateway=device, channel=1, owner=organisation)
    page = superuser.get(reverse("admin:devices_device_change", args=[gas.pk])).content.decode()
    assert reverse("admin:requests_request_probe", args=[gas.pk]) not in page
    answer = superuser.post(reverse("admin:requests_request_probe", args=[gas.pk]), follow=True)
    assert b"The probe was not sent" in answer.content
    assert not Request.objects.exists()


def test_the_page_shows_a_table(operator: Client, probed: Request) -> None:
    page = show(operator, probed)
    assert "Lists of up to 4 attributes came. &lt;One&gt; of 8 failed." in page
    assert "<b>4</b>" in page
    assert "<b>no</b>" in page
    assert "Apply these" in page
    assert "To be judged" in page


@pytest.mark.parametrize("which", ["probed", "failed"])
def test_what_is_proposed_is_applied(
    operator: Client, device: Device, which: str, request: pytest.FixtureRequest
) -> None:
    probe = request.getfixturevalue(which)
    Device.objects.update(with_list_max=0, logical_device_address=9)
    assert "Apply these" in show(operator, probe)
    assert apply(operator, probe).status_code == 302
    device.refresh_from_db()
    assert (device.with_list_max, device.selective_access) == (4, False)
    # Another meter may be at an address: that is for people.
    assert device.logical_device_address == 9
    entry = LogEntry.objects.get()
    assert entry.object_id == str(device.pk)
    assert "with_list_max 4, selective_access no" in entry.change_message


def test_applying_needs_the_permission_to_change_devices(
    operator: Client, stranger: Client, probed: Request, organisation: Organisation, device: Device
) -> None:
    looker = signed_in(make_user("ans", organisation, "view_request", "add_request", "view_device"))
    assert "Apply these" not in show(looker, probed)
    assert apply(looker, probed).status_code == 403
    assert apply(stranger, probed).status_code in {403, 404}
    assert operator.get(reverse("admin:requests_request_apply", args=[probed.pk])).status_code == 403
    device.refresh_from_db()
    assert device.selective_access is True


def test_other_requests_have_nothing_to_apply(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    other = make_request(organisation, device, "ActualMeterReads")
    assert apply(operator, other).status_code == 404
