"""Deletion of entries past their retention. The last seal of them stays: the chain goes on from there."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from osgp.audit import triggers
from osgp.audit.chain import TABLE, compute_proof, format_time, load_keys, read_runs
from osgp.audit.keeping import PLATFORM, record
from osgp.audit.models import AuditEntry, AuditEvent, AuditSeal
from osgp.audit.sealing import MOST
from osgp.processes import retention
from osgp.sql import Statement, add_to_now

OVERDUE = timedelta(days=1)
"""Entries are deleted once the first are so much past their retention: each deletion is told of."""
SEALS = 500
"""Seals whose entries are deleted at a time, at most."""
LINES = 10_000
"""Entries that are deleted at a time, at most."""

_DELETE = Statement(f"DELETE FROM {TABLE} WHERE id {{among}}", prepared=False)  # noqa: S608 (a name)


def register() -> None:
    """Register what is deleted; called at start-up."""
    retention.register(retention.Kind("audit entries", find_expired, delete_slice))


def find_cut() -> int:
    """Return the position of the last seal whose entries were deleted; 0 if none were."""
    last = AuditEntry.objects.filter(event=AuditEvent.CUT, actor=PLATFORM).order_by("-pk").first()
    return int(last.details["position"]) if last else 0


def find_expired() -> list[QuerySet]:
    """Return the seals whose entries are well past their retention."""
    kept_for = settings.OSGP["AUDIT_RETENTION"]
    if kept_for is None:
        return []
    seals = AuditSeal.objects.filter(position__gt=find_cut())
    return [seals.filter(sealed_at__lt=add_to_now(-kept_for - OVERDUE))]


@transaction.atomic
def delete_slice() -> int:
    """Delete the entries of the oldest seals past their retention; return how many. One entry tells of it.

    Raises KeyProblem: without its key the platform could not show that it was the one who cut.
    """
    kept_for = settings.OSGP["AUDIT_RETENTION"]
    if kept_for is None or not any(rows.exists() for rows in find_expired()):
        return 0
    cut = find_cut()
    seals: list[AuditSeal] = []
    number = 0
    oldest = AuditSeal.objects.select_for_update().filter(position__gt=cut).order_by("position")
    for seal in oldest.filter(sealed_at__lt=add_to_now(-kept_for))[:SEALS]:
        if number >= LINES:
            break
        seals.append(seal)
        number += seal.count
    last = seals[-1]
    keys = load_keys()
    with triggers.permit_deletion():
        for seal in seals:
            _DELETE.execute(read_runs(seal.runs, MOST))
        AuditSeal.objects.filter(position__lt=last.position).delete()
    details = {
        "position": last.position,
        "hash": last.hash,
        "entries": number,
        "until": format_time(last.sealed_at),
        "proof": compute_proof(last.position, last.hash, keys),
    }
    record(AuditEvent.CUT, organisation="", actor=PLATFORM, details=details)
    return number
