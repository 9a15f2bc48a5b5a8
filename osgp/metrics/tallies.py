"""What a slice of rows adds to the counters."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    IntegerField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest

from osgp.metrics import families
from osgp.metrics.exposition import Family, format_bound
from osgp.requests.models import RequestState, SessionState

SUM = "_sum"
"""Suffix of the counter with the sum of a histogram's observations, in microseconds."""
INFINITE = "+Inf"

WANTED_AT = Greatest("created_at", Coalesce("schedule_time", "created_at"))
"""From when on somebody waited for a request."""


@dataclass(frozen=True)
class CounterKey:
    """Key of a counter: the name of its family and its labels."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


def tally_requests(rows: QuerySet[Any]) -> Tally[CounterKey]:
    """Tally completed requests; two statements."""
    tally: Tally[CounterKey] = Tally()
    outcomes = rows.values_list("message", "state", "fault__code").annotate(
        number=Count("pk"),
        dialled=Sum("attempts"),
        again=Sum(Case(When(attempts__gt=1, then=F("attempts") - 1), default=0, output_field=IntegerField())),
        crashed=Sum("crashes"),
    )
    for message, state, code, number, attempts, retries, crashes in outcomes:
        # A cancelled request keeps the fault of its last attempt, but did not end with it.
        fault = str(code) if state == RequestState.FAILED and code is not None else ""
        outcome = (("message", message), ("state", state), ("fault_code", fault))
        tally[CounterKey(families.REQUESTS_COMPLETED.name, outcome)] += number
        of_message = (("message", message),)
        tally[CounterKey(families.REQUEST_ATTEMPTS.name, of_message)] += attempts
        tally[CounterKey(families.REQUEST_RETRIES.name, of_message)] += retries
        tally[CounterKey(families.REQUEST_CRASHES.name, of_message)] += crashes
    started = rows.filter(started_at__isnull=False)
    tally.update(_tally_histogram(families.REQUEST_WAIT, started, F("started_at") - WANTED_AT, "priority"))
    return tally


def tally_sessions(rows: QuerySet[Any]) -> Tally[CounterKey]:
    """Tally meter sessions that are over; two statements."""
    tally: Tally[CounterKey] = Tally()
    ends = rows.values_list("state", "fault__code").annotate(
        number=Count("pk"),
        associations=Count("pk", filter=Q(round_trips__gt=0)),
        exchanged=Sum("round_trips"),
        sent=Sum("bytes_sent"),
        received=Sum("bytes_received"),
    )
    for state, code, number, associations, round_trips, sent, received in ends:
        end = (("state", state), ("fault_code", "" if code is None else str(code)))
        tally[CounterKey(families.SESSIONS_ENDED.name, end)] += number
        tally[CounterKey(families.ASSOCIATIONS.name)] += associations
        tally[CounterKey(families.ROUND_TRIPS.name)] += round_trips
        tally[CounterKey(families.BYTES_SENT.name)] += sent
        tally[CounterKey(families.BYTES_RECEIVED.name)] += received
    visited = rows.filter(state=SessionState.CLOSED, claimed_at__isnull=False)
    tally.update(_tally_histogram(families.SESSION_DURATION, visited, F("closed_at") - F("claimed_at")))
    return tally


def _tally_histogram(
    family: Family, rows: QuerySet[Any], length: Combinable, *labels: str
) -> Tally[CounterKey]:
    """Tally rows per bucket, and the sum of ``length``, for each value of the fields that are labels."""
    observed = rows.annotate(length=ExpressionWrapper(length, output_field=DurationField()))
    observed = observed.annotate(bucket=_select_bucket(family.bounds))
    tally: Tally[CounterKey] = Tally()
    for *values, bucket, number, total in observed.values_list(*labels, "bucket").annotate(
        Count("pk"), Sum("length")
    ):
        named = tuple(zip(labels, map(str, values), strict=True))
        bound = format_bound(family.bounds[bucket]) if bucket < len(family.bounds) else INFINITE
        tally[CounterKey(family.name, (*named, ("le", bound)))] += number
        # Clocks that differ a little may make a length negative; a sum must not fall.
        tally[CounterKey(family.name + SUM, named)] += max(0, total // timedelta(microseconds=1))
    return tally


def _select_bucket(bounds: Sequence[float]) -> Case:
    """Return SQL for the first bucket that holds ``length``, counted from 0."""
    return Case(
        *(
            When(length__lte=timedelta(seconds=bound), then=Value(bucket))
            for bucket, bound in enumerate(bounds)
        ),
        default=Value(len(bounds)),
        output_field=IntegerField(),
    )
