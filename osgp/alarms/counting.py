"""How many pushes there were, per hour for operators and in all for Prometheus."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from osgp.alarms.models import PushCount, Transport
from osgp.metrics import families
from osgp.metrics.exposition import Family
from osgp.metrics.models import Counter


class Arrival(StrEnum):
    """What the listener counts beside the names of PushFault; PushOutcome is counted by decoding."""

    RECEIVED = "RECEIVED"
    """A whole push was kept. What decoding makes of it is counted once more."""
    RATE_LIMITED = "RATE_LIMITED"
    """Dropped: too many from one source address."""
    NOT_STORED = "NOT_STORED"
    """Dropped: neither the database nor the spool had room, or took it."""
    LOST_BY_KERNEL = "LOST_BY_KERNEL"
    """Datagrams that came faster than they were read."""


class CountKey(NamedTuple):
    """What is counted together."""

    hour: datetime
    transport: Transport
    outcome: str


def make_key(transport: Transport, outcome: str, at: datetime) -> CountKey:
    """Return the key of what happened at ``at``: an Arrival, a PushOutcome, or the name of a PushFault."""
    return CountKey(at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), transport, outcome)


@transaction.atomic
def add(counts: Mapping[CountKey, int]) -> None:
    """Add to the counts of hours, and to the counters of /metrics, which outlive them.

    0 makes a counter known: Prometheus needs a value before the first event to see it.
    """
    if not counts:
        return
    totals: dict[str, int] = {}
    for key, number in counts.items():
        labels = json.dumps({"transport": str(key.transport), "outcome": str(key.outcome)})
        totals[labels] = totals.get(labels, 0) + number
    # Sorted: two processes that add the same ones wait for each other, but never in a circle.
    hours = [
        (
            connection.ops.adapt_datetimefield_value(key.hour),
            str(key.transport),
            str(key.outcome),
            counts[key],
        )
        for key in sorted(counts)
        if counts[key]
    ]
    _add(PushCount, ("hour", "transport", "outcome"), "number", hours)
    _add_sums(families.PUSHES, totals)


class UnknownBitKey(NamedTuple):
    """Unknown bits that are counted together. ``register``: number of the alarm register."""

    register: str
    profile: str


def add_unknown_bits(numbers: Mapping[UnknownBitKey, int]) -> None:
    """Add to the counter of /metrics of bits of alarms that have no meaning in the meter's profile."""
    _add_sums(
        families.UNKNOWN_ALARM_BITS,
        {
            json.dumps({"register": key.register, "profile": key.profile}): number
            for key, number in numbers.items()
        },
    )


def take_back(counts: Mapping[CountKey, int]) -> None:
    """Subtract from the counts of hours, where they are still kept; what /metrics counts never falls."""
    for key in sorted(counts):
        PushCount.objects.filter(hour=key.hour, transport=key.transport, outcome=key.outcome).update(
            number=Greatest(F("number") - counts[key], 0)
        )


def _add_sums(family: Family, numbers: Mapping[str, int]) -> None:
    """Add to the counters of a family, by their labels as JSON."""
    sums = [(family.name, labels, numbers[labels]) for labels in sorted(numbers)]
    if sums:
        _add(Counter, ("name", "labels"), "value", sums)


def _add(model: type[models.Model], keys: tuple[str, ...], summed: str, rows: list[tuple[Any, ...]]) -> None:
    """Add to rows that are found by ``keys``; those that do not exist are made."""
    table, columns = model._meta.db_table, ", ".join(keys)
    statement = f"""
        INSERT INTO {table} ({columns}, {summed}) VALUES ({", ".join(["%s"] * (len(keys) + 1))})
        ON CONFLICT ({columns}) DO UPDATE SET {summed} = {table}.{summed} + EXCLUDED.{summed}
    """  # noqa: S608 (names of a table and its columns)
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
