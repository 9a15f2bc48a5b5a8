"""Databases of former releases: loaded from their dumps, looked at table by table, used by this process."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from osgp.processes.database import lanes
from osgp.readings import partitions
from scripts.services import create_database, drop_databases, replace_path
from tests import processes
from tests.upgrade import DUMPS


def dump() -> str:
    """The former release's database, for the back end of this test."""
    return (DUMPS / f"{connection.vendor}.sql").read_text()


@contextmanager
def loaded(directory: Path) -> Iterator[None]:
    """A database of its own with what the former release left; this process uses it meanwhile."""
    if connection.vendor == "sqlite":
        path = directory / "upgraded.sqlite3"
        with closing(sqlite3.connect(path)) as database:
            database.executescript(dump())
        with _connected_to(str(path)):
            yield
        return
    # Named after the test run's databases: should this process be killed, scripts/test.py drops them all.
    run = str(connection.settings_dict["NAME"]).removeprefix("test_")
    name = f"test_{run}_upgraded{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    server = replace_path(processes.database_url(), "postgres")
    drop_databases(server, name)
    create_database(server, name)
    try:
        with _connected_to(name):
            _load_postgresql()
            yield
    finally:
        drop_databases(server, name)


def _load_postgresql() -> None:
    with closing(psycopg2.connect(processes.database_url())) as database:
        database.autocommit = True
        with database.cursor() as cursor:
            cursor.execute(dump())


@contextmanager
def _connected_to(name: str) -> Iterator[None]:
    """Let Django, in all threads of this process, use another database of the same server."""
    former = connection.settings_dict["NAME"]
    _forget()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        _forget()
        connection.settings_dict["NAME"] = former


def _forget() -> None:
    """Close connections, and drop what is remembered of the database that they led to."""
    lanes.close()
    connection.close()
    partitions.forget()
    ContentType.objects.clear_cache()


def columns() -> dict[str, list[str]]:
    """The columns of all tables and views."""
    if connection.vendor == "sqlite":
        statement = (
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
            " WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%'"
        )
    else:
        statement = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement)
        for table, column in cursor.fetchall():
            found.setdefault(table, []).append(column)
    return found


def contents(tables: dict[str, list[str]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of tables and views, these columns of them, each table in an order that does not change."""
    return {table: _rows(table, names) for table, names in tables.items()}


def _rows(table: str, names: list[str]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        present = {column.name for column in connection.introspection.get_table_description(cursor, table)}
        names = [name for name in names if name in present]
        chosen = ", ".join(f'"{name}"' for name in names)
        cursor.execute(f'SELECT {chosen} FROM "{table}"')  # noqa: S608 (names of our own tables)
        rows = [dict(zip(names, map(_comparable, row), strict=True)) for row in cursor.fetchall()]
    return sorted(rows, key=repr)


def _comparable(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
