"""Every change of state of deliveries, each a conditional UPDATE whose row count counts.

docs/states.md is drawn from the table.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
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
        "the endpoint was deleted, or it or its organisation was at rest beyond the retention",
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
# While thousands of deliveries are made and sent, the database's statistics are out of date, and a plan that
# joins them may read all for each. So rows are found one by one through an index each, and changed by their
# keys; "+ 0" and "|| ''" hide the other indexes from PostgreSQL.
_DUE = f"""
    SELECT d.id FROM {DELIVERIES} d
     WHERE d.endpoint_id = %s AND d.state {_FETCH.sql_sources} AND d.due_at <= {{now}}
       AND (d.claimed_until IS NULL OR d.claimed_until < {{now}})
       AND d.id = (
           SELECT MIN(first.id + 0) FROM {DELIVERIES} first
            WHERE first.subject = d.subject AND first.endpoint_id + 0 = d.endpoint_id
              AND first.state {_FETCH.sql_sources})
     ORDER BY d.due_at, d.id LIMIT %s
    """  # noqa: S608 (table name)
_AMONG_DUE = {"postgresql": f"= ANY(ARRAY({_DUE}))", "sqlite": f"IN ({_DUE})"}
_IS_FETCHED = f"""
    EXISTS (SELECT 1 FROM {EVENTS} e WHERE e.id = {DELIVERIES}.event AND e.fetched_at IS NOT NULL)
    """  # noqa: S608 (table name)
# A notification whose result was fetched in the meantime is not sent any more. Of those about one subject,
# a later one waits for the earlier.
_CLAIM = {
    vendor: Statement(
        f"""
        UPDATE {DELIVERIES}
           SET state = CASE WHEN {_IS_FETCHED} THEN '{_FETCH.target}' ELSE state END,
               finished_at = CASE WHEN {_IS_FETCHED} THEN {{now}} END,
               claim = %s, claimed_until = {{later}}
         WHERE id {among} AND state || '' {_FETCH.sql_sources}
           AND (claimed_until IS NULL OR claimed_until < {{now}})
        RETURNING id, state, url, kind, subject, data, attempts, begun_at, log
        """  # noqa: S608 (table names)
    )
    for vendor, among in _AMONG_DUE.items()
}
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
_BY_KEYS = {"postgresql": f"AND {DELIVERIES}.id = ANY(%s)", "sqlite": ""}
_STORE = {
    vendor: Statement(
        f"""
        UPDATE {DELIVERIES}
           SET state = each_.state, attempts = each_.attempts, log = each_.log,
               due_at = COALESCE(each_.due_at, {DELIVERIES}.due_at),
               finished_at = CASE WHEN each_.state = '{DeliveryState.PENDING}' THEN NULL ELSE {{now}} END,
               claim = NULL, claimed_until = NULL
          FROM {rows}
         WHERE {DELIVERIES}.id = each_.number {_BY_KEYS[vendor]} AND {DELIVERIES}.claim = %s
           AND {DELIVERIES}.state || '' {_FETCH.sql_sources}
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
    rows = _CLAIM[connection.vendor].fetch_rows(token, lease.total_seconds(), endpoint_id, most)
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
    keys = [[change.pk for change in changes]] if _BY_KEYS[connection.vendor] else []
    return _STORE[connection.vendor].execute(json.dumps(rows), *keys, token)


def give_back(token: uuid.UUID, keys: Collection[int]) -> int:
    """Leave claimed deliveries that were not attempted to the next run."""
    claimed = Delivery.objects.filter(pk__in=keys, state=DeliveryState.PENDING, claim=token)
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
