"""The audit trail in the admin: found by device, event, organisation and time; nobody changes it."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.audit.keeping import record
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices.models import Device
from tests.admin.conftest import make_user, signed_in
from tests.factories import make_request

LIST = "admin:audit_auditentry_changelist"


@transaction.atomic
def add(event: AuditEvent = AuditEvent.KEYS_HANDED_OUT, **fields: Any) -> AuditEntry:
    return AuditEntry.objects.get(pk=record(event, **{"organisation": "UTILITY", "actor": "portal"} | fields))


def listed(client: Client, **query: str) -> list[int]:
    answer = client.get(reverse(LIST), query)
    assert answer.status_code == 200
    # That somebody is signed in is an entry as well.
    return [row.pk for row in answer.context["cl"].result_list if row.event != AuditEvent.LOGGED_IN]


def page(client: Client, entry: AuditEntry, part: str = "change") -> Any:
    return client.get(reverse(f"admin:audit_auditentry_{part}", args=[entry.pk]))


@pytest.fixture
def auditor(organisation: Organisation) -> Client:
    """Somebody of ``organisation`` with every permission that there is on entries."""
    rights = [f"{right}_auditentry" for right in ("view", "add", "change", "delete")]
    return signed_in(make_user("ans", organisation, *rights))


def test_entries_are_found(superuser: Client) -> None:
    handed_out = add(device="E1")
    counter = add(AuditEvent.INVOCATION_COUNTER_SET, device="E2")
    other = add(organisation="STRANGER", device="E1")
    old = AuditEntry(event="KEYS_REPLACED", organisation_identification="UTILITY", actor="portal")
    old.at = timezone.now() - timedelta(days=2)
    old.save()
    Organisation.objects.create(identification="STRANGER", name="Stranger")
    assert listed(superuser) == [old.pk, other.pk, counter.pk, handed_out.pk]
    assert listed(superuser, q=" E1 ") == [other.pk, handed_out.pk]
    assert listed(superuser, q="E") == []
    assert listed(superuser, event="INVOCATION_COUNTER_SET") == [counter.pk]
    assert listed(superuser, time="24h") == [other.pk, counter.pk, handed_out.pk]
    assert listed(superuser, organisation="STRANGER") == [other.pk]


def test_the_list_does_not_query_per_row(superuser: Client) -> None:
    counts = []
    for _ in range(2):
        for number in range(10):
            add(device=f"E{number}")
        with CaptureQueriesContext(connection) as queries:
            superuser.get(reverse(LIST))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_page_of_an_entry(superuser: Client, organisation: Organisation, device: Device) -> None:
    request = make_request(organisation, device, "SetInvocationCounter")
    entry = add(
        AuditEvent.INVOCATION_COUNTER_SET,
        device=device.identification,
        correlation_uid=request.correlation_uid,
        details={"former_value": 7, "invocation_counter": 1000, "reason": "<b>why</b>"},
    )
    line = superuser.get(reverse(LIST)).content.decode()
    assert '<span class="quiet">Former value</span> 7' in line
    assert "&lt;b&gt;why" in line
    text = page(superuser, entry).content.decode()
    assert "Invocation counter set" in text
    assert "1000" in text
    assert "&lt;b&gt;why" in text
    assert reverse("admin:devices_device_change", args=[device.pk]) in text
    assert reverse("admin:requests_request_change", args=[request.pk]) in text
    assert "UTILITY" in text
    # What it tells of may be gone.
    gone = add(device="E404", correlation_uid=uuid.uuid4())
    assert "E404" in page(superuser, gone).content.decode()


def test_the_list_is_short_and_the_page_complete(superuser: Client) -> None:
    fingerprint, reason = "0123456789abcdef" * 4, "because " * 60
    entry = add(
        details={"fingerprint": fingerprint, "absent": [], "handed_out": ["A", "B"], "reason": reason}
    )
    line = superuser.get(reverse(LIST)).content.decode()
    assert "0123456789abcdef…" in line
    assert fingerprint not in line
    # PostgreSQL keeps the parts in an order of its own.
    assert '<span class="quiet">Absent</span> –' in line
    assert '<span class="quiet">Handed out</span> A, B' in line
    assert reason not in line
    text = page(superuser, entry).content.decode()
    assert fingerprint in text
    assert reason.strip() in text


def test_a_user_with_an_organisation_sees_only_its_own(
    auditor: Client, organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    own = add(device=device.identification)
    other = add(organisation="STRANGER", device=device.identification)
    assert listed(auditor) == listed(auditor, organisation="STRANGER") == [own.pk]
    assert page(auditor, own).status_code == 200
    assert page(auditor, other).status_code == 302


def test_nobody_changes_it(auditor: Client, superuser: Client, operator: Client) -> None:
    entry = add()
    for client in (auditor, superuser):
        assert client.get(reverse("admin:audit_auditentry_add")).status_code == 403
        assert page(client, entry, "delete").status_code == 403
        url = reverse("admin:audit_auditentry_change", args=[entry.pk])
        assert client.post(url, {"actor": "x"}).status_code == 403
        data = {"action": "delete_selected", "_selected_action": entry.pk, "post": "yes"}
        client.post(reverse(LIST), data)
    assert AuditEntry.objects.get(pk=entry.pk).actor == "portal"
    assert operator.get(reverse(LIST)).status_code == 403


def test_a_line_unfolds_to_what_was_changed(superuser: Client, device: Device) -> None:
    entry = add(
        AuditEvent.CHANGED,
        device=device.identification,
        details={"object": "E1", "changes": {"model": ["<b>", None], "password": "changed"}},
    )
    text = superuser.get(reverse(LIST)).content.decode()
    for told in ("<details>", "<td>Model</td><td>&lt;b&gt;</td><td>–</td>", "<td>Password</td>"):
        assert told in text
    text = page(superuser, entry).content.decode()
    assert "<td>Model</td><td>&lt;b&gt;</td><td>–</td>" in text
    # From the page of the device one gets to what was done with it.
    link = f"{reverse(LIST)}?q={device.identification}"
    assert link in superuser.get(reverse("admin:devices_device_change", args=[device.pk])).content.decode()
    assert entry.pk in listed(superuser, q=device.identification)


def test_entries_are_searched_by_more_than_devices(superuser: Client) -> None:
    uid = uuid.uuid4()
    by_uid, by_actor = add(correlation_uid=uid), add(actor="billing")
    assert listed(superuser, q=str(uid)) == [by_uid.pk]
    assert listed(superuser, q="billing") == [by_actor.pk]
