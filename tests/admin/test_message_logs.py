"""Operators read message logs, as far as their organisation may; devices show relay and debugging."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device, RelayStatus
from osgp.message_logs.models import MessageLog
from osgp.pages import message_logs as admin
from osgp.requests.models import MeterSession
from tests.admin.conftest import OPERATOR_PERMISSIONS, make_user, signed_in
from tests.factories import grant, make_device, make_request
from tests.message_logs.test_reading import fill

LIST = reverse("admin:message_logs_messagelog_changelist")


def page_of(device: Device) -> str:
    return reverse("admin:message_logs_messagelog_device", args=[device.pk])


def reader(organisation: Organisation | None, name: str = "els") -> Client:
    """Somebody who may read message logs, and all that operators may."""
    return signed_in(make_user(name, organisation, "view_messagelog", *OPERATOR_PERMISSIONS))


def debugged(device: Device, hours: float) -> Device:
    device.debugging_until = timezone.now() + timedelta(hours=hours)
    device.save()
    return device


# The list


def test_the_list_has_devices_that_are_or_were_debugged(
    superuser: Client, organisation: Organisation
) -> None:
    on = debugged(make_device("ON"), 3)
    fill(on, 2, at=timezone.now())
    off = debugged(make_device("OFF"), -3)
    debugged(make_device("LONGAGO"), -24 * 30)
    make_device("NEVER")
    answer = superuser.get(LIST)
    assert list(answer.context["devices"]) == [on, off]
    assert page_of(on) in answer.content.decode()
    assert "none yet" in answer.content.decode()


def test_an_empty_list_says_what_to_do(superuser: Client) -> None:
    assert "EnableDebugging" in superuser.get(LIST).content.decode()


# The page of a device


def test_a_log_reads_as_a_conversation(superuser: Client, organisation: Organisation, device: Device) -> None:
    request = make_request(organisation, device, state="SUCCEEDED")
    rows = fill(device, 4, message="ActualMeterReads", correlation_uid=request.correlation_uid)
    MessageLog.objects.filter(pk=rows[0].pk).update(
        message="", correlation_uid=None, description="<b>\n" + "\n".join(f"line {n}" for n in range(20))
    )
    MessageLog.objects.filter(pk=rows[3].pk).update(apdu="c4" * 20, length=9000)
    answer = superuser.get(page_of(device))
    text = answer.content.decode()
    first, second, *_, last = answer.context["conversation"]
    assert (first.begins, second.begins, last.begins) == (True, True, False)
    assert (first.is_sent, second.is_sent) == (True, False)
    assert (first.request, second.request) == (None, request.pk)
    assert last.after == timedelta(seconds=3)
    assert first.beginning.splitlines()[-1] == "line 1"
    assert first.rest[0] == "line 2"
    assert last.octets == [("0000", " ".join(["c4"] * 16)), ("0010", "c4 c4 c4 c4")]
    assert "&lt;b&gt;" in text
    assert "<b>\n" not in text
    assert "the first 4096 of 9000" in text
    assert reverse("admin:requests_request_change", args=[request.pk]) in text
    assert "→" in text
    assert "←" in text


def test_visits_are_chosen(superuser: Client, device: Device) -> None:
    early = fill(device, 1, description="the early one")
    late = fill(device, 3, at=timezone.now(), description="the late one")
    MeterSession.objects.filter(pk=late[0].session_id).update(
        fault={"code": 229, "name": "SOCKET_CLOSED_BY_REMOTE", "message": "gone"}
    )
    answer = superuser.get(page_of(device))
    assert [(visit.key, visit.count) for visit in answer.context["visits"]] == [
        (late[0].session_id, 3),
        (early[0].session_id, 1),
    ]
    assert "the late one" in answer.content.decode()
    assert "gone" in answer.content.decode()
    answer = superuser.get(page_of(device), {"visit": str(early[0].session_id)})
    assert "the early one" in answer.content.decode()
    assert "the late one" not in answer.content.decode()
    for unknown in (str(uuid.uuid4()), "x"):
        answer = superuser.get(page_of(device), {"visit": unknown})
        assert answer.status_code == 200
        assert not answer.context["conversation"]


def test_a_log_outlives_what_is_known_of_the_visit(superuser: Client, device: Device) -> None:
    fill(device, 1, description="still here")
    MeterSession.objects.all().delete()
    answer = superuser.get(page_of(device))
    assert "still here" in answer.content.decode()
    assert "metersession" not in answer.content.decode().partition("conversation-head")[2]


def test_long_logs_have_pages(superuser: Client, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "MESSAGES_PER_PAGE", 2)
    fill(device, 5)
    answer = superuser.get(page_of(device))
    assert [message.row.number for message in answer.context["conversation"]] == [1, 2]
    answer = superuser.get(page_of(device), {"p": "3"})
    assert [message.row.number for message in answer.context["conversation"]] == [5]


def test_a_device_without_log(superuser: Client, device: Device) -> None:
    assert "Nothing is logged." in superuser.get(page_of(device)).content.decode()


def test_the_number_of_queries_does_not_grow(
    superuser: Client, organisation: Organisation, device: Device, django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        request = make_request(organisation, device, state="SUCCEEDED")
        fill(device, 20, message="ActualMeterReads", correlation_uid=request.correlation_uid)
    with django_assert_max_num_queries(12):
        superuser.get(page_of(device))


# Rights


def test_organisations_read_the_logs_of_their_devices(
    organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    debugged(device, 1)
    theirs = make_request(other_organisation, device, state="SUCCEEDED")
    fill(device, 1, message="ActualMeterReads", correlation_uid=theirs.correlation_uid)
    watched = make_device("WATCHED")
    grant(organisation, watched, DeviceFunctionGroup.MONITORING)
    foreign = make_device("FOREIGN", owner=other_organisation)
    for other in (watched, foreign):
        debugged(other, 1)
        fill(other, 1)
    client = reader(organisation)
    assert list(client.get(LIST).context["devices"]) == [device]
    answer = client.get(page_of(device))
    assert answer.status_code == 200
    assert str(theirs.correlation_uid) not in answer.content.decode()
    for other in (watched, foreign):
        assert client.get(page_of(other)).status_code == 404


def test_the_permission_is_needed(operator: Client, device: Device) -> None:
    fill(device, 1)
    assert operator.get(LIST).status_code == 403
    assert operator.get(page_of(device)).status_code == 403
    assert page_of(device) not in device_page(operator, device)
    session = reverse("admin:requests_metersession_change", args=[MeterSession.objects.get().pk])
    assert "Message log" not in operator.get(session).content.decode()


def test_nothing_can_be_changed(superuser: Client, device: Device) -> None:
    (row,) = fill(device, 1)
    assert superuser.post(LIST, {"action": "delete_selected"}).status_code == 403
    assert superuser.post(page_of(device)).status_code == 403
    for name in ("change", "delete"):
        url = reverse(f"admin:message_logs_messagelog_{name}", args=[row.pk])
        assert superuser.get(url).status_code in (403, 404)
        assert superuser.post(url, {"post": "yes"}).status_code in (403, 404)
    assert superuser.get(reverse("admin:message_logs_messagelog_add")).status_code == 403
    assert MessageLog.objects.count() == 1


# Where it is linked from


def device_page(client: Client, device: Device) -> str:
    text: str = client.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    return text


def test_devices_and_visits_lead_to_the_log(organisation: Organisation, device: Device) -> None:
    client = reader(organisation)
    (row,) = fill(device, 1)
    assert page_of(device) in device_page(client, device)
    assert "Debugging" not in device_page(client, device)
    assert "Debugging" in device_page(client, debugged(device, 1))
    session = client.get(
        reverse("admin:requests_metersession_change", args=[row.session_id])
    ).content.decode()
    assert f"{page_of(device)}?visit={row.session_id}" in session


def test_the_list_of_devices_tells_relay_and_debugging(superuser: Client) -> None:
    off = make_device("OFF", relay_status=RelayStatus.DISCONNECTED, relay_status_as_of=timezone.now())
    make_device("READY", relay_status=RelayStatus.READY_FOR_RECONNECTION)
    debugged(make_device("DEBUGGED"), 1)
    debugged(make_device("ONCE"), -1)
    url = reverse("admin:devices_device_changelist")
    text = superuser.get(url).content.decode()
    assert f"Disconnected as of {off.relay_status_as_of:%Y-%m-%d}" in text
    assert 'title="Ready for reconnection"' in text
    found = superuser.get(url, {"relay_status__exact": "DISCONNECTED"}).context["cl"].result_list
    assert [device.identification for device in found] == ["OFF"]
    found = superuser.get(url, {"debugging": "on"}).context["cl"].result_list
    assert [device.identification for device in found] == ["DEBUGGED"]
