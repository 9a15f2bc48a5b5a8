"""Runs: one task at a time sends what is due to one endpoint. What is stored before and after the sending.

A run is opened for an endpoint (scheduling.py), begun by the task that takes the hint, and ended by it. It
holds for a limited time: what a dead notifier had claimed is due again when that is over. Then a receiver may
get a notification twice, with the same id.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from osgp import platform_time
from osgp.devices.envelope import UnsealError
from osgp.messages.serializers import utc_text
from osgp.notifications import secrets, states
from osgp.notifications.models import Delivery, DeliveryState, Endpoint
from osgp.notifications.schedule import (
    LAST,
    LONGEST_ERROR,
    LONGEST_PAUSE,
    Circuit,
    Outcome,
    find_next_attempt,
)
from osgp.notifications.states import Change, ClaimedDelivery
from osgp.sql import Statement, format_moment, parse_moment

logger = logging.getLogger(__name__)

SLICE = 50
"""Deliveries that are claimed at a time."""
RUN_PART = 0.5
"""The part of the lease in which new attempts are begun."""
LONGEST_LOG = 40
"""Attempts that are kept of a delivery."""
EXPIRED_AT_ONCE = 1000
SEALED_PAUSE = timedelta(minutes=5)
"""Before an endpoint is tried again whose secrets this notifier cannot open."""
GONE = "The receiver answered 410 Gone."

ENDPOINTS, DELIVERIES = (model._meta.db_table for model in (Endpoint, Delivery))
_BEGIN = Statement(
    f"""
    UPDATE {ENDPOINTS} SET runner_until = {{later}}, wake_at = NULL
     WHERE id = %s AND runner = %s AND paused_at IS NULL AND deleted_at IS NULL
    RETURNING id, organisation_id, origin, url, consecutive_failures, retry_at
    """  # noqa: S608 (table name)
)
# What is stored for the endpoint meanwhile sets wake_at, too: the earlier time counts.
_RELEASE = """
    runner = NULL, runner_until = NULL,
    wake_at = CASE WHEN next.due_at IS NULL THEN wake_at
                   WHEN wake_at IS NULL OR next.due_at < wake_at THEN next.due_at
                   ELSE wake_at END
    """
_OF_RUN = f"""
      FROM (SELECT MIN(due_at) AS due_at FROM {DELIVERIES}
             WHERE endpoint_id = %s AND state = '{DeliveryState.PENDING}') AS next
     WHERE id = %s AND runner = %s
    """  # noqa: S608 (table name)
_END_UNCHANGED = Statement(f"UPDATE {ENDPOINTS} SET {_RELEASE} {_OF_RUN}")  # noqa: S608 (table name)
_END = Statement(
    f"""
    UPDATE {ENDPOINTS}
       SET {_RELEASE}, consecutive_failures = %s, retry_at = %s,
           last_success_at = COALESCE(%s, last_success_at), last_failure_at = COALESCE(%s, last_failure_at),
           last_status = %s, last_error = %s
    {_OF_RUN} AND url = %s
    """  # noqa: S608 (table name)
)


@dataclass
class Run:
    """The right to send to an endpoint, and what is to be sent next."""

    endpoint: Endpoint
    token: uuid.UUID
    circuit: Circuit
    secrets: list[bytes] = field(repr=False)
    ends_at: float
    """No attempt is begun after this point of the monotonic clock."""
    deliveries: list[ClaimedDelivery] = field(default_factory=list)
    last_success: Outcome | None = None
    last_failure: Outcome | None = None
    last: Outcome | None = None

    def note(self, outcome: Outcome) -> None:
        """Take an outcome into account. Outcomes must not be noted by several threads at once."""
        self.circuit = self.circuit.note(outcome, settings.OSGP["WEBHOOK_CIRCUIT_FAILURES"])
        self.last = outcome
        if outcome.is_success:
            self.last_success = outcome
        else:
            self.last_failure = outcome

    @property
    def may_go_on(self) -> bool:
        """Whether another attempt may be begun now."""
        retry_at = self.circuit.retry_at
        is_held_back = (
            retry_at is not None and retry_at > platform_time.now() and self.last_failure is not None
        )
        is_gone = self.last is not None and self.last.is_gone and not self.endpoint.is_implicit
        return not (is_held_back or is_gone) and time.monotonic() < self.ends_at


@transaction.atomic
def begin(endpoint_id: int, token: uuid.UUID) -> Run | None:
    """Begin a run that was opened; None if it was begun already, is over, or there is nothing to send."""
    lease = settings.OSGP["WEBHOOK_LEASE"]
    began = time.monotonic()
    rows = _BEGIN.fetch_rows(lease.total_seconds(), endpoint_id, token)
    if not rows:
        return None
    pk, organisation, origin, url, failures, retry_at = rows[0]
    endpoint = Endpoint(pk=pk, organisation_id=organisation, origin=origin, url=url)
    circuit = Circuit(failures, None if retry_at is None else parse_moment(retry_at))
    run = Run(endpoint, token, circuit, [], began + RUN_PART * lease.total_seconds())
    try:
        run.secrets = secrets.open_for(endpoint)
    except (UnsealError, ImproperlyConfigured) as error:
        logger.error("notifications of endpoint %d cannot be signed: %s", pk, error)
        _postpone(run)
        return None
    if _claim(run):
        return run
    _end(run)
    return None


@transaction.atomic
def go_on(run: Run, outcomes: Sequence[tuple[ClaimedDelivery, Outcome]]) -> Run | None:
    """Store what came of the deliveries of a run, and claim the next ones; None if the run has ended.

    What people changed of the endpoint since the last slice counts for the next one.
    """
    states.store(run.token, [_make_change(run, *each) for each in outcomes])
    attempted = {delivery.pk for delivery, _ in outcomes}
    if unattempted := [each.pk for each in run.deliveries if each.pk not in attempted]:
        states.give_back(run.token, unattempted)
    if run.may_go_on and _renew(run) and _claim(run):
        return run
    _end(run)
    return None


def _renew(run: Run) -> bool:
    """Take the secrets of now; False if the endpoint was paused, deleted or moved meanwhile."""
    key = run.endpoint.pk
    same = Endpoint.objects.filter(pk=key, url=run.endpoint.url, organisation__enabled=True)
    if not same.filter(paused_at__isnull=True, deleted_at__isnull=True).exists():
        return False
    try:
        run.secrets = secrets.open_for(run.endpoint)
    except (UnsealError, ImproperlyConfigured) as error:
        # The next run says so at the endpoint, and waits.
        logger.error("notifications of endpoint %d cannot be signed: %s", key, error)
        return False
    return True


def _claim(run: Run) -> bool:
    is_open = run.circuit.is_open(settings.OSGP["WEBHOOK_CIRCUIT_FAILURES"])
    most = 1 if is_open else SLICE
    run.deliveries = states.claim(run.endpoint.pk, run.token, settings.OSGP["WEBHOOK_LEASE"], most)
    return bool(run.deliveries)


def _end(run: Run) -> None:
    key = run.endpoint.pk
    if run.last is None:
        _END_UNCHANGED.execute(key, key, run.token)
        return
    circuit, last = run.circuit, run.last
    is_same = _END.execute(
        *(circuit.consecutive_failures, format_moment(circuit.retry_at)),
        *(_format_time(run.last_success), _format_time(run.last_failure)),
        *(last.status, last.error, key, key, run.token, run.endpoint.url),
    )
    if not is_same:
        # How the former URL answered says nothing about the new one.
        _END_UNCHANGED.execute(key, key, run.token)
        return
    if not last.is_success and circuit.is_open(settings.OSGP["WEBHOOK_CIRCUIT_FAILURES"]):
        states.expire(key, LAST, EXPIRED_AT_ONCE)
    if last.is_gone and not run.endpoint.is_implicit:
        Endpoint.objects.filter(pk=key, paused_at=None).update(
            paused_at=platform_time.now(), pause_reason=GONE
        )


def _postpone(run: Run) -> None:
    Endpoint.objects.filter(pk=run.endpoint.pk, runner=run.token).update(
        runner=None,
        runner_until=None,
        wake_at=platform_time.now() + SEALED_PAUSE,
        last_error="The secret cannot be opened by the platform.",
    )


def _make_change(run: Run, delivery: ClaimedDelivery, outcome: Outcome) -> Change:
    """What an attempt makes of a delivery."""
    log = [*delivery.log, _describe(outcome)][-LONGEST_LOG:]
    attempts = delivery.attempts + 1
    if outcome.is_success:
        return Change(delivery.pk, DeliveryState.DELIVERED, attempts, None, log)
    due_at = find_next_attempt(delivery.begun_at, outcome.at)
    if due_at is None or (outcome.is_gone and run.endpoint.is_implicit):
        return Change(delivery.pk, DeliveryState.FAILED, attempts, None, log)
    if outcome.retry_after is not None:
        due_at = max(due_at, outcome.at + min(outcome.retry_after, LONGEST_PAUSE))
    return Change(delivery.pk, DeliveryState.PENDING, attempts, due_at, log)


def _describe(outcome: Outcome) -> dict[str, Any]:
    return {
        "at": utc_text(outcome.at),
        "status_code": outcome.status,
        "error": outcome.error[:LONGEST_ERROR],
        "seconds": round(outcome.seconds, 3),
        "response": outcome.response,
    }


def _format_time(outcome: Outcome | None) -> str | None:
    at: datetime | None = None if outcome is None else outcome.at
    return format_moment(at)
