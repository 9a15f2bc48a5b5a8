"""Deletion of batches past their retention."""

from django.db.models import Exists, OuterRef, QuerySet

from osgp.batches.models import Batch
from osgp.processes import retention
from osgp.processes.retention import Kind, delete_oldest, find_end
from osgp.requests.models import Request


def register() -> None:
    """Register the kind; called at start-up."""
    retention.register(
        Kind("batches", lambda: [find_expired()], lambda: delete_oldest(find_expired(), "completed_at"))
    )


def find_expired() -> QuerySet[Batch]:
    """Return the batches past RETENTION whose requests are gone."""
    requests = Request.objects.filter(batch=OuterRef("pk"))
    return Batch.objects.filter(~Exists(requests), completed_at__lt=find_end("RETENTION"))
