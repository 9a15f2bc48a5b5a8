"""Every change of state of deliveries, each a conditional UPDATE whose row count counts.

docs/states.md is drawn from the table.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from osgp.events.models import Event
from osgp.notifications.models import Delivery, DeliveryState
from osgp.sql import Statement, add_to_now, format_moment, parse_json, parse_moment, parse_uuid
from osgp.state_tables import StateTable, Transition, apply


class DeliveryTransitions(StateTable):
    """Of deliveries of notifications."""

    row = "Delivery of a notification"
    states = DeliveryState
    initial = {DeliveryState.PENDING: "an event that the endpoint or the request asks for"}

    DELIVER = Transition(
        (DeliveryState.PENDING,), DeliveryState.DELIVERED, "notifier", "the receiver answered 2xx in time"
    )
    FETCH = Transition(
        (DeliveryState.PENDING,),
        DeliveryState.FETCHED,
        "notifier",
        "the result was fetched before the next attempt",
    )
    FAIL = Transition(
        (DeliveryState.PENDING,), DeliveryState.FAILED, "notifier", "the last attempt of the schedule failed"
    )
    CANCEL = Transition(
        (DeliveryState.PENDING,),
        DeliveryState.CANCELLED,
        "organisation, notifier",
        "the endpoint was deleted, or was paused beyond the retention",
    )
    REPLAY = Transition(
        (
            DeliveryState.DELIVERED,
            DeliveryState.FAILED,
            DeliveryState.FETCHED,
            DeliveryState.CANCELLED,
        ),
        DeliveryState.PENDING,
        "organisation, operator",
        "it is to be sent again, by a new schedule",
    )


DELIVERIES, EVENTS = Delivery._meta.db_table, Event._meta.db_table
_FETCH = DeliveryTransitions.FETCH
# A notification whose result was fetched in the meantime is not sent any more. Of those about one subject,
# a later one waits for the earlier.
_CLAIM = Statement(
    f"""
    UPDATE {DELIVERIES}
       SET state = CASE WHEN due.fetched THEN '{_FETCH.target}' ELSE state END,
           finished_at = CASE WHEN due.fetched THEN {{now}} END,
           claim = %s, claimed_until = {{later}}
      FROM (SELECT d.id AS number, e.fetched_at IS NOT NULL AS fetched
              FROM {DELIVERIES} d LEFT JOIN {EVENTS} e ON e.id = d.event
             WHERE d.endpoint_id = %s AND d.state {_FETCH.sql_sources} AND d.due_at <= {{now}}
               AND (d.claimed_until IS NULL OR d.claimed_until < {{now}})
               AND NOT EXISTS (
                   SELECT 1 FROM {DELIVERIES} earlier
                    WHERE earlier.endpoint_id = d.endpoint_id AND earlier.subject = d.subject
                      AND earlier.state {_FETCH.sql_sources} AND earlier.id < d.id)
             ORDER BY d.due_at, d.id LIMIT %s) due
     WHERE id = due.number AND state {_FETCH.sql_sources}
       AND (claimed_until IS NULL OR claimed_until < {{now}})
    RETURNING id, state, url, kind, subject, data, attempts, begun_at, log
    """  # noqa: S608 (table names)
)
_ROWS = {
    "postgresql": """
        json_to_recordset(%s::json) AS each_(
            number bigint, state text, attempts integer, due_at timestamptz, log jsonb)
        """,
    "sqlite": """
        (SELECT value ->> 'number' AS number, value ->> 'state' AS state, value ->> 'attempts' AS attempts,
                value ->> 'due_at' AS due_at, value -> 'log' AS log
           FROM json_each(%s)) AS each_
        """,
}
_STORE = {
    vendor: Statement(
        f"""
        UPDATE {DELIVERIES}
           SET state = each_.state, attempts = each_.attempts, log = each_.log,
               due_at = COALESCE(each_.due_at, {DELIVERIES}.due_at),
               finished_at = CASE WHEN each_.state = '{DeliveryState.PENDING}' THEN NULL ELSE {{now}} END,
               claim = NULL, claimed_until = NULL
          FROM {rows}
         WHERE {DELIVERIES}.id = each_.number AND {DELIVERIES}.claim = %s
           AND {DELIVERIES}.state {_FETCH.sql_sources}
        """  # noqa: S608 (table name)
    )
    for vendor, rows in _ROWS.items()
}


class ClaimedDelivery(NamedTuple):
    """A delivery that this process may attempt; PENDING, or FETCHED by the claim."""

    pk: int
    state: str
    url: str
    kind: str
    subject: uuid.UUID
    data: Mapping[str, Any]
    attempts: int
    begun_at: datetime
    log: list[Any]


class Change(NamedTuple):
    """What an attempt makes of a delivery; ``due_at`` is given if it stays PENDING."""

    pk: int
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    log: list[Any]


def claim(endpoint_id: int, token: uuid.UUID, lease: timedelta, most: int) -> list[ClaimedDelivery]:
    """Claim due deliveries of an endpoint, those due first; return those that are to be sent.

    PENDING -> FETCHED for those whose result was fetched.
    """
    rows = _CLAIM.fetch_rows(token, lease.total_seconds(), endpoint_id, most)
    claimed = [
        ClaimedDelivery(
            *(pk, state, url, kind, parse_uuid(subject), parse_json(data)),
            *(attempts, parse_moment(begun_at), parse_json(log)),
        )
        for pk, state, url, kind, subject, data, attempts, begun_at, log in rows
    ]
    return sorted((each for each in claimed if each.state == DeliveryState.PENDING), key=lambda each: each.pk)


def store(token: uuid.UUID, changes: Sequence[Change]) -> int:
    """PENDING -> DELIVERED, FAILED or still PENDING, of claimed deliveries; return how many were ours."""
    rows = [
        {
            "number": change.pk,
            "state": str(change.state),
            "attempts": change.attempts,
            "due_at": format_moment(change.due_at),
            "log": change.log,
        }
        for change in changes
    ]
    return _STORE[connection.vendor].execute(json.dumps(rows), token)


def give_back(endpoint_id: int, token: uuid.UUID) -> int:
    """Leave claimed deliveries that were not attempted to the next run."""
    claimed = Delivery.objects.filter(endpoint=endpoint_id, state=DeliveryState.PENDING, claim=token)
    return claimed.update(claim=None, claimed_until=None)


def expire(endpoint_id: int, age: timedelta, most: int) -> int:
    """PENDING -> FAILED for deliveries whose schedules began longer ago than ``age``; return how many."""
    late = Delivery.objects.filter(
        endpoint=endpoint_id, state=DeliveryState.PENDING, claim=None, begun_at__lt=add_to_now(-age)
    )
    return apply(_take(late.order_by("due_at", "pk"), most), DeliveryTransitions.FAIL, finished_at=Now())


def cancel(deliveries: QuerySet[Delivery], most: int) -> int:
    """PENDING -> CANCELLED for some of ``deliveries``; return how many."""
    pending = deliveries.filter(state=DeliveryState.PENDING).order_by("pk")
    return apply(_take(pending, most), DeliveryTransitions.CANCEL, finished_at=Now(), claim=None)


def replay(deliveries: QuerySet[Delivery]) -> int:
    """DELIVERED, FAILED, FETCHED or CANCELLED -> PENDING, due now by a new schedule; return how many."""
    return apply(
        deliveries,
        DeliveryTransitions.REPLAY,
        attempts=0,
        begun_at=Now(),
        due_at=Now(),
        finished_at=None,
        event=None,
        claim=None,
        claimed_until=None,
    )


def _take(rows: QuerySet[Delivery], most: int) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:most]))
