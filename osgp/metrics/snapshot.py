"""Figures that are too costly for every scrape: pending requests, devices, workers.

Counting a million waiting requests takes most of a second. So dispatchers count now and then, less often the
longer it takes, and every web process exposes the last figures and their age.
"""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now

from osgp.devices.models import Device
from osgp.metrics.models import Snapshot
from osgp.requests import waiting_limits
from osgp.requests.models import OF_ANY_METER, WAITING_STATES, MeterSession, Request, RequestState
from osgp.sql import add_to_now

EVERY = 15.0
"""Seconds between snapshots, at least."""
SHARE = 50
"""A snapshot that took a second is followed by a pause of 50: counting takes at most 2 % of one core."""
WORKERS_WITHIN = timedelta(minutes=5)
ONLY_ROW = 1

# States that have a partial index together; asking for all of them at once, or without the condition that the
# index of those that wait has besides, would read the whole table.
PENDING = (
    (RequestState.QUEUED, RequestState.RETRYING),
    (RequestState.SCHEDULED,),
    (RequestState.RUNNING,),
)


Pending = Counter[tuple[int, str, str]]


@transaction.atomic
def refresh() -> bool:
    """Count again if that is due. False: it is not, or another process is counting."""
    age = ExpressionWrapper(Now() - F("taken_at"), output_field=DurationField())
    row = Snapshot.objects.annotate(age=age).filter(pk=ONLY_ROW).select_for_update(skip_locked=True)
    found = row.values_list("age", "seconds").first()
    if found is None:
        # A row that is locked stays as it is.
        empty = Snapshot(pk=ONLY_ROW, taken_at=add_to_now(-timedelta(days=1)), seconds=0.0)
        Snapshot.objects.bulk_create([empty], ignore_conflicts=True)
        found = row.values_list("age", "seconds").first()
        if found is None:
            return False
    age, seconds = found
    if age < timedelta(seconds=max(EVERY, SHARE * seconds)):
        return False
    begun = time.monotonic()
    pending = _count_pending()
    figures, waiting = _count_figures(pending), _count_waiting(pending)
    took = time.monotonic() - begun
    waiting_limits.store_counts(waiting)
    Snapshot.objects.filter(pk=ONLY_ROW).update(taken_at=Now(), seconds=took, figures=figures)
    return True


def read_latest() -> tuple[timedelta, dict[str, Any]] | None:
    """Return age and figures of the last snapshot; None before the first one."""
    age = ExpressionWrapper(Now() - F("taken_at"), output_field=DurationField())
    taken = Snapshot.objects.filter(pk=ONLY_ROW).exclude(figures={}).annotate(age=age)
    return taken.values_list("age", "figures").first()


def _count_pending() -> Pending:
    """Count the requests that wait or run, by organisation, message and state."""
    return Counter(
        {
            tuple(key): number
            for states in PENDING
            for *key, number in Request.objects.filter(OF_ANY_METER, state__in=states)
            .order_by()
            .values_list("organisation", "message", "state")
            .annotate(Count("pk"))
        }
    )


def _count_waiting(pending: Pending) -> Counter[int]:
    """Return how many requests of each organisation wait."""
    waiting: Counter[int] = Counter()
    for (organisation, _, state), number in pending.items():
        if state in WAITING_STATES:
            waiting[organisation] += number
    return waiting


def _count_figures(counted: Pending) -> dict[str, Any]:
    pending: Counter[tuple[str, str]] = Counter()
    for (_, message, state), number in counted.items():
        pending[message, state] += number
    devices = list(
        Device.objects.order_by()
        .values_list("device_type", "lifecycle_status")
        .annotate(number=Count("pk"), failing=Count("pk", filter=Q(failed_connections__gt=0)))
    )
    workers = MeterSession.objects.filter(opened_at__gt=add_to_now(-WORKERS_WITHIN)).exclude(worker="")
    return {
        "pending": [[*key, number] for key, number in pending.items()],
        "devices": [list(row[:3]) for row in devices],
        "failing": sum(row[3] for row in devices),
        "workers": workers.order_by().aggregate(number=Count("worker", distinct=True))["number"],
    }
