"""A column of integers in one field: an array on PostgreSQL, JSON on SQLite, which has no arrays."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection, models

_TYPES = {"smallint": "smallint[]", "integer": "integer[]", "bigint": "bigint[]"}


class IntegersField(models.Field):
    """Integers of one width: ``smallint``, ``integer`` or ``bigint``."""

    def __init__(self, width: str = "bigint", **options: Any) -> None:
        self.width = width
        super().__init__(**options)

    def deconstruct(self) -> Any:
        """Add the width for migrations."""
        name, path, positional, options = super().deconstruct()
        return name, path, positional, {**options, "width": self.width}

    def db_type(self, connection: Any) -> str:
        """Return the column's type."""
        return _TYPES[self.width] if connection.vendor == "postgresql" else "text"

    def from_db_value(self, value: Any, *_: Any) -> Any:
        """Return a list of integers."""
        return parse_integers(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return the text that the database reads."""
        return None if value is None else format_column(value)


def parse_integers(value: Any) -> Any:
    """Return a selected column as a list."""
    return json.loads(value) if isinstance(value, str) else value


def as_date(value: Any) -> date:
    """Return a selected date; SQLite stores dates as text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def format_column(column: Sequence[int]) -> str:
    """Return a column as text that the database of this connection reads as an array or JSON."""
    return format_array(column) if connection.vendor == "postgresql" else f"[{','.join(map(str, column))}]"


def format_array(column: Sequence[int]) -> str:
    """Return a column as text that PostgreSQL reads as an array."""
    return f"{{{','.join(map(str, column))}}}"
