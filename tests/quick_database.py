"""The database of a test run: it does not wait for its disk, is emptied in a few milliseconds, and its
statistics are brought up to date without holding up others.

At the end of a test that committed, Django truncates every table and then makes all content types and
permissions anew: a quarter of a second on PostgreSQL. Here rows are deleted from the tables that have any,
and what depends on the code alone stays. Audit entries are deleted as those past their retention are.
"""

from functools import cache
from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase

from osgp.audit import triggers
from osgp.devices import mark_file

STAYING = {ContentType._meta.db_table, Permission._meta.db_table}
"""Tables that no test writes."""
LARGE = 256 * 1024
"""Octets. On PostgreSQL deleted rows keep their place for a while, and its planner thinks the less of reading
a whole table the larger it is. Beyond this size tables are truncated, so that each test finds small ones.
"""


def do_not_wait_for_the_disk() -> None:
    """A commit may be lost with the machine, as no test cuts the power; a killed process loses nothing."""
    if connection.vendor == "postgresql":
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        with connection.cursor() as cursor:
            # A default of the database: processes that tests start have connections of their own.
            cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    else:
        connection_created.connect(_do_not_synchronize)
        forget_mark()
    connection.close()


def _do_not_synchronize(connection: BaseDatabaseWrapper, **_: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous = OFF")


def empty(test_case: TransactionTestCase) -> None:
    """In the place of TransactionTestCase._fixture_teardown."""
    forget_mark()
    filled, is_large = _filled_tables()
    if is_large:
        truncate()
        return
    with transaction.atomic(), triggers.permit_deletion(), connection.cursor() as cursor:
        for table in filled:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 (a table's name)


def forget_mark() -> None:
    """An SQLite database without rows beside a file with its mark would look like one that was restored."""
    if mark_file.is_used():
        mark_file.find_path().unlink(missing_ok=True)


def truncate() -> None:
    """Let all tables of PostgreSQL begin anew, as small as they can be."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(_tables())}")


def _filled_tables() -> tuple[list[str], bool]:
    """The tables that have rows, and whether any table is large: one statement for all of them."""
    answers = [f"EXISTS (SELECT 1 FROM {table})" for table in _tables()]  # noqa: S608 (likewise)
    if connection.vendor == "postgresql":
        sizes = ", ".join(f"pg_relation_size('{table}')" for table in _tables())
        answers.append(f"GREATEST({sizes}) > {LARGE}")
    else:
        answers.append("FALSE")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(answers)}")
        *are_filled, is_large = cursor.fetchone()
    return [table for table, filled in zip(_tables(), are_filled, strict=True) if filled], bool(is_large)


def analyze() -> None:
    """Let PostgreSQL learn how many rows there are.

    By the name of each table: where nothing is named, ANALYZE also holds catalogues that all databases of the
    server share, until its transaction ends, and whoever analyzes another database waits for that.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(_tables())}")


@cache
def _tables() -> list[str]:
    """The tables of all models that tests may write, quoted."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return [connection.ops.quote_name(name) for name in sorted(set(names) - STAYING)]
