"""Storing what was counted. Django would take ten times as long for so many rows."""

import json
from collections.abc import Sequence
from datetime import date

from osgp.completeness.bulk import insert_rows
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
    insert_rows(
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
    insert_rows(_STORE_DEVICES, _DEVICE_COLUMNS, rows)
