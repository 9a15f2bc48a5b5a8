"""Which endpoints are sent to next: by turns, and none at the expense of others.

A slot is the right to send to one endpoint. An organisation gets a part of them at most, however many
endpoints of its are due, and endpoints that failed lately share a few: they are those that hold a slot for
long.
"""

import uuid
from collections import Counter
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Case, F, Q, Value, When, Window
from django.db.models.functions import Now, RowNumber

from osgp.notifications.models import Endpoint
from osgp.sql import add_to_now

AT_ONCE = 200
"""Runs that are opened at a time."""
HINT_TIME = timedelta(seconds=30)
"""A run that no notifier has begun by then is opened again: its hint was lost."""
ORGANISATION_PART, FAILING_PART = 4, 10
"""An organisation may hold the fourth part of the slots, endpoints that failed lately the tenth."""
LEAST_OF_ORGANISATION = 2


class Opened(NamedTuple):
    """Endpoints to which notifiers may send, with the token that allows it."""

    endpoints: list[int]
    token: uuid.UUID


def open_runs() -> Opened:
    """Open runs for due endpoints, within the limits. One process at a time does it (attending.py)."""
    token = uuid.uuid4()
    chosen = _choose()
    if chosen:
        free = Q(runner_until__isnull=True) | Q(runner_until__lt=Now())
        Endpoint.objects.filter(free, pk__in=chosen).update(runner=token, runner_until=add_to_now(HINT_TIME))
    return Opened(chosen, token)


def count_organisation_slots() -> int:
    """Return how many slots an organisation may hold."""
    return max(LEAST_OF_ORGANISATION, _count_slots() // ORGANISATION_PART)


def count_failing_slots() -> int:
    """Return how many slots endpoints that failed lately may hold."""
    return max(1, _count_slots() // FAILING_PART)


def _count_slots() -> int:
    slots: int = settings.OSGP["WEBHOOK_SLOTS"]
    return slots


def _choose() -> list[int]:
    free = Q(runner_until__isnull=True) | Q(runner_until__lt=Now())
    closed = Q(retry_at__isnull=True) | Q(retry_at__lte=Now())
    due = Endpoint.objects.filter(
        free,
        closed,
        wake_at__lte=Now(),
        paused_at__isnull=True,
        deleted_at__isnull=True,
        organisation__enabled=True,
    )
    if not due.order_by().exists():
        return []
    held, failing = _count_held()
    room = _count_slots() - held.total()
    share, failing_room = count_organisation_slots(), count_failing_slots() - failing
    if room <= 0:
        return []
    # The first of each organisation, then the second ones. Those that failed have turns of their own, so
    # that they do not hide others of their organisation.
    has_failed = Case(When(consecutive_failures=0, then=Value(0)), default=Value(1))
    turn = Window(
        RowNumber(),
        partition_by=[F("organisation"), has_failed],
        order_by=["wake_at", "pk"],
    )
    candidates = due.annotate(turn=turn).filter(turn__lte=share).order_by("turn", "wake_at", "pk")
    chosen: list[int] = []
    for pk, organisation, failures in candidates.values_list("pk", "organisation", "consecutive_failures"):
        if len(chosen) >= min(room, AT_ONCE):
            break
        if held[organisation] >= share or (failures and failing_room <= 0):
            continue
        failing_room -= bool(failures)
        held[organisation] += 1
        chosen.append(pk)
    return chosen


def _count_held() -> tuple[Counter[int], int]:
    """The slots that are held, by organisation, and how many of them by endpoints that failed lately."""
    held: Counter[int] = Counter()
    failing = 0
    rows = Endpoint.objects.filter(runner_until__gte=Now()).order_by()
    for organisation, failures in rows.values_list("organisation", "consecutive_failures"):
        held[organisation] += 1
        failing += bool(failures)
    return held, failing
