"""What the listener does in the database. All of it may be repeated, but for the counts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction

from osgp.alarms import counting
from osgp.alarms.counting import CountKey
from osgp.alarms.models import ReceivedPush
from osgp.listener.pushes import Push

UNUSABLE = (DataError, IntegrityError)
"""Errors that tell of the pushes. By all others the database says that it is not able to store any."""

_COLUMNS = (
    "uid",
    "received_at",
    "transport",
    "source_address",
    "source_port",
    "octets",
    "outcome",
    "is_verified",
    "details",
)
_INSERT = f"INSERT INTO {ReceivedPush._meta.db_table} ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608 (names)
_ROW = f"({', '.join(['%s'] * len(_COLUMNS))})"
_NO_DETAILS = "{}"

SHARE = 500
"""Rows of one statement. SQLite takes 32,766 parameters."""


def store(pushes: Sequence[Push]) -> None:
    """Store pushes in their order, in one transaction. Those that are stored already are left as they are.

    Raises UNUSABLE if the database cannot take one of them, and other errors if it cannot take any.
    """
    if len(pushes) <= SHARE:
        _insert(pushes)
        return
    with transaction.atomic():
        for start in range(0, len(pushes), SHARE):
            _insert(pushes[start : start + SHARE])


def _insert(pushes: Sequence[Push]) -> None:
    prepare = _prepare_for_sqlite if connection.vendor == "sqlite" else _prepare
    parameters: list[Any] = []
    for push in pushes:
        parameters += prepare(push)
    places = ", ".join([_ROW] * len(pushes))
    with connection.cursor() as cursor:
        cursor.execute(f"{_INSERT}{places} ON CONFLICT (uid) DO NOTHING", parameters)


def _prepare(push: Push) -> tuple[Any, ...]:
    return (
        str(push.uid),
        push.received_at,
        push.transport.value,
        push.address,
        push.port,
        push.octets,
        push.outcome,
        False,
        json.dumps({"reason": push.problem}) if push.problem else _NO_DETAILS,
    )


def _prepare_for_sqlite(push: Push) -> tuple[Any, ...]:
    _, received_at, *rest = _prepare(push)
    return (push.uid.hex, connection.ops.adapt_datetimefield_value(received_at), *rest)


def store_counts(counts: Mapping[CountKey, int]) -> None:
    """Add to the counts. What is not known to have been stored is to be added again, so that some may be
    counted twice when a connection breaks."""
    counting.add(counts)


def close() -> None:
    """Close the connection of this thread."""
    connection.close()
