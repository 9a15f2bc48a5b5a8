"""Deletion of rows past their retention, a slice at a time."""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.utils import timezone

from osgp.devices.key_states import KeyTransitions
from osgp.devices.models import DeviceKey
from osgp.metrics import hours, rollup
from osgp.requests.models import IDEMPOTENCY_KEY_LIFETIME, Action, IdempotencyKey, MeterSession, Request
from osgp.sql import add_to_now
from osgp.system_notes import housekeeping as system_notes

SLICE = 1000
"""Rows of a kind that are deleted at a time, few enough not to hold up others."""


def is_due() -> bool:
    """Return whether anything is past its retention; some of it may have to stay for now."""
    before = _find_end()
    expired: tuple[QuerySet, ...] = (
        _find_expired_keys(),
        _find_past_device_keys(),
        Request.objects.filter(completed_at__lt=before),
        MeterSession.objects.filter(closed_at__lt=before),
        *system_notes.find_expired(before),
        hours.find_expired(),
    )
    return any(rows.order_by().exists() for rows in expired)


def delete_expired() -> int:
    """Delete a slice of final requests, closed meter sessions and system notes past RETENTION, of old
    idempotency keys, of EXPIRED and WITHDRAWN keys of devices past KEY_RETENTION, and of outcomes of hours
    past ROLLUP_RETENTION.

    Return how many rows of these were deleted: unless it is zero, there may be more. Rows that the metrics
    have not counted yet stay, and those that another process is deleting.
    """
    rollup.advance()
    notes = system_notes.delete_expired(_find_end(), SLICE)
    keys = delete_idempotency_keys() + _delete_device_keys()
    return notes + keys + _delete_requests() + _delete_sessions() + hours.delete_expired(SLICE)


@transaction.atomic
def delete_idempotency_keys() -> int:
    """Delete a slice of the keys that are older than a day; return how many."""
    oldest = _find_expired_keys().order_by("created_at").select_for_update(skip_locked=True, of=("self",))
    keys = list(oldest.values_list("pk", flat=True)[:SLICE])
    IdempotencyKey.objects.filter(pk__in=keys).delete()
    return len(keys)


@transaction.atomic
def _delete_device_keys() -> int:
    """Delete a slice of keys; their counters stay: a key that comes back goes on counting."""
    oldest = _find_past_device_keys().order_by("state_changed_at").select_for_update(skip_locked=True)
    keys = list(oldest.values_list("pk", flat=True)[:SLICE])
    DeviceKey.objects.filter(pk__in=keys).delete()
    return len(keys)


@transaction.atomic
def _delete_requests() -> int:
    counted = rollup.read_counted_until(rollup.REQUESTS, rollup.HOURS)
    expired = Request.objects.filter(completed_at__lt=_find_end(), completed_at__lte=counted)
    # In the order of an index: PostgreSQL would sort all that is expired for each slice otherwise.
    oldest = expired.order_by("completed_at").select_for_update(skip_locked=True, of=("self",))
    requests = list(oldest.values_list("pk", flat=True)[:SLICE])
    Action.objects.filter(request__in=requests).delete()
    Request.objects.filter(pk__in=requests).delete()
    return len(requests)


@transaction.atomic
def _delete_sessions() -> int:
    counted = rollup.read_counted_until(rollup.SESSIONS)
    over = MeterSession.objects.filter(closed_at__lt=_find_end(), closed_at__lte=counted)
    oldest = over.order_by("closed_at").select_for_update(skip_locked=True, of=("self",))
    while True:
        sessions = {pk: closed for pk, closed in oldest.values_list("pk", "closed_at")[:SLICE] if closed}
        # Looked up apart: in one statement, PostgreSQL may join all requests with all meter sessions.
        referring = Request.objects.filter(session__in=list(sessions)).order_by()
        unused = sessions.keys() - set(referring.values_list("session", flat=True))
        if unused or len(sessions) < SLICE:
            MeterSession.objects.filter(pk__in=unused).delete()
            return len(unused)
        # Requests that are kept for longer refer to all of them.
        oldest = oldest.filter(closed_at__gt=max(sessions.values()))


def _find_end() -> Combinable:
    return add_to_now(-settings.OSGP["RETENTION"])


def _find_past_device_keys() -> QuerySet[DeviceKey]:
    before = add_to_now(-settings.OSGP["KEY_RETENTION"])
    past = KeyTransitions.list_final_states()
    return DeviceKey.objects.filter(state__in=past, state_changed_at__lt=before)


def _find_expired_keys() -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_KEY_LIFETIME)
