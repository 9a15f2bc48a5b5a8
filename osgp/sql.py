"""The clock of the database, and SQL for the few statements that every visit to a meter needs.

Django's ORM takes longer to compose such a statement than PostgreSQL takes to execute it: 0.3 to 1.8 ms of
CPU each, against 0.05 ms here. The text is the same for PostgreSQL and SQLite, except for the words in
braces.
"""

import itertools
import json
import re
import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import DurationField, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from osgp import platform_time

_DIALECTS = {
    "postgresql": {
        "now": "statement_timestamp()",
        "later": "statement_timestamp() + make_interval(secs => %s)",
        "is": "IS NOT DISTINCT FROM",
        "locked": "FOR SHARE",
        "among": "= ANY(%s)",
    },
    "sqlite": {
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "later": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')",
        "is": "IS",
        "locked": "",
        "among": "IN (SELECT value FROM json_each(%s))",
    },
}


class Statement:
    """One SQL statement.

    ``{now}`` is the time of the database, ``{later}`` takes a parameter of seconds from now, ``{is}``
    compares NULL as a value, ``{among}`` compares with the values of a list, and ``{locked}`` locks the rows
    of a subquery until the end of the transaction (SQLite has one writer at a time anyway).

    PostgreSQL prepares it once per connection, unless ``PREPARED_STATEMENTS`` is off, because planning takes
    longer than execution. A statement for thousands of rows is not prepared (``prepared=False``): its plan
    should fit these rows.
    """

    def __init__(self, text: str, *, prepared: bool = True) -> None:
        self._is_prepared = prepared
        self._texts = {vendor: text.format(**dialect) for vendor, dialect in _DIALECTS.items()}
        self._name = f"osgp_{next(_numbers)}"
        numbers = itertools.count(1)
        numbered = re.sub(
            r"%[s%]", lambda sign: "%" if sign[0] == "%%" else f"${next(numbers)}", self._texts["postgresql"]
        )
        self._preparation = f"PREPARE {self._name} AS {numbered}"
        places = ", ".join(["%s"] * (next(numbers) - 1))
        self._execution = f"EXECUTE {self._name} ({places})" if places else f"EXECUTE {self._name}"

    def fetch_rows(self, *parameters: Any) -> list[tuple[Any, ...]]:
        """Execute it; return the rows that it selects or returns."""
        database = connections[DEFAULT_DB_ALIAS]
        with database.cursor() as cursor:
            self._execute(database, cursor, parameters)
            return list(cursor.fetchall())

    def execute(self, *parameters: Any) -> int:
        """Execute it; return how many rows it changed."""
        database = connections[DEFAULT_DB_ALIAS]
        with database.cursor() as cursor:
            self._execute(database, cursor, parameters)
            return int(cursor.rowcount)

    def _execute(
        self, database: BaseDatabaseWrapper, cursor: CursorWrapper, parameters: tuple[Any, ...]
    ) -> None:
        values = [_adapt(value, database.vendor) for value in parameters]
        asked = self._is_prepared and settings.OSGP["PREPARED_STATEMENTS"]
        if database.vendor != "postgresql" or not asked:
            cursor.execute(self._texts[database.vendor], values)
            return
        prepared = _prepared.setdefault(database.connection, set())
        if self._name not in prepared:
            cursor.execute(self._preparation)
            prepared.add(self._name)
        cursor.execute(self._execution, values)


_numbers = itertools.count(1)
_prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""Names of the statements that are prepared on each open connection to PostgreSQL."""


# Most parameters; a check for Mapping takes much longer.
_STORED_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})


def _adapt(value: Any, vendor: str) -> Any:
    """Return a parameter as the database stores it; SQLite has neither UUIDs nor JSON."""
    if type(value) in _STORED_AS_THEY_ARE:
        return value
    if isinstance(value, uuid.UUID):
        return value.hex if vendor == "sqlite" else str(value)
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    if isinstance(value, list) and vendor == "sqlite":
        return json.dumps(value)
    return value


def write_now(vendor: str) -> str:
    """Return SQL, for a statement with parameters, for the time at which a statement begins."""
    return _DIALECTS[vendor]["now"]


_READ_NOW = Statement("SELECT {now}", prepared=False)


def read_now() -> datetime:
    """Return the time of the database, which decides what is due; a process's own clock may be ahead.

    It counts as a measurement of the platform's time (osgp/platform_time.py).
    """
    asked = platform_time.read_uptime()
    now = parse_moment(_READ_NOW.fetch_rows()[0][0])
    platform_time.note(asked, now, platform_time.read_uptime())
    return now


def add_to_now(delay: timedelta) -> Combinable:
    """Return an ORM expression for the time of the database plus ``delay``, which may be negative."""
    return Now() + Value(delay, output_field=DurationField())


def is_one_of(column: str, keys: Collection[int]) -> Q:
    """Return an ORM condition: ``column`` is one of ``keys``, of which there may be thousands.

    The range limits what the database reads, even with outdated statistics: they are outdated while thousands
    of rows are inserted.
    """
    if not keys:
        return Q(pk__in=())
    lowest, highest = {f"{column}__gte": min(keys)}, {f"{column}__lte": max(keys)}
    return Q(**lowest, **highest, **{f"{column}__in": list(keys)})


def parse_json(value: Any) -> Any:
    """Return the value of a JSON column that a Statement selected."""
    return json.loads(value) if isinstance(value, str) else value


def format_moment(moment: datetime | None) -> str | None:
    """Return a time as the database stores it, for JSON that a statement reads rows from."""
    if moment is None:
        return None
    return str(connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(moment))


def parse_moment(value: Any) -> datetime:
    """Return the value of a time that a Statement selected; SQLite's are texts or say no zone, in UTC."""
    moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_uuid(value: Any) -> uuid.UUID:
    """Return the value of a UUID column that a Statement selected."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
