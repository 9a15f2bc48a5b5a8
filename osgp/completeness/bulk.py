"""INSERT statements for thousands of rows."""

from collections.abc import Sequence
from typing import Any

from django.db import connection


def insert_rows(statement: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Execute an INSERT whose ``{rows}`` are these, in one statement where the database can do that.

    ``columns`` has the types of PostgreSQL. JSON is given as text.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # An array of JSON would be quoted twice.
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
