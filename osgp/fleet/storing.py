"""Making the requests of a batch, thousands in one transaction.

Two statements make any number of them: composing as many rows with the ORM takes the process as long as the
database takes to store them. What all requests of a batch have in common is copied from its row.

Neither may depend on what the database believes to know about its tables: while a batch is being made, that
is out of date. The second one therefore hides the column of the batch from the indexes (``COALESCE``): by
them, each slice would read all that earlier slices made. The range of its own requests is all that it reads.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from osgp.batches.models import Batch, SkippedDevice
from osgp.devices.models import Device
from osgp.fleet.targets import Refused
from osgp.processes import wakeup
from osgp.requests.models import Action, Request
from osgp.requests.states.transitions import FIRST_ACTION_STATE, choose_first_state
from osgp.sql import Statement

BATCHES, REQUESTS, ACTIONS = (model._meta.db_table for model in (Batch, Request, Action))
SKIPPED_PER_STATEMENT = 1000
MANY = 1000
"""Requests, of which the database should know that there are so many."""

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
           due_at, attempts, crashes, created_at)
    SELECT each_.uid, batch.organisation_id, batch.application, batch.message, each_.identification,
           each_.device, each_.meter, batch.id, batch.priority, batch.priority, each_.schedule_time,
           batch.max_schedule_time, batch.bypass_retry, each_.state, each_.due_at, 0, 0, batch.created_at
      FROM {{rows}} CROSS JOIN {BATCHES} AS batch
     WHERE batch.id = %s
     ORDER BY each_.position
    RETURNING id
    """  # noqa: S608 (table names)
_INSERT_ACTIONS = Statement(
    f"""
    INSERT INTO {ACTIONS} (request_id, position, message, device_id, parameters, state)
    SELECT id, 0, message, device_id, (SELECT parameters FROM {BATCHES} WHERE id = %s),
           '{FIRST_ACTION_STATE}'
      FROM {REQUESTS}
     WHERE id BETWEEN %s AND %s AND COALESCE(batch_id, 0) = %s
    """,  # noqa: S608 (table names)
    prepared=False,
)


@transaction.atomic
def store(batch: Batch, devices: Sequence[Device], refused: Iterable[Refused] = ()) -> None:
    """Make a request for each device, remember the refused ones, and wake the dispatcher.

    Requests are numbered in the order of ``devices``. All bear the batch's time of creation, so that the
    organisation's list of requests finds them side by side.
    """
    if devices:
        now = database_time(batch)
        rows = json.dumps([_row(batch, device, number, now) for number, device in enumerate(devices)])
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_REQUESTS.format(rows=_ROWS[connection.vendor]), [rows, batch.pk])
            numbers = [number for (number,) in cursor.fetchall()]
        _INSERT_ACTIONS.execute(batch.pk, min(numbers), max(numbers), batch.pk)
        if len(devices) >= MANY:
            _tell_that_there_are_many()
    SkippedDevice.objects.bulk_create(
        [
            SkippedDevice(
                batch=batch,
                position=position,
                device_identification=identification,
                fault=fault.as_dict(),
            )
            for position, identification, fault in refused
        ],
        batch_size=SKIPPED_PER_STATEMENT,
    )
    wakeup.notify()


def _tell_that_there_are_many() -> None:
    """Have PostgreSQL look at tables that it takes to be small; its autovacuum does so a minute later.

    Until then it makes sure that the request of each new action exists by reading requests from the first on:
    the plan for that is made when there are hardly any, and kept.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples < %s FROM pg_class WHERE oid = %s::regclass", [MANY, REQUESTS])
        if cursor.fetchone() == (True,):
            cursor.execute(f"ANALYZE {REQUESTS}, {ACTIONS}")


def database_time(batch: Batch) -> datetime:
    """The database's clock, which decides what is due; a process's own may be ahead of it."""
    now: datetime = Batch.objects.filter(pk=batch.pk).values_list(Now(), flat=True).get()
    return now


def offset(key: str, identification: str, window: timedelta) -> timedelta:
    """A device's own moment in a window: always the same for a key, and evenly spread over devices."""
    digest = hashlib.blake2b(f"{key}/{identification}".encode(), digest_size=6).digest()
    return window * (int.from_bytes(digest, "big") / 2**48)


def _row(batch: Batch, device: Device, position: int, now: datetime) -> dict[str, Any]:
    """What is the device's own, as the database takes it from JSON."""
    schedule_time = batch.schedule_time
    if batch.spread:
        key = str(batch.recurring_id or batch.uid)
        begin = schedule_time or batch.created_at
        schedule_time = begin + offset(key, device.identification, batch.spread)
    uid = uuid.uuid4()
    due_at = now if schedule_time is None else max(schedule_time, now)
    return {
        "position": position,
        "uid": uid.hex if connection.vendor == "sqlite" else str(uid),
        "device": device.pk,
        "meter": device.gateway_id or device.pk,
        "identification": device.identification,
        "state": choose_first_state(is_due=due_at == now),
        "schedule_time": _text(schedule_time),
        "due_at": _text(due_at),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else str(connection.ops.adapt_datetimefield_value(moment))
