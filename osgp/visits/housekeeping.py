"""Deletion of rows past their retention, a slice at a time."""

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from osgp.metrics import rollup
from osgp.requests.models import IDEMPOTENCY_KEY_LIFETIME, Action, IdempotencyKey, MeterSession, Request
from osgp.sql import add_to_now

SLICE = 1000
"""Rows deleted in one statement, few enough not to hold up others."""


def delete_expired() -> int:
    """Delete a slice of final requests and closed meter sessions past RETENTION, and old idempotency keys.

    Return how many rows were deleted: unless it is zero, there may be more. Rows that the
    metrics have not counted yet stay.
    """
    rollup.advance()
    before = add_to_now(-settings.OSGP["RETENTION"])
    delete_idempotency_keys()
    counted = rollup.read_counted_until(rollup.REQUESTS)
    expired = Request.objects.filter(completed_at__lt=before, completed_at__lte=counted)
    requests = list(expired.values_list("pk", flat=True)[:SLICE])
    Action.objects.filter(request__in=requests).delete()
    Request.objects.filter(pk__in=requests).delete()
    referred = Request.objects.filter(session=OuterRef("pk"))
    counted = rollup.read_counted_until(rollup.SESSIONS)
    over = MeterSession.objects.filter(~Exists(referred), closed_at__lt=before, closed_at__lte=counted)
    sessions = list(over.values_list("pk", flat=True)[:SLICE])
    MeterSession.objects.filter(pk__in=sessions).delete()
    return len(requests) + len(sessions)


def delete_idempotency_keys() -> int:
    """Delete the keys that are older than a day; return how many."""
    expired = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_KEY_LIFETIME)
    deleted, _ = expired.delete()
    return deleted
