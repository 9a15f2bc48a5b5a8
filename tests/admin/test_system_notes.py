"""System notes in the admin: the list, the page of a note, the notice with the device, and who sees them."""

import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.system_notes.keeping import dismiss, keep
from osgp.system_notes.kinds import KINDS, PROFILE_MISMATCH, NoteKind
from osgp.system_notes.models import NoteState, SystemNote
from osgp.system_notes.observations import Noticed, Observation
from tests.admin.conftest import OPERATOR_PERMISSIONS, make_user, signed_in
from tests.admin.test_devices import save
from tests.factories import grant, make_device

LIST = "admin:system_notes_systemnote_changelist"
NOTICED = Noticed("It lists <20> objects.", "UpdateProtocol to SMR 5.2c.", {"object_count": 20})


@pytest.fixture
def note(device: Device) -> SystemNote:
    return add_note(device)


def add_note(device: Device, kind: NoteKind = PROFILE_MISMATCH) -> SystemNote:
    keep(device.pk, [Observation(kind, NOTICED)], uuid.uuid4(), "GetAssociationLnObjects")
    return SystemNote.objects.get(device=device, kind=kind.name, resolved_at=None)


def user_of(organisation: Organisation, *permissions: str) -> Client:
    return signed_in(make_user("piet", organisation, *OPERATOR_PERMISSIONS, *permissions))


def listed(client: Client, **query: str) -> set[Any]:
    answer = client.get(reverse(LIST), query)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def page_of(client: Client, row: Any) -> Any:
    return client.get(reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]))


def press_dismiss(client: Client, note: SystemNote) -> Any:
    data = {"action": "dismiss_selected", "_selected_action": note.pk, "back": note.pk}
    return client.post(reverse(LIST), data)


def test_the_list_has_what_is_open_unless_asked_for_more(
    superuser: Client, device: Device, gas_meter: Device, note: SystemNote
) -> None:
    dismissed, later = add_note(gas_meter), add_note(device, NoteKind("LATER", "Later"))
    dismiss(SystemNote.objects.filter(pk=dismissed.pk))
    other = add_note(make_device("E2"))
    SystemNote.objects.filter(pk=other.pk).update(resolved_at=other.last_seen_at)
    assert listed(superuser) == listed(superuser, state="x") == {note.pk, later.pk}
    assert listed(superuser, kind="PROFILE_MISMATCH") == {note.pk}
    assert listed(superuser, state="DISMISSED") == {dismissed.pk}
    assert listed(superuser, state="RESOLVED") == {other.pk}
    assert listed(superuser, state="ALL") == {note.pk, later.pk, dismissed.pk, other.pk}
    assert listed(superuser, q=device.identification, kind="PROFILE_MISMATCH") == {note.pk}
    assert listed(superuser, q="E9") == set()


def test_the_list_does_not_query_per_row(superuser: Client, note: SystemNote) -> None:
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            superuser.get(reverse(LIST))
        counts.append(len(queries))
        for index in range(20):
            add_note(make_device(f"E{number}{index}"))
    assert counts[0] == counts[1]


def test_the_page_of_a_note(superuser: Client, note: SystemNote, device: Device) -> None:
    text = page_of(superuser, note).content.decode()
    assert "It lists &lt;20&gt; objects. UpdateProtocol to SMR 5.2c." in text
    assert device.identification in text
    assert "Dismiss" in text


def test_the_device_s_page_says_what_to_do(superuser: Client, note: SystemNote, device: Device) -> None:
    text = page_of(superuser, device).content.decode()
    assert "It lists &lt;20&gt; objects. UpdateProtocol to SMR 5.2c." in text
    assert f"?device={device.pk}&amp;message=UpdateProtocol" in text
    press_dismiss(superuser, note)
    assert "It lists" not in page_of(superuser, device).content.decode()


def test_another_profile_chosen_there_resolves_it(
    superuser: Client, note: SystemNote, device: Device
) -> None:
    assert save(superuser, device, port="4061").status_code == 302
    note.refresh_from_db()
    assert note.state == NoteState.OPEN
    assert save(superuser, device, profile="SMR-5.2c").status_code == 302
    note.refresh_from_db()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, "ADMIN")


def test_the_overview_counts_open_notes(
    superuser: Client, operator: Client, note: SystemNote, gas_meter: Device
) -> None:
    dismiss(SystemNote.objects.filter(pk=add_note(gas_meter).pk))
    answer = superuser.get(reverse("admin:index"))
    assert answer.context["overview"]["notes"].number == 1
    assert "open system notes" in answer.content.decode()
    # Whoever may not look at them is not told how many there are.
    assert "notes" not in operator.get(reverse("admin:index")).context["overview"]


def test_dismissing_is_recorded_and_leads_back(superuser: Client, note: SystemNote) -> None:
    answer = press_dismiss(superuser, note)
    assert answer["Location"] == reverse("admin:system_notes_systemnote_change", args=[note.pk])
    note.refresh_from_db()
    assert note.state == NoteState.DISMISSED
    assert [entry.change_message for entry in LogEntry.objects.all()] == ["Dismissed."]
    press_dismiss(superuser, note)
    assert LogEntry.objects.count() == 1
    assert "Dismiss</button>" not in page_of(superuser, note).content.decode()


def test_other_organisations_see_nothing_of_it(
    note: SystemNote, device: Device, other_organisation: Organisation
) -> None:
    stranger = user_of(other_organisation, "view_systemnote", "change_systemnote")
    assert listed(stranger, state="ALL") == set()
    assert page_of(stranger, note).status_code == 302
    assert stranger.get(reverse("admin:index")).context["overview"]["notes"].number == 0
    press_dismiss(stranger, note)
    # With a grant they see it; owners decide.
    grant(other_organisation, device, DeviceFunctionGroup.MONITORING)
    assert listed(stranger) == {note.pk}
    press_dismiss(stranger, note)
    note.refresh_from_db()
    assert note.state == NoteState.OPEN


def test_permissions(organisation: Organisation, operator: Client, note: SystemNote, device: Device) -> None:
    # Without the permission there is no list; the notice with the device is for all who see the device.
    assert operator.get(reverse(LIST)).status_code == 403
    assert page_of(operator, note).status_code == 403
    notice = page_of(operator, device).content.decode()
    assert "It lists &lt;20&gt; objects." in notice
    assert reverse("admin:system_notes_systemnote_change", args=[note.pk]) not in notice
    reader = user_of(organisation, "view_systemnote")
    assert listed(reader) == {note.pk}
    press_dismiss(reader, note)
    note.refresh_from_db()
    assert note.state == NoteState.OPEN


def test_owners_dismiss_what_is_theirs(organisation: Organisation, note: SystemNote) -> None:
    press_dismiss(user_of(organisation, "view_systemnote", "change_systemnote"), note)
    note.refresh_from_db()
    assert note.state == NoteState.DISMISSED


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_every_kind_has_its_words(superuser: Client, device: Device, kind: NoteKind) -> None:
    note = add_note(device, kind)
    add_note(device, kind)
    seen = "Happened 2 times" if kind.is_event else "Seen by 2 requests"
    on_device, alone = (page_of(superuser, row).content.decode() for row in (device, note))
    title = escape(kind.title)
    assert f"<b>{title}.</b>" in on_device
    assert seen in on_device
    assert title in alone
    assert ("Happened" in alone) == kind.is_event
    assert title in superuser.get(reverse(LIST), {"kind": kind.name}).content.decode()
    assert not kind.message or f"message={kind.message}" in on_device
