"""Deletion of requests, meter sessions, idempotency keys and former keys past their retention.

Requests and meter sessions that the metrics have not counted yet stay.
"""

from django.db import transaction
from django.db.models import QuerySet

from osgp import platform_time
from osgp.devices.key_states import KeyTransitions
from osgp.devices.models import DeviceKey
from osgp.metrics import rollup
from osgp.processes import retention
from osgp.processes.retention import Kind, delete_oldest, find_end
from osgp.requests.models import IDEMPOTENCY_KEY_LIFETIME, Action, IdempotencyKey, MeterSession, Request


def register() -> None:
    """Register the kinds; called at start-up."""
    retention.register(
        Kind("idempotency keys", lambda: [find_expired_idempotency_keys()], delete_idempotency_keys)
    )
    retention.register(Kind("former keys", lambda: [find_former_keys()], delete_former_keys))
    retention.register(Kind("requests and visits", find_expired_requests, delete_requests))


def find_expired_idempotency_keys() -> QuerySet[IdempotencyKey]:
    """Return the idempotency keys that are older than a day."""
    return IdempotencyKey.objects.filter(created_at__lt=platform_time.now() - IDEMPOTENCY_KEY_LIFETIME)


def delete_idempotency_keys() -> int:
    """Delete a slice of the idempotency keys that are older than a day; return how many."""
    return delete_oldest(find_expired_idempotency_keys(), "created_at")


def find_former_keys() -> QuerySet[DeviceKey]:
    """Return the EXPIRED and WITHDRAWN keys of devices past KEY_RETENTION."""
    past = KeyTransitions.list_final_states()
    return DeviceKey.objects.filter(state__in=past, state_changed_at__lt=find_end("KEY_RETENTION"))


def delete_former_keys() -> int:
    """Delete a slice of former keys; their counters stay: a key that comes back goes on counting."""
    return delete_oldest(find_former_keys(), "state_changed_at")


def find_expired_requests() -> tuple[QuerySet, ...]:
    """Return the final requests and the closed meter sessions past RETENTION."""
    before = find_end("RETENTION")
    return (
        Request.objects.filter(completed_at__lt=before),
        MeterSession.objects.filter(closed_at__lt=before),
    )


def delete_requests() -> int:
    """Delete a slice of final requests, then one of closed meter sessions; return how many.

    In this order, because requests refer to meter sessions.
    """
    rollup.advance()
    return _delete_requests() + _delete_sessions()


@transaction.atomic
def _delete_requests() -> int:
    counted = rollup.read_counted_until(rollup.REQUESTS, rollup.HOURS)
    expired = Request.objects.filter(completed_at__lt=find_end("RETENTION"), completed_at__lte=counted)
    # In the order of an index: PostgreSQL would sort all that is expired for each slice otherwise.
    oldest = expired.order_by("completed_at").select_for_update(skip_locked=True, of=("self",))
    requests = list(oldest.values_list("pk", flat=True)[: retention.SLICE])
    Action.objects.filter(request__in=requests).delete()
    Request.objects.filter(pk__in=requests).delete()
    return len(requests)


@transaction.atomic
def _delete_sessions() -> int:
    counted = rollup.read_counted_until(rollup.SESSIONS)
    over = MeterSession.objects.filter(closed_at__lt=find_end("RETENTION"), closed_at__lte=counted)
    oldest = over.order_by("closed_at").select_for_update(skip_locked=True, of=("self",))
    while True:
        rows = oldest.values_list("pk", "closed_at")[: retention.SLICE]
        sessions = {pk: closed for pk, closed in rows if closed}
        # Looked up apart: in one statement, PostgreSQL may join all requests with all meter sessions.
        referring = Request.objects.filter(session__in=list(sessions)).order_by()
        unused = sessions.keys() - set(referring.values_list("session", flat=True))
        if unused or len(sessions) < retention.SLICE:
            MeterSession.objects.filter(pk__in=unused).delete()
            return len(unused)
        # Requests that are kept for longer refer to all of them.
        oldest = oldest.filter(closed_at__gt=max(sessions.values()))
