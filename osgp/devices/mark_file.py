"""The mark of an SQLite database: random, kept in the database and in a file beside it, and renewed often.

A database file that was copied back from elsewhere has an older mark than the file beside it. The file holds
a list of marks in JSON: two for the moment in which the one in the database is replaced, otherwise one.
"""

import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from django.db import connection


def is_used() -> bool:
    """Return whether the database is one in a file."""
    return connection.vendor == "sqlite" and Path(connection.settings_dict["NAME"]).is_file()


def find_path() -> Path:
    """Return where the file is. Its name does not begin as the database's, which may be copied with ``*``."""
    database = Path(connection.settings_dict["NAME"])
    return database.with_name(f"database-mark-{database.stem}")


def read() -> set[str]:
    """Return the marks in the file; none if there is no file or it has something else in it."""
    try:
        found = json.loads(find_path().read_text())
    except (OSError, ValueError):
        return set()
    return set(map(str, found)) if isinstance(found, list) else set()


def write(marks: Collection[str]) -> None:
    """Replace the file; whoever reads it sees either all of it or the former one. Raises OSError."""
    path = find_path()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(sorted(marks), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
