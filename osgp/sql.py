"""Time by the database's clock, and SQL statements written out for the few that every visit to a meter needs.

Django's ORM takes longer to compose such a statement than PostgreSQL takes to carry it out: 0.3 to 1.8 ms of
CPU each, against 0.05 ms for these. They read the same on PostgreSQL and SQLite except for what the braces
stand for.
"""

import json
import uuid
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import DurationField, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

_DIALECTS = {
    "postgresql": {
        "now": "statement_timestamp()",
        "later": "statement_timestamp() + make_interval(secs => %s)",
        "is": "IS NOT DISTINCT FROM",
        "locked": "FOR SHARE",
    },
    "sqlite": {
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "later": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')",
        "is": "IS",
        "locked": "",
    },
}


class Statement:
    """One statement. ``{now}`` is the database's time, ``{later}`` takes a parameter of seconds from now,
    ``{is}`` compares NULL as a value, ``{locked}`` keeps what a subquery found as it is until the end of the
    transaction (SQLite has one writer at a time anyway).
    """

    def __init__(self, text: str) -> None:
        self._texts = {vendor: text.format(**dialect) for vendor, dialect in _DIALECTS.items()}

    def rows(self, *parameters: Any) -> list[tuple[Any, ...]]:
        """Carry it out; returns what it selects or returns."""
        with connection.cursor() as cursor:
            cursor.execute(self._texts[connection.vendor], [_adapted(value) for value in parameters])
            return list(cursor.fetchall())

    def count(self, *parameters: Any) -> int:
        """Carry it out; returns how many rows it changed."""
        with connection.cursor() as cursor:
            cursor.execute(self._texts[connection.vendor], [_adapted(value) for value in parameters])
            return int(cursor.rowcount)


def _adapted(value: Any) -> Any:
    """A parameter as the database stores it; SQLite knows neither UUIDs nor JSON."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, uuid.UUID):
        return value.hex if connection.vendor == "sqlite" else str(value)
    return value


def later(delay: timedelta) -> Combinable:
    """For the ORM: the database's time plus ``delay``, which may be negative."""
    return Now() + Value(delay, output_field=DurationField())


def within(column: str, keys: Collection[int]) -> Q:
    """For the ORM: one of ``keys``, of which there may be thousands.

    The range tells the database that it need not look further than the keys are apart, whatever it believes
    to know about the table: while thousands of rows are put in, that is out of date.
    """
    if not keys:
        return Q(pk__in=())
    lowest, highest = {f"{column}__gte": min(keys)}, {f"{column}__lte": max(keys)}
    return Q(**lowest, **highest, **{f"{column}__in": list(keys)})


def json_value(value: Any) -> Any:
    """A JSON column as selected by a Statement."""
    return json.loads(value) if isinstance(value, str) else value


def uuid_value(value: Any) -> uuid.UUID:
    """A UUID column as selected by a Statement."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
