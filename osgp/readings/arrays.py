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
        """For migrations."""
        name, path, positional, options = super().deconstruct()
        return name, path, positional, {**options, "width": self.width}

    def db_type(self, connection: Any) -> str:
        """The column's type."""
        return _TYPES[self.width] if connection.vendor == "postgresql" else "text"

    def from_db_value(self, value: Any, *_: Any) -> Any:
        """A list of integers."""
        return integers(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """As the database takes it."""
        return None if value is None else text_of(value)


def integers(value: Any) -> Any:
    """A column as selected, as a list."""
    return json.loads(value) if isinstance(value, str) else value


def as_date(value: Any) -> date:
    """A date as selected; SQLite has them as text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def text_of(column: Sequence[int]) -> str:
    """A column as text that the database of this connection reads as an array or JSON."""
    return array_text(column) if connection.vendor == "postgresql" else f"[{','.join(map(str, column))}]"


def array_text(column: Sequence[int]) -> str:
    """A column as PostgreSQL reads it as an array."""
    return f"{{{','.join(map(str, column))}}}"
