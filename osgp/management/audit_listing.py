"""Entries of the audit trail as callers get them: as JSON, lines of JSON, and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from osgp.audit.models import AuditEntry
from osgp.messages.serializers import utc_text

COLUMNS = (
    "id",
    "at",
    "event",
    "organisation",
    "actor",
    "device",
    "correlation_uid",
    "address",
    "request_id",
    "details",
)
ROWS = 1000
"""Rows made at a time."""
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def describe(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as JSON."""
    return {
        "id": entry.pk,
        "at": utc_text(entry.at),
        "event": entry.event,
        "organisation": entry.organisation_identification,
        "actor": entry.actor,
        "device": entry.device_identification or None,
        "correlation_uid": str(entry.correlation_uid) if entry.correlation_uid else None,
        "address": entry.address or None,
        "request_id": entry.request_id or None,
        "details": entry.details,
    }


def format_ndjson(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """Yield a line of JSON for each entry."""
    for rows in _iterate_slices(entries):
        yield b"".join(json.dumps(describe(entry)).encode() + b"\n" for entry in rows)


def format_csv(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """Yield CSV (RFC 4180) with a header; details are JSON.

    People open it in spreadsheets: a text that would be a formula there, as a tried user name may be, begins
    with an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for rows in _iterate_slices(entries):
        for entry in rows:
            row = describe(entry) | {"details": json.dumps(entry.details)}
            writer.writerow([_guard(row[name]) for name in COLUMNS])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _guard(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_FORMULA) else value


def _iterate_slices(entries: Iterable[AuditEntry]) -> Iterator[list[AuditEntry]]:
    iterator = iter(entries)
    while rows := list(islice(iterator, ROWS)):
        yield rows
