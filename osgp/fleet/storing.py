"""Storing the requests of a batch, thousands in one transaction.

Two statements store any number of requests and their actions: building as many rows with the ORM takes as
long as the database takes to store them. What all requests of a batch have in common is copied from its row,
and each gets a copy of the batch's actions, whether that is one message or those of a bundle. Actions of a
bundle that a device cannot do get their fault with that.

Neither statement may depend on the database's statistics, which are out of date while a batch is being made.
The second one therefore hides the batch's column from the indexes (``COALESCE``): through them, each slice
would read the rows of all earlier slices. So it reads the range of its own requests only.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from osgp.batches.models import Batch, SkippedDevice
from osgp.fleet.contents import Content, Recipient
from osgp.fleet.targets import CheckedDevices
from osgp.processes import wakeup
from osgp.requests import waiting_limits
from osgp.requests.models import Action, Request
from osgp.requests.states.transitions import choose_first_action_state, choose_first_state
from osgp.sql import format_moment, write_now

BATCHES, REQUESTS, ACTIONS = (model._meta.db_table for model in (Batch, Request, Action))
SKIPPED_PER_STATEMENT = 1000
MANY = 1000
"""Requests from which on the database should know how large its tables are."""

_PENDING, _UNABLE = (choose_first_action_state(is_able=is_able) for is_able in (True, False))

_ROWS = {
    "postgresql": """
        json_to_recordset(%s::json) AS each_(
            position integer, uid uuid, device bigint, meter bigint, identification text, state text,
            schedule_time timestamptz, due_at timestamptz)
        """,
    "sqlite": """
        (SELECT value ->> 'position' AS position, value ->> 'uid' AS uid, value ->> 'device' AS device,
                value ->> 'meter' AS meter, value ->> 'identification' AS identification,
                value ->> 'state' AS state, value ->> 'schedule_time' AS schedule_time,
                value ->> 'due_at' AS due_at
           FROM json_each(%s)) AS each_
        """,
}
_INSERT_REQUESTS = f"""
    INSERT INTO {REQUESTS} (
           correlation_uid, organisation_id, application, message, device_identification, device_id, meter_id,
           batch_id, priority, effective_priority, schedule_time, max_schedule_time, bypass_retry, state,
           due_at, attempts, crashes, created_at, completed_at, response_url)
    SELECT each_.uid, batch.organisation_id, batch.application, batch.message, each_.identification,
           each_.device, each_.meter, batch.id, batch.priority, batch.priority, each_.schedule_time,
           batch.max_schedule_time, batch.bypass_retry, each_.state, each_.due_at, 0, 0, batch.created_at,
           CASE WHEN each_.state = '{choose_first_state(is_due=True, is_over=True)}' THEN {{now}} END,
           batch.response_url
      FROM {{rows}} CROSS JOIN {BATCHES} AS batch
     WHERE batch.id = %s
     ORDER BY each_.position
    RETURNING id
    """  # noqa: S608 (table names)
_ACTION_ROWS = {
    "postgresql": "json_to_recordset(%s::json) AS each_(position integer, message text, parameters jsonb)",
    "sqlite": """
        (SELECT value ->> 'position' AS position, value ->> 'message' AS message,
                value -> 'parameters' AS parameters
           FROM json_each(%s)) AS each_
        """,
}
_FAULT_ROWS = {
    "postgresql": "json_to_recordset(%s::json) AS known(device bigint, position integer, fault jsonb)",
    # With a type, so that SQLite finds a fault by its device.
    "sqlite": """
        (SELECT CAST(value ->> 'device' AS integer) AS device, value ->> 'position' AS position,
                value -> 'fault' AS fault
           FROM json_each(%s)) AS known
        """,
}
_INSERT_ACTIONS = f"""
    INSERT INTO {ACTIONS} (
           request_id, position, message, device_id, parameters, state, fault, finished_at)
    SELECT request.id, each_.position, each_.message, request.device_id, each_.parameters,
           CASE WHEN known.fault IS NULL THEN '{_PENDING}' ELSE '{_UNABLE}' END, known.fault,
           CASE WHEN known.fault IS NOT NULL THEN {{now}} END
      FROM {{rows}} CROSS JOIN {REQUESTS} AS request
      LEFT JOIN {{faults}} ON known.device = request.device_id AND known.position = each_.position
     WHERE request.id BETWEEN %s AND %s AND COALESCE(request.batch_id, 0) = %s
     ORDER BY request.id, each_.position
    """  # noqa: S608 (table names)


@transaction.atomic
def store(batch: Batch, content: Content, checked: CheckedDevices) -> None:
    """Store a request with its actions for each device and a row for each refused one; wake the dispatcher.

    Requests are numbered in the order of the devices. All bear the batch's time of creation, so that the
    organisation's list of requests finds them side by side.
    """
    recipients = checked.recipients
    if recipients:
        now = read_database_time(batch)
        rows = [
            _make_row(batch, recipient, number, now, is_over=len(recipient.faults) == len(content.actions))
            for number, recipient in enumerate(recipients)
        ]
        vendor = connection.vendor
        words = {"now": write_now(vendor), "faults": _FAULT_ROWS[vendor]}
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_REQUESTS.format(rows=_ROWS[vendor], **words), [json.dumps(rows), batch.pk])
            numbers = [number for (number,) in cursor.fetchall()]
            cursor.execute(
                _INSERT_ACTIONS.format(rows=_ACTION_ROWS[vendor], **words),
                [
                    _write_actions(content),
                    _write_faults(recipients),
                    min(numbers),
                    max(numbers),
                    batch.pk,
                ],
            )
        if len(recipients) >= MANY:
            _analyze_grown_tables()
    SkippedDevice.objects.bulk_create(
        [
            SkippedDevice(
                batch=batch,
                position=position,
                device_identification=identification,
                fault=fault.as_dict(),
            )
            for position, identification, fault in checked.refused
        ],
        batch_size=SKIPPED_PER_STATEMENT,
    )
    if recipients:
        # Last of all: until the end of the transaction, others that make requests for the organisation wait.
        waiting_limits.add(batch.organisation_id, len(recipients))
    wakeup.notify()


def _analyze_grown_tables() -> None:
    """Have PostgreSQL analyze tables that it takes for small; autovacuum does so only a minute later.

    Until then it checks the foreign key of each new action by scanning the requests: that plan is made, and
    kept, while there are hardly any.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples < %s FROM pg_class WHERE oid = %s::regclass", [MANY, REQUESTS])
        if cursor.fetchone() == (True,):
            cursor.execute(f"ANALYZE {REQUESTS}, {ACTIONS}")


