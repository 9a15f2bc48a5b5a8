"""Backups of the test's database, and restores of them while nobody uses it."""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Protocol

from django.db import connection

from osgp.processes.database import lanes
from tests import quick_database


class Backup(Protocol):
    """Made of the database as it is when the object is made."""

    def __init__(self, directory: Path) -> None: ...

    def restore(self) -> None:
        """Put it back."""

    def discard(self) -> None:
        """Remove what the directory does not hold."""


class CopiedFile:
    """SQLite's file, copied."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "backup.sqlite3"
        with sqlite3.connect(_database()) as source, sqlite3.connect(self._path) as target:
            source.backup(target)
        target.close()
        source.close()

    def restore(self) -> None:
        _leave()
        # Page by page: a file that is put in its place is an I/O error to whoever has the former one open.
        with sqlite3.connect(self._path) as source, sqlite3.connect(_database()) as target:
            source.backup(target)
        target.close()
        source.close()

    def discard(self) -> None: ...


class OtherDatabase:
    """A copy in another database of the server, from which a new one of the same name is made."""

    def __init__(self, directory: Path) -> None:
        self._name = f"{_database()}_backup"
        _leave()
        _administer(f'DROP DATABASE IF EXISTS "{self._name}"')
        _administer(f'CREATE DATABASE "{self._name}" TEMPLATE "{_database()}"')

    def restore(self) -> None:
        _leave()
        _administer(f'DROP DATABASE "{_database()}"')
        _administer(f'CREATE DATABASE "{_database()}" TEMPLATE "{self._name}"')
        quick_database.do_not_wait_for_the_disk()

    def discard(self) -> None:
        _administer(f'DROP DATABASE IF EXISTS "{self._name}"')


class Dump:
    """Made by pg_dump, and restored by pg_restore into the same database."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "backup.dump"
        _run("pg_dump", "--format=custom", f"--file={self._path}", _database())

    def restore(self) -> None:
        # pg_restore --clean cannot drop partitioned tables.
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
            cursor.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        _leave()
        _run("pg_restore", f"--dbname={_database()}", str(self._path))

    def discard(self) -> None: ...


def list_kinds() -> list[type[Backup]]:
    """The kinds of backups that this database can have."""
    if connection.vendor == "sqlite":
        return [CopiedFile]
    return [OtherDatabase, *([Dump] if shutil.which("pg_dump") and shutil.which("pg_restore") else [])]


def _database() -> str:
    return str(connection.settings_dict["NAME"])


def _leave() -> None:
    lanes.close()
    connection.close()


def _administer(statement: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


def _run(*command: str) -> None:
    settings = connection.settings_dict
    names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD"}
    environment = {names[key]: str(settings[key]) for key in names if settings[key]}
    subprocess.run(command, env=os.environ | environment, check=True)
