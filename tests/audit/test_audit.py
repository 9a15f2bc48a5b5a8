"""The audit trail: entries are added, with what they tell of, and are neither changed nor deleted."""

import uuid
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from osgp.audit.keeping import record
from osgp.audit.models import AppendOnly, AuditEntry, AuditEvent


def add(**fields: object) -> AuditEntry:
    made = record(AuditEvent.KEYS_HANDED_OUT, **{"organisation": "UTILITY", "actor": "portal"} | fields)  # type: ignore[arg-type]
    return AuditEntry.objects.get(pk=made)


@pytest.mark.django_db
def test_an_entry_has_what_was_told_and_the_time_of_the_database() -> None:
    uid = uuid.uuid4()
    entry = add(device="E1", correlation_uid=uid, details={"reason": "é"})
    stored = AuditEntry.objects.get()
    assert stored == entry
    assert (stored.event, stored.event_label) == ("KEYS_HANDED_OUT", "Keys handed out")
    assert (stored.organisation_identification, stored.actor) == ("UTILITY", "portal")
    assert (stored.device_identification, stored.correlation_uid) == ("E1", uid)
    assert stored.details == {"reason": "é"}
    assert abs((timezone.now() - stored.at).total_seconds()) < 60


@pytest.mark.django_db(transaction=True)
def test_it_belongs_in_a_transaction_and_goes_with_it() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        add()
    with transaction.atomic():
        add()
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()
    with transaction.atomic():
        add()
    assert AuditEntry.objects.count() == 1


CHANGES: dict[str, Callable[[AuditEntry], object]] = {
    "save": lambda entry: entry.save(),
    "save of a field": lambda entry: entry.save(update_fields=["actor"]),
    "delete": lambda entry: entry.delete(),
    "update of many": lambda entry: AuditEntry.objects.update(actor="x"),
    "update of some": lambda entry: AuditEntry.objects.filter(pk=entry.pk).update(actor="x"),
    "bulk update": lambda entry: AuditEntry.objects.bulk_update([entry], ["actor"]),
    "update or create": lambda entry: AuditEntry.objects.update_or_create(
        defaults={"actor": "x"}, pk=entry.pk
    ),
    "delete of many": lambda entry: AuditEntry.objects.all().delete(),
}


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_model_refuses_changes(change: Callable[[AuditEntry], object]) -> None:
    entry = add()
    entry.actor = "x"
    with pytest.raises(AppendOnly), transaction.atomic():
        change(entry)
    assert AuditEntry.objects.get().actor == "portal"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["UPDATE audit_auditentry SET actor = 'x'", "DELETE FROM audit_auditentry"]
)
def test_the_database_refuses_them_as_well(statement: str) -> None:
    add()
    refused = pytest.raises(DatabaseError, match="neither changed nor deleted")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEntry.objects.get().actor == "portal"


@pytest.mark.django_db
def test_an_entry_with_the_number_of_another_one_does_not_replace_it() -> None:
    entry = add()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry(pk=entry.pk, event="OTHER", organisation_identification="X", actor="x").save()
    assert AuditEntry.objects.get().actor == "portal"
    assert AuditEntry(event="OTHER").event_label == "OTHER"
