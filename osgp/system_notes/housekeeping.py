"""Notes that are over and past their retention."""

from django.db import transaction
from django.db.models import Q, QuerySet

from osgp.processes import retention
from osgp.processes.retention import Kind, find_end
from osgp.system_notes.kinds import EVENTS
from osgp.system_notes.models import OPEN, NoteState, SystemNote


def register() -> None:
    """Register the kind; called at start-up."""
    retention.register(Kind("system notes", find_expired, delete_expired))


def find_expired() -> tuple[QuerySet[SystemNote], ...]:
    """Return the notes past SYSTEM_NOTE_RETENTION, in look-ups that have an index each.

    They are the notes that were resolved before, the dismissed ones that nothing has seen since then, and
    the open ones of what happened and has not happened again.
    """
    before = find_end("SYSTEM_NOTE_RETENTION")
    dismissed = NoteState.DISMISSED.condition & Q(dismissed_at__lt=before)
    return (
        SystemNote.objects.filter(resolved_at__isnull=False, resolved_at__lt=before),
        SystemNote.objects.filter(dismissed, last_seen_at__lt=before),
        SystemNote.objects.filter(OPEN, kind__in=EVENTS, last_seen_at__lt=before),
    )


@transaction.atomic
def delete_expired() -> int:
    """Delete a slice of these notes; return how many. Those that others have locked stay for now."""
    keys: list[int] = []
    for rows in find_expired():
        oldest = rows.order_by().select_for_update(skip_locked=True, of=("self",))
        keys += oldest.values_list("pk", flat=True)[: retention.SLICE - len(keys)]
    SystemNote.objects.filter(pk__in=keys).delete()
    return len(keys)
