"""Notes that are over and past their retention."""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable

from osgp.system_notes.models import NoteState, SystemNote


def find_expired(before: Combinable) -> tuple[QuerySet[SystemNote], QuerySet[SystemNote]]:
    """Return the notes resolved before a moment, and the dismissed ones that nothing has seen since then.

    Two look-ups, each in an index of its own.
    """
    dismissed = NoteState.DISMISSED.condition & Q(dismissed_at__lt=before)
    return (
        SystemNote.objects.filter(resolved_at__isnull=False, resolved_at__lt=before),
        SystemNote.objects.filter(dismissed, last_seen_at__lt=before),
    )


@transaction.atomic
def delete_expired(before: Combinable, most: int) -> int:
    """Delete up to so many of these notes; return how many. Those that others have locked stay for now."""
    keys: list[int] = []
    for rows in find_expired(before):
        oldest = rows.order_by().select_for_update(skip_locked=True, of=("self",))
        keys += oldest.values_list("pk", flat=True)[: most - len(keys)]
    SystemNote.objects.filter(pk__in=keys).delete()
    return len(keys)
