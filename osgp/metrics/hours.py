"""How requests ended in each hour: counted once (rollup.py), and read as a few hundred sums.

Hours are those of UTC, and belong to the end of requests: ``completed_at``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Case, Count, DurationField, ExpressionWrapper, F, QuerySet, Sum, When
from django.db.models.functions import TruncHour

from osgp.accounts.models import Organisation
from osgp.metrics.models import HourlyOutcome
from osgp.metrics.tallies import WANTED_AT
from osgp.requests.models import RequestState

NO_FAULT = 0
"""The fault code of requests that did not end with a fault."""
_MICROSECOND = timedelta(microseconds=1)
_SUMS = ("number", "duration", "started", "wait")
_TABLE = HourlyOutcome._meta.db_table
_ADDITIONS = ", ".join(f"{name} = {_TABLE}.{name} + EXCLUDED.{name}" for name in _SUMS)
_ADD = f"""
    INSERT INTO {_TABLE} (hour, organisation_id, message, state, fault_code, {", ".join(_SUMS)})
         VALUES {{rows}}
    ON CONFLICT (hour, organisation_id, message, state, fault_code) DO UPDATE SET {_ADDITIONS}
"""  # noqa: S608 (names of a table and its columns)


PER_STATEMENT = 500
"""Rows; SQLite takes 32,766 parameters."""
NOTHING = (0, 0, 0, 0)


@dataclass(frozen=True)
class Outcomes:
    """Requests that ended in the same hour in the same way."""

    hour: datetime
    state: str
    fault_code: int
    number: int
    duration: timedelta
    """The sum: from acceptance, or the time they were scheduled for, to their end."""
    started: int
    """How many of them came to a first attempt."""
    wait: timedelta
    """How long these waited for it in all."""


def add(rows: QuerySet[Any]) -> int:
    """Add completed requests to their hours; returns how many. Belongs in the transaction of a cursor."""
    length = ExpressionWrapper(F("completed_at") - WANTED_AT, output_field=DurationField())
    wait = ExpressionWrapper(F("started_at") - WANTED_AT, output_field=DurationField())
    outcomes = (
        rows.annotate(length=length, waited=wait, hour=TruncHour("completed_at", tzinfo=UTC))
        .values_list("hour", "organisation", "message", "state", "fault__code")
        .annotate(
            number=Count("pk"),
            duration=Sum("length"),
            came_to_start=Count("started_at"),
            waited_for=Sum(Case(When(started_at__isnull=False, then=F("waited")))),
        )
        .order_by()
    )
    additions: dict[tuple[Any, ...], list[int]] = {}
    for hour, organisation, message, state, code, *sums in outcomes:
        # A cancelled request keeps the fault of its last attempt, but did not end with it.
        fault = code if state == RequestState.FAILED and code is not None else NO_FAULT
        key = (connection.ops.adapt_datetimefield_value(hour), organisation, message, state, fault)
        number, duration, started, waited = sums
        added = (number, _count_microseconds(duration), started, _count_microseconds(waited))
        before = additions.get(key, NOTHING)
        additions[key] = [had + more for had, more in zip(before, added, strict=True)]
    _add(list(additions.items()))
    return sum(number for number, *_ in additions.values())


def _add(additions: Sequence[tuple[tuple[Any, ...], list[int]]]) -> None:
    with connection.cursor() as cursor:
        for start in range(0, len(additions), PER_STATEMENT):
            part = additions[start : start + PER_STATEMENT]
            places = ", ".join([f"({', '.join(['%s'] * (len(key) + len(sums)))})" for key, sums in part])
            cursor.execute(_ADD.format(rows=places), [value for key, sums in part for value in (*key, *sums)])


def _count_microseconds(length: timedelta | None) -> int:
    # Clocks that differ a little may make a length negative; a sum must not fall.
    return max(0, length // _MICROSECOND) if length is not None else 0


def read(since: datetime, organisation: Organisation | None) -> Sequence[Outcomes]:
    """Return how requests ended from the hour of ``since`` on, of one organisation or all: one query.

    One for each hour, state and fault code that occurred; hours in order.
    """
    begin = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    rows = HourlyOutcome.objects.filter(hour__gte=begin)
    if organisation is not None:
        rows = rows.filter(organisation=organisation)
    sums = rows.values_list("hour", "state", "fault_code").annotate(*(Sum(name) for name in _SUMS))
    return [
        Outcomes(hour, state, code, number, duration * _MICROSECOND, started, wait * _MICROSECOND)
        for hour, state, code, number, duration, started, wait in sums.order_by("hour", "state", "fault_code")
    ]
