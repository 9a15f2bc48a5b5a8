"""Opening, renewing and ending system notes."""

import logging
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from osgp.devices.models import Device
from osgp.processes import retention
from osgp.system_notes import announcing, kinds
from osgp.system_notes.housekeeping import find_expired
from osgp.system_notes.keeping import dismiss, keep, resolve_changed, resolve_reached
from osgp.system_notes.kinds import KEY_RECOVERY, PROFILE_MISMATCH, QUARANTINE, NoteKind
from osgp.system_notes.models import NoteState, SystemNote
from osgp.system_notes.observations import Noticed, Observation
from tests.looked_at import rows_looked_at
from tests.quick_database import analyze

pytestmark = pytest.mark.django_db

SMR51 = {"protocol_name": "SMR", "protocol_version": "5.1"}
NOTICED = Noticed("It is so.", "Do this.", {"objects": ["A"]})
SEEN = Observation(PROFILE_MISMATCH, NOTICED, SMR51)
FINE = Observation(PROFILE_MISMATCH, None, SMR51)
MESSAGE = "GetAssociationLnObjects"


def observe(device: Device, *observations: Observation, uid: uuid.UUID | None = None) -> None:
    keep(device.pk, observations, uid or uuid.uuid4(), MESSAGE)


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is announced meanwhile, with its count."""
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(announcing, "_announcements", [lambda note: told.append((note.kind, note.count))])
    return told


def test_the_first_observation_opens_a_note(device: Device) -> None:
    uid = uuid.uuid4()
    observe(device, SEEN, uid=uid)
    note = SystemNote.objects.get()
    assert (note.device, note.kind, note.state) == (device, "PROFILE_MISMATCH", NoteState.OPEN)
    assert (note.text, note.what_to_do, note.details) == ("It is so.", "Do this.", {"objects": ["A"]})
    assert note.first_seen_at == note.last_seen_at
    assert (note.count, note.last_correlation_uid, note.resolved_by) == (1, uid, "")
    assert note.known_kind is PROFILE_MISMATCH


def test_the_same_request_counts_once(device: Device) -> None:
    """A statement whose answer was lost is repeated; a bundle may hold two messages that see it."""
    uid = uuid.uuid4()
    observe(device, SEEN, uid=uid)
    before = SystemNote.objects.values().get()
    observe(device, SEEN, uid=uid)
    observe(device, SEEN, SEEN, uid=uid)
    assert SystemNote.objects.values().get() == before


def test_later_requests_renew_it(device: Device) -> None:
    observe(device, SEEN)
    first = SystemNote.objects.get()
    other = replace(SEEN, noticed=Noticed("It is worse.", "", {"objects": ["A", "B"]}))
    observe(device, other)
    note = SystemNote.objects.get()
    assert (note.count, note.text, note.details) == (2, "It is worse.", {"objects": ["A", "B"]})
    assert note.first_seen_at == first.first_seen_at <= note.last_seen_at


def test_it_is_resolved_when_all_is_well_and_opened_anew(device: Device) -> None:
    observe(device, FINE)
    assert not SystemNote.objects.exists()
    observe(device, SEEN)
    observe(device, FINE)
    note = SystemNote.objects.get()
    assert (note.state, note.resolved_by) == (NoteState.RESOLVED, MESSAGE)
    resolved_at = note.resolved_at
    observe(device, FINE)
    note.refresh_from_db()
    assert note.resolved_at == resolved_at
    observe(device, SEEN)
    assert [note.state for note in SystemNote.objects.all()] == [NoteState.OPEN, NoteState.RESOLVED]


def test_other_devices_and_kinds_keep_theirs(device: Device, gas_meter: Device) -> None:
    further = NoteKind("SOMETHING", "Something")
    observe(device, SEEN, Observation(further, NOTICED))
    observe(gas_meter, SEEN)
    observe(device, FINE)
    unresolved = SystemNote.objects.filter(resolved_at=None)
    assert {(note.device_id, note.kind) for note in unresolved} == {
        (device.pk, "SOMETHING"),
        (gas_meter.pk, "PROFILE_MISMATCH"),
    }
    # A kind that this release does not know is shown by its name.
    assert unresolved.get(device=device).known_kind == NoteKind("SOMETHING", "SOMETHING")


def test_the_database_has_one_unresolved_note_of_a_kind(device: Device) -> None:
    observe(device, SEEN)
    now = timezone.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        SystemNote.objects.create(
            device=device, kind="PROFILE_MISMATCH", text="", first_seen_at=now, last_seen_at=now
        )


def test_what_was_judged_by_a_former_profile_is_not_stored(device: Device) -> None:
    """The profile was changed while the meter was visited."""
    observe(device, SEEN)
    Device.objects.filter(pk=device.pk).update(protocol_version="5.2c")
    observe(device, FINE)
    assert SystemNote.objects.get().state == NoteState.OPEN
    SystemNote.objects.all().delete()
    observe(device, SEEN)
    assert not SystemNote.objects.exists()


def test_a_change_of_what_it_was_judged_by_resolves_it(device: Device) -> None:
    observe(device, SEEN)
    assert resolve_changed(device, ["protocol_variant", "port"], "AddDevice") == 0
    assert resolve_changed(device, [], "AddDevice") == 0
    assert resolve_changed(device, ["protocol_version"], "AddDevice") == 1
    assert SystemNote.objects.get().resolved_by == "AddDevice"
    assert resolve_changed(device, ["protocol_version"], "UpdateProtocol") == 0


def test_dismissed_notes_stay_so_until_there_is_something_else(device: Device) -> None:
    observe(device, SEEN)
    assert dismiss(SystemNote.objects.all()) == 1
    assert dismiss(SystemNote.objects.all()) == 0
    observe(device, SEEN)
    note = SystemNote.objects.get()
    assert (note.state, note.count) == (NoteState.DISMISSED, 2)
    observe(device, replace(SEEN, noticed=replace(NOTICED, details={"objects": ["B"]})))
    note.refresh_from_db()
    assert (note.state, note.count) == (NoteState.OPEN, 3)
    dismiss(SystemNote.objects.all())
    observe(device, FINE)
    note.refresh_from_db()
    assert note.state == NoteState.RESOLVED


@pytest.mark.parametrize("state", NoteState)
def test_states_find_what_is_in_them(device: Device, state: NoteState) -> None:
    observe(device, SEEN)
    if state == NoteState.DISMISSED:
        dismiss(SystemNote.objects.all())
    if state == NoteState.RESOLVED:
        observe(device, FINE)
    assert SystemNote.objects.get().state == state
    assert [each for each in NoteState if SystemNote.objects.filter(each.condition).exists()] == [state]


@pytest.mark.django_db(transaction=True)
def test_the_log_tells_it_once(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="osgp.system_notes")
    with transaction.atomic():
        observe(device, SEEN)
        transaction.set_rollback(True)
    assert caplog.messages == []
    for _ in range(3):
        observe(device, SEEN)
    assert caplog.messages == [f"system note PROFILE_MISMATCH of {device.identification}: It is so. Do this."]


def test_what_is_over_goes_after_its_retention(device: Device, gas_meter: Device) -> None:
    for each in (device, gas_meter):
        observe(
            each, SEEN, Observation(NoteKind("A", "A"), NOTICED), Observation(NoteKind("B", "B"), NOTICED)
        )
        SystemNote.objects.filter(device=each, kind="A").update(resolved_at=timezone.now())
        SystemNote.objects.filter(device=each, kind="B").update(dismissed_at=timezone.now())
    assert not retention.is_due()
    long_ago = timezone.now() - timedelta(days=400)
    of_device = SystemNote.objects.filter(device=device)
    of_device.update(first_seen_at=long_ago, last_seen_at=long_ago)
    of_device.filter(kind="A").update(resolved_at=long_ago)
    # Seen again and again since it was dismissed.
    SystemNote.objects.filter(kind="B").update(dismissed_at=long_ago)
    assert retention.is_due()
    assert retention.delete_slices() == 2
    assert not retention.is_due()
    assert set(SystemNote.objects.values_list("device", "kind")) == {
        (device.pk, "PROFILE_MISMATCH"),
        *((gas_meter.pk, kind) for kind in ("PROFILE_MISMATCH", "A", "B")),
    }


HAPPENED = Observation(QUARANTINE, Noticed("It happened.", "Look for the cause.", {"crashes": 3}))


def test_what_happens_again_is_told_again(device: Device, announced: list[tuple[str, int]]) -> None:
    """Also if it was dismissed, and is just the same; but not for the same request."""
    uid = uuid.uuid4()
    observe(device, HAPPENED)
    observe(device, HAPPENED, uid=uid)
    observe(device, HAPPENED, uid=uid)
    dismiss(SystemNote.objects.all())
    observe(device, HAPPENED)
    note = SystemNote.objects.get()
    assert (note.count, note.state) == (3, NoteState.OPEN)
    assert announced == [("QUARANTINE", 1), ("QUARANTINE", 2), ("QUARANTINE", 3)]


def test_what_no_request_saw_is_never_the_same_again(device: Device) -> None:
    for _ in range(2):
        keep(device.pk, [HAPPENED], None, "")
    note = SystemNote.objects.get()
    assert (note.count, note.last_correlation_uid) == (2, None)


def test_what_is_so_is_announced_when_it_is_new(device: Device, announced: list[tuple[str, int]]) -> None:
    observe(device, SEEN)
    observe(device, SEEN)
    dismiss(SystemNote.objects.all())
    observe(device, SEEN)
    assert announced == [("PROFILE_MISMATCH", 1)]
    observe(device, replace(SEEN, noticed=replace(NOTICED, details={"objects": ["B"]})))
    assert announced[1:] == [("PROFILE_MISMATCH", 4)]
    observe(device, FINE)
    assert len(announced) == 2
    observe(device, SEEN)
    assert announced[2:] == [("PROFILE_MISMATCH", 1)]


@pytest.mark.django_db(transaction=True)
def test_a_note_that_cannot_be_announced_is_not_kept(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in one transaction: whoever is told of notes is told of all that are there."""

    def fail(note: SystemNote) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(announcing, "_announcements", [fail])
    with pytest.raises(ValueError, match="a defect"):
        observe(device, SEEN)
    assert not SystemNote.objects.exists()


