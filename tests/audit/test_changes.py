"""What leaves an entry: calls of the API, pages, logins and the command line."""

import os
import uuid
from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from osgp.accounts.models import ApiToken, DeviceAuthorisation, Organisation, User
from osgp.audit import changes
from osgp.audit.context import Actor, acting
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices.models import Device
from osgp.pages.access import ReadOnlyAdmin
from osgp.pages.site import NOT_TOLD
from osgp.requests.models import RequestState
from tests.admin.conftest import signed_in
from tests.factories import make_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser() -> Client:
    return signed_in(User.objects.create_superuser("root"))


def entries(*events: AuditEvent) -> list[AuditEntry]:
    rows = AuditEntry.objects.order_by("pk")
    return list(rows.filter(event__in=events) if events else rows)


def only(event: AuditEvent) -> AuditEntry:
    [entry] = entries(event)
    return entry


# --- The REST API ---


def test_a_message_its_response_and_its_deletion(api: APIClient, device: Device) -> None:
    headers = {"HTTP_X_REQUEST_ID": "call-1", "REMOTE_ADDR": "192.0.2.7"}
    body = {"device_identification": device.identification}
    answer = api.post("/api/v1/adhoc/synchronize-time/", body, format="json", **headers)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, "call-1")
    sent = only(AuditEvent.REQUEST_SENT)
    assert (sent.device_identification, str(sent.correlation_uid)) == (
        device.identification,
        answer.json()["correlation_uid"],
    )
    assert (sent.address, sent.request_id) == ("192.0.2.7", "call-1")
    assert (sent.details["message"], sent.actor) == ("SynchronizeTime", "portal")
    uid = answer.json()["correlation_uid"]
    url = f"/api/v1/adhoc/synchronize-time/{uid}/"
    # Nobody fetched anything yet.
    assert api.get(url).status_code == 202
    assert not entries(AuditEvent.RESPONSE_FETCHED)
    assert api.post(f"/api/v1/requests/{uid}/cancel/").status_code == 200
    assert api.post(f"/api/v1/requests/{uid}/cancel/").status_code == 200
    assert str(only(AuditEvent.REQUEST_CANCELLED).correlation_uid) == uid
    for _ in range(3):
        assert api.get(url).status_code == 200
    fetched = only(AuditEvent.RESPONSE_FETCHED)
    assert (fetched.actor, str(fetched.correlation_uid)) == ("portal", uid)
    assert api.delete(url, **headers).status_code == 204
    deleted = only(AuditEvent.RESPONSE_DELETED)
    assert (str(deleted.correlation_uid), deleted.address, deleted.actor) == (uid, "192.0.2.7", "portal")
    assert deleted.organisation_identification == "UTILITY"


def test_each_application_fetches_for_the_first_time(
    organisation: Organisation, device: Device, client_of: Callable[[str], APIClient]
) -> None:
    request = make_request(organisation, device, state=RequestState.SUCCEEDED)
    url = f"/api/v1/adhoc/synchronize-time/{request.correlation_uid}/"
    for application in ("one", "two", "one"):
        _, secret = ApiToken.issue(organisation, application)
        assert client_of(secret).get(url).status_code == 200
    assert [entry.actor for entry in entries(AuditEvent.RESPONSE_FETCHED)] == ["one", "two"]


def test_a_batch_is_one_line(api: APIClient, device: Device) -> None:
    body = {"message": "SynchronizeTime", "device_identifications": [device.identification]}
    assert api.post("/api/v1/requests/batch/", body, format="json").status_code == 202
    sent = only(AuditEvent.BATCH_SENT)
    assert (sent.details["message"], sent.details["devices"]) == ("SynchronizeTime", 1)
    assert not entries(AuditEvent.REQUEST_SENT)


def test_a_refused_message_leaves_nothing(api: APIClient, device: Device) -> None:
    body = {"device_identification": device.identification, "nonsense": 1}
    assert api.post("/api/v1/adhoc/synchronize-time/", body, format="json").status_code == 400
    assert not entries()