def read_database_time(batch: Batch) -> datetime:
    """Return the database's time, which decides what is due; a process's own clock may be ahead of it."""
    now: datetime = Batch.objects.filter(pk=batch.pk).values_list(Now(), flat=True).get()
    return now


def compute_offset(meter: str, window: timedelta) -> timedelta:
    """Return a meter's moment in a window: always the same, and evenly spread over meters.

    It depends on nothing but the identification of the meter that is dialled. So batches and schedules with
    the same window have the same moment for a meter and for the M-Bus devices behind it, and share a visit.
    """
    digest = hashlib.blake2b(meter.encode(), digest_size=6).digest()
    return window * (int.from_bytes(digest, "big") / 2**48)


def _write_actions(content: Content) -> str:
    """Return the actions that each request has, as JSON for the database."""
    return json.dumps(
        [
            {"position": position, "message": action.operation.message, "parameters": action.as_json()}
            for position, action in enumerate(content.actions)
        ]
    )


def _write_faults(recipients: Iterable[Recipient]) -> str:
    """Return what devices cannot do of a bundle, as JSON for the database."""
    return json.dumps(
        [
            {"device": recipient.device.pk, "position": position, "fault": fault.as_dict()}
            for recipient in recipients
            for position, fault in recipient.faults.items()
        ]
    )


def _make_row(
    batch: Batch, recipient: Recipient, position: int, now: datetime, *, is_over: bool
) -> dict[str, Any]:
    """Return the columns that differ by device, as JSON for the database."""
    device = recipient.device
    schedule_time = batch.schedule_time
    if batch.spread:
        meter = device.gateway or device
        begin = schedule_time or batch.created_at
        schedule_time = begin + compute_offset(meter.identification, batch.spread)
    uid = uuid.uuid4()
    due_at = now if schedule_time is None else max(schedule_time, now)
    return {
        "position": position,
        "uid": uid.hex if connection.vendor == "sqlite" else str(uid),
        "device": device.pk,
        "meter": device.gateway_id or device.pk,
        "identification": device.identification,
        "state": choose_first_state(is_due=due_at == now, is_over=is_over),
        "schedule_time": format_moment(schedule_time),
        "due_at": format_moment(due_at),
    }