def test_an_announcement_is_registered_once(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "_announcements", [])
    told: list[str] = []

    def tell(note: SystemNote) -> None:
        told.append(note.device.identification)

    announcing.call_for_notes(tell)
    announcing.call_for_notes(tell)
    observe(device, SEEN)
    assert told == [device.identification]


def test_a_meter_that_is_reached_resolves_what_was_about_not_reaching_it(device: Device) -> None:
    for kind in kinds.KINDS:
        observe(device, Observation(kind, NOTICED))
    assert resolve_reached(device.pk, "ActualMeterReads") == 3
    resolved = SystemNote.objects.exclude(resolved_at=None)
    assert set(resolved.values_list("kind", "resolved_by")) == {
        (name, "ActualMeterReads")
        for name in ("ASSOCIATION_REFUSED", "INVOCATION_COUNTER_OUT_OF_STEP", "KEY_UNAVAILABLE")
    }


def test_what_happened_goes_when_it_has_not_happened_again(device: Device, gas_meter: Device) -> None:
    for each in (device, gas_meter):
        observe(each, HAPPENED, SEEN, Observation(KEY_RECOVERY, NOTICED))
    assert not retention.is_due()
    long_ago = timezone.now() - timedelta(days=31)
    SystemNote.objects.filter(device=device).update(first_seen_at=long_ago, last_seen_at=long_ago)
    SystemNote.objects.filter(device=gas_meter).update(first_seen_at=long_ago)
    assert retention.is_due()
    assert retention.delete_slices() == 2
    assert not retention.is_due()
    # What is so stays as long as it is so.
    assert [note.kind for note in SystemNote.objects.filter(device=device)] == ["PROFILE_MISMATCH"]
    assert SystemNote.objects.filter(device=gas_meter).count() == 3


def test_kinds_say_what_ends_them() -> None:
    """What is so ends by a change, by new keys or by contact; what happened has nothing to wait for."""
    for kind in kinds.KINDS:
        ends = bool(kind.judged_by or kind.keys or kind.until_reached)
        assert ends != kind.is_event, kind.name


def test_kinds_have_names_of_their_own_and_columns_that_exist() -> None:
    assert len({kind.name for kind in kinds.KINDS}) == len(kinds.KINDS)
    columns = {field.name for field in Device._meta.get_fields()}
    for kind in kinds.KINDS:
        assert len(kind.name) <= 40
        assert set(kind.judged_by) <= columns


def test_looking_for_what_happened_reads_nothing_of_what_is_so(device: Device) -> None:
    """However many notes are open, and however old they are."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite does not count rows.")
    long_ago = timezone.now() - timedelta(days=400)
    SystemNote.objects.bulk_create(
        SystemNote(device=device, kind=f"KIND_{number}", first_seen_at=long_ago, last_seen_at=long_ago)
        for number in range(3_000)
    )
    analyze()
    with rows_looked_at() as looked_at:
        assert not any(rows.order_by().exists() for rows in find_expired())
    assert looked_at[SystemNote._meta.db_table] <= 10, looked_at