def test_settings_of_a_device_have_what_they_were(api: APIClient, device: Device) -> None:
    url = f"/api/v1/devices/{device.identification}/"
    assert api.patch(url, {"apdu_deadline": 40}, format="json").status_code == 200, api.patch(url).content
    changed = only(AuditEvent.CHANGED)
    assert changed.device_identification == device.identification
    assert changed.details["changes"] == {"own_settings": [None, {"apdu_deadline": 40}]}
    # The same again changes nothing.
    api.patch(url, {"apdu_deadline": 40}, format="json")
    assert len(entries(AuditEvent.CHANGED)) == 1


def test_an_export_is_told_with_its_filters(api: APIClient, device: Device) -> None:
    query = {"device": device.identification, "format": "csv"}
    assert api.get("/api/v1/readings/", query).status_code == 200
    details = only(AuditEvent.EXPORTED).details
    assert (details["what"], details["filters"]["device"]) == ("readings", [device.identification])


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "ä", "a\n"])
def test_an_id_that_is_not_well_formed_is_replaced(api: APIClient, given: str) -> None:
    made = api.get("/healthz", HTTP_X_REQUEST_ID=given).headers["X-Request-ID"]
    assert uuid.UUID(made).hex == made
    assert api.get("/healthz").headers["X-Request-ID"] != made


# --- The admin ---


def test_what_can_be_changed_in_the_admin_is_told() -> None:
    """Of each model: a new ModelAdmin is covered by itself, or it is read-only, or there is a reason."""
    for model, model_admin in admin.site._registry.items():
        if isinstance(model_admin, ReadOnlyAdmin):
            assert model not in changes.list_tracked()
            continue
        label = model._meta.label
        assert (model in changes.list_tracked()) != (label in NOT_TOLD), label
        for inline in model_admin.inlines:
            assert inline.model in changes.list_tracked()


