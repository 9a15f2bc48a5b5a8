"""Database access from within a visit, where no connection may be held while a meter is awaited."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def give_back_connection() -> None:
    """Return this thread's (or greenlet's) connection to the pool, or close it when there is none."""
    if not connection.in_atomic_block:
        connection.close()


@contextmanager
def database() -> Iterator[None]:
    """Use the database, and give the connection back afterwards."""
    try:
        yield
    finally:
        give_back_connection()
