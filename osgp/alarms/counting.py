"""Counting how pushes ended, per hour."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection

from osgp.alarms.models import PushCount

_COUNT = f"""
    INSERT INTO {PushCount._meta.db_table} AS known (hour, transport, outcome, number)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (hour, transport, outcome) DO UPDATE SET number = known.number + excluded.number
    """  # noqa: S608 (table name)


class CountKey(NamedTuple):
    """What is counted: ``hour`` is its beginning."""

    hour: datetime
    transport: str
    outcome: str

    @classmethod
    def at(cls, moment: datetime, transport: str, outcome: str) -> "CountKey":
        """The key for something that happened at ``moment``."""
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return cls(hour, transport, outcome)


def add(numbers: Mapping[CountKey, int]) -> None:
    """Add to the counts, in one order for all processes so that none waits for another in a circle."""
    with connection.cursor() as cursor:
        for key, number in sorted(numbers.items()):
            cursor.execute(_COUNT, [*key, number])
