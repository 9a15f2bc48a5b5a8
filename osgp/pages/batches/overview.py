"""The figures of batches on the admin's first page."""

from typing import Any

from django.http import HttpRequest

from osgp.batches.models import OPEN_BATCH_STATES, Batch
from osgp.pages.access import get_organisation
from osgp.pages.shared.paging import count_up_to_limit

OPEN = ",".join(sorted(OPEN_BATCH_STATES))
"""As a query of the list of batches has it."""


def gather_batches(request: HttpRequest) -> dict[str, Any]:
    """How many batches are under way, for those who may see them: one query of a partial index."""
    if not request.user.has_perm("batches.view_batch"):
        return {}
    rows = Batch.objects.filter(state__in=OPEN_BATCH_STATES)
    organisation = get_organisation(request)
    if organisation is not None:
        rows = rows.filter(organisation=organisation)
    return {"batches": count_up_to_limit(rows), "batches_query": f"state__in={OPEN}"}
