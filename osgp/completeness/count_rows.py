"""Storing what was counted: thousands of rows in a statement that Django would take ten times as long for."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from osgp.completeness.models import CountedDay, CountedDevice
from osgp.completeness.totals import Count

_DAYS, _DEVICES = (model._meta.db_table for model in (CountedDay, CountedDevice))

_STORE_DAYS = f"""
    INSERT INTO {_DAYS} (device_id, period, day, expected, late, missing) {{rows}}
    ON CONFLICT (device_id, period, day)
    DO UPDATE SET expected = excluded.expected, late = excluded.late, missing = excluded.missing
"""
_STORE_DEVICES = f"""
    INSERT INTO {_DEVICES} (device_id, scopes, basis, until) {{rows}}
    ON CONFLICT (device_id)
    DO UPDATE SET scopes = excluded.scopes, basis = excluded.basis, until = excluded.until
"""
_DAY_COLUMNS = ("bigint", "text", "date", "integer", "integer", "jsonb")
_DEVICE_COLUMNS = ("bigint", "text", "text", "date")


def store_days(rows: Sequence[tuple[int, str, date, Count]]) -> None:
    """Store counts of days, by device, period and day, in place of former ones."""
    _store(
        _STORE_DAYS,
        _DAY_COLUMNS,
        [
            (
                *key,
                count.expected,
                count.late,
                json.dumps(dict(count.missing)) if count.missing else None,
            )
            for *key, count in rows
        ],
    )


def store_devices(rows: Sequence[tuple[int, str, str, date]]) -> None:
    """Store what was counted of devices: scopes, basis, and until when."""
    _store(_STORE_DEVICES, _DEVICE_COLUMNS, rows)


def _store(statement: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # JSON arrives as text: an array of it would be quoted twice.
            places = ", ".join("%s::text[]" if kind == "jsonb" else f"%s::{kind}[]" for kind in columns)
            names = [f"c{number}" for number in range(len(columns))]
            told = ", ".join(f"{name}::{kind}" for name, kind in zip(names, columns, strict=True))
            source = f"SELECT {told} FROM unnest({places}) AS t ({', '.join(names)})"  # noqa: S608
            cursor.execute(
                statement.format(rows=source), [list(column) for column in zip(*rows, strict=True)]
            )
        else:
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(statement.format(rows=f"VALUES ({places})"), rows)