def test_a_change_of_a_person_and_of_groups(superuser: Client, organisation: Organisation) -> None:
    user = User.objects.create_user("ans", password="old-secret-1234")
    group = Group.objects.create(name="operators")
    url = reverse("admin:accounts_user_change", args=[user.pk])
    form = {
        "username": "ans",
        "first_name": "Ans",
        "is_active": "on",
        "groups": [group.pk],
        "organisation": organisation.pk,
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    assert superuser.post(url, form).status_code == 302
    told = [entry.details for entry in entries(AuditEvent.CHANGED)]
    by_field = {name: value for details in told for name, value in details.get("changes", {}).items()}
    assert by_field["first_name"] == ["", "Ans"]
    assert by_field["organisation"] == [None, "UTILITY"]
    assert {"relation": "groups", "add": ["operators"]}.items() <= told[-1].items()
    posted = only(AuditEvent.PAGE_POSTED)
    assert posted.details["page"] == "accounts_user_change"
    assert "Ans" not in str(posted.details)
    password = reverse("admin:auth_user_password_change", args=[user.pk])
    passwords = {"password1": "new-secret-9876", "password2": "new-secret-9876", "usable_password": "true"}
    assert superuser.post(password, passwords).status_code == 302
    assert entries(AuditEvent.CHANGED)[-1].details["changes"] == {"password": "changed"}
    assert "secret-9876" not in str([entry.details for entry in entries()])
    right = Permission.objects.get(codename="view_device")
    with transaction.atomic(), acting(Actor("admin/root")):
        group.permissions.add(right)
    assert entries(AuditEvent.CHANGED)[-1].details["add"] == [str(right)]


def test_a_form_with_errors_is_no_event(superuser: Client) -> None:
    assert superuser.post(reverse("admin:auth_group_add"), {"name": ""}).status_code == 200
    assert not entries(AuditEvent.PAGE_POSTED, AuditEvent.ADDED)


def test_tokens_are_issued_and_revoked(superuser: Client, organisation: Organisation) -> None:
    form = {"organisation": organisation.pk, "application": "portal", "scopes": ["read"]}
    answer = superuser.post(reverse("admin:accounts_apitoken_add"), form)
    issued = only(AuditEvent.TOKEN_ISSUED)
    assert (issued.organisation_identification, issued.actor) == ("UTILITY", "admin/root")
    assert issued.details["values"]["digest"] == "changed"
    token = ApiToken.objects.get()
    assert answer.context["secret"] not in str([entry.details for entry in entries()])
    action = {"action": "revoke", "_selected_action": [token.pk]}
    assert superuser.post(reverse("admin:accounts_apitoken_changelist"), action).status_code == 302
    assert only(AuditEvent.TOKEN_REVOKED).organisation_identification == "UTILITY"
    posted = entries(AuditEvent.PAGE_POSTED)[-1]
    assert (posted.details["action"], posted.details["selected"]) == ("revoke", [str(token.pk)])


def test_a_grant_that_is_taken_away(organisation: Organisation, device: Device) -> None:
    grant = DeviceAuthorisation.objects.filter(device=device, organisation=organisation).first()
    assert grant is not None
    with transaction.atomic(), acting(Actor("admin/root")):
        grant.delete()
    deleted = only(AuditEvent.DELETED)
    assert (deleted.device_identification, deleted.organisation_identification) == (
        device.identification,
        "UTILITY",
    )
    assert deleted.details["values"]["function_group"] == grant.function_group


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_not_stored_leaves_no_line(organisation: Organisation, device: Device) -> None:
    device.model = "XMX"
    with acting(Actor("portal", "UTILITY")):
        with transaction.atomic():
            device.save()
            transaction.set_rollback(True)
        assert not entries()
        # Outside of a transaction both have one of their own.
        device.save()
    assert only(AuditEvent.CHANGED).details["changes"]["model"][1] == "XMX"


def test_the_platform_itself_leaves_no_line(device: Device) -> None:
    device.model = "XMX"
    device.save()
    assert not entries()


# --- Logins ---


def test_logins_failures_and_logouts(client: Client) -> None:
    User.objects.create_superuser("root", password="right-password")
    login = reverse("admin:login")
    wrong = {"username": "root" * 500, "password": "wrong-password"}
    assert client.post(login, wrong, REMOTE_ADDR="192.0.2.9").status_code == 200
    failed = only(AuditEvent.LOGIN_FAILED)
    assert (failed.address, failed.details["username"]) == ("192.0.2.9", ("root" * 500)[:80])
    assert "wrong-password" not in str(AuditEntry.objects.values())
    client.post(login, {"username": "root", "password": "right-password"}, REMOTE_ADDR="192.0.2.9")
    entry = only(AuditEvent.LOGGED_IN)
    assert (entry.actor, entry.address) == ("admin/root", "192.0.2.9")
    client.post(reverse("admin:logout"))
    assert only(AuditEvent.LOGGED_OUT).actor == "admin/root"


# --- The command line ---


@pytest.mark.django_db(transaction=True)
def test_the_command_line() -> None:
    from django.core.management import call_command

    from osgp.audit.command_line import acting_for_a_person

    with acting_for_a_person(["manage.py", "create_organisation"]):
        call_command("create_organisation", "NEWCOMER", "--name", "New")
        call_command("create_token", "NEWCOMER", "--application", "portal", stdout=open(os.devnull, "w"))  # noqa: SIM115
    added, issued = only(AuditEvent.ADDED), only(AuditEvent.TOKEN_ISSUED)
    for entry in (added, issued):
        assert (entry.actor, entry.organisation_identification) == ("command line", "NEWCOMER")
        assert entry.details["os_user"]
        assert entry.details["command"] == "create_organisation"
    with acting_for_a_person(["manage.py", "worker"]):
        call_command("create_organisation", "OTHER", "--name", "Other")
    assert len(entries(AuditEvent.ADDED)) == 1
