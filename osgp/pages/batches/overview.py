"""What the admin's first page tells of batches."""

from typing import Any

from django.http import HttpRequest

from osgp.batches.models import OPEN_BATCH_STATES, Batch
from osgp.pages.access import organisation_of
from osgp.pages.shared.paging import bounded_count

OPEN = ",".join(sorted(OPEN_BATCH_STATES))
"""As a query of the list of batches has it."""


def batches_now(request: HttpRequest) -> dict[str, Any]:
    """How many batches are under way, for those who may see them: one query of a partial index."""
    if not request.user.has_perm("batches.view_batch"):
        return {}
    rows = Batch.objects.filter(state__in=OPEN_BATCH_STATES)
    organisation = organisation_of(request)
    if organisation is not None:
        rows = rows.filter(organisation=organisation)
    return {"batches": bounded_count(rows), "batches_query": f"state__in={OPEN}"}
