"""What is counted when: what has come or failed at once, and all devices and all gaps in rounds.

The first round begins the new day of each device, and finds devices that count for others by now: that were
put into a group, got another network, or are gone. The second one finds out the reasons of gaps anew, which
change with requests and connections. From the begin of a round to that of the next are 20 times the time that
it takes, so that it takes a twentieth of one core; the first one begins every quarter of an hour in any case.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from osgp.completeness.buffers import FETCHED_BY
from osgp.completeness.counting import count_devices, count_new_days, forget_devices
from osgp.completeness.models import CountedDay, CountedDevice, Counting, DayTotal
from osgp.devices.models import Device
from osgp.messages.naming import BUNDLE
from osgp.metrics.horizon import find_horizon, make_comparable
from osgp.readings import clock
from osgp.readings.models import Delivery
from osgp.requests.models import Action, Request, RequestState
from osgp.sql import is_one_of

SLICE = 500
"""Devices, deliveries or requests in one transaction."""
EVERY = 60.0
"""Seconds from the begin of a round to that of the next, at least."""
PAUSE = 20
"""Time from the begin of a round to that of the next, as a multiple of the time that it took."""
LONGEST_WALK = 900.0
"""Seconds from the begin of the round through all devices to that of the next, if it is over by then."""
TOTALS_KEPT = timedelta(days=400)
ONLY_ROW = 1


@dataclass
class Round:
    """How far a round has come: the last device, when it began, and the seconds that it has taken."""

    after: int | None = None
    """None: it is over."""
    began: float = 0.0
    took: float = 0.0

    def is_due(self, now: datetime, longest: float = float("inf")) -> bool:
        """Return whether it is under way, or the next one begins: ``longest`` seconds later at the latest."""
        pause = min(max(EVERY, PAUSE * self.took), longest)
        return self.after is not None or not 0 <= now.timestamp() - self.began < pause


def is_due() -> bool:
    """Return whether there is anything to count."""
    row = Counting.objects.filter(pk=ONLY_ROW).first()
    if row is None:
        return True
    now = clock.now()
    return (
        Round(**row.walk).is_due(now, LONGEST_WALK)
        or Round(**row.look).is_due(now)
        or _filter_received(row).exists()
        or _filter_failed(row).exists()
    )


@transaction.atomic
def advance() -> bool:
    """Count a slice of everything that is due; returns whether there may be more.

    False also if another process is counting.
    """
    row = _lock()
    if row is None:
        return False
    now = clock.now()
    more = _count_received(row, now)
    more |= _look_at_failed(row, now)
    if Round(**row.walk).is_due(now, LONGEST_WALK):
        more |= _go_on(row, "walk", now, _list_devices, _walk)
    if Round(**row.look).is_due(now):
        more |= _go_on(row, "look", now, _list_incomplete, _look)
    row.save()
    return more


def _lock() -> Counting | None:
    free = Counting.objects.filter(pk=ONLY_ROW).select_for_update(skip_locked=True)
    row = free.first()
    if row is None:
        now = clock.now()
        new = Counting(pk=ONLY_ROW, begun_at=now, received_until=now, failed_until=now)
        # A row that is locked stays as it is.
        Counting.objects.bulk_create([new], ignore_conflicts=True)
        row = free.first()
    return row


def _filter_received(row: Counting) -> Any:
    return Delivery.objects.order_by().filter(
        received_at__gt=row.received_until, message__in=FETCHED_BY.values()
    )


def _filter_failed(row: Counting) -> Any:
    # What was cancelled or has succeeded is told by deliveries, or in the next round.
    return Request.objects.order_by().filter(
        completed_at__gt=row.failed_until,
        state=RequestState.FAILED,
        message__in=[*FETCHED_BY.values(), BUNDLE],
    )


def _count_received(row: Counting, now: datetime) -> bool:
    until = find_horizon(Delivery)
    if until <= row.received_until:
        return False
    rows = _filter_received(row).filter(received_at__lte=until)
    edge = _find_edge(rows, "received_at")
    keys = set(rows.filter(received_at__lte=edge or until).values_list("device_id", flat=True))
    count_devices(keys, now, row.begun_at, look=False)
    row.received_until = make_comparable(edge or until)
    return edge is not None


def _look_at_failed(row: Counting, now: datetime) -> bool:
    until = find_horizon(Request)
    if until <= row.failed_until:
        return False
    rows = _filter_failed(row).filter(completed_at__lte=until)
    edge = _find_edge(rows, "completed_at")
    failed = list(rows.filter(completed_at__lte=edge or until).values_list("pk", flat=True))
    of_actions = Action.objects.order_by().filter(is_one_of("request", failed))
    keys = {
        key for pair in of_actions.values_list("device", "request__device") for key in pair if key is not None
    }
    count_devices(keys, now, row.begun_at, look=True)
    row.failed_until = make_comparable(edge or until)
    return edge is not None


def _find_edge(rows: Any, column: str) -> datetime | None:
    """Return the time of the last row of a slice; None: fewer are left. Rows of one time belong together."""
    moments = rows.order_by(column).values_list(column, flat=True)
    edge: datetime | None = moments[SLICE - 1 : SLICE].first()
    return edge


def _go_on(
    row: Counting,
    name: str,
    now: datetime,
    list_next: Callable[[int], list[int]],
    carry_on: Callable[[Counting, datetime, int, Sequence[int]], None],
) -> bool:
    """Do the next slice of a round; returns whether there is more."""
    state = Round(**getattr(row, name))
    begun = time.monotonic()
    if state.after is None:
        state = Round(after=0, began=now.timestamp())
    assert state.after is not None
    keys = list_next(state.after)
    carry_on(row, now, state.after, keys)
    state.after = keys[-1] if len(keys) == SLICE else None
    state.took += time.monotonic() - begun
    setattr(row, name, asdict(state))
    return state.after is not None


def _list_devices(after: int) -> list[int]:
    return list(Device.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:SLICE])


def _walk(row: Counting, now: datetime, after: int, keys: Sequence[int]) -> None:
    count_new_days(keys, now, row.begun_at)
    counted = CountedDevice.objects.filter(pk__gt=after)
    if len(keys) == SLICE:
        counted = counted.filter(pk__lte=keys[-1])
    forget_devices(set(counted.values_list("pk", flat=True)) - set(keys))
    if after == 0:
        DayTotal.objects.filter(day__lt=(now - TOTALS_KEPT).date()).delete()


def _list_incomplete(after: int) -> list[int]:
    rows = CountedDay.objects.filter(missing__isnull=False, device_id__gt=after)
    return list(rows.order_by("device_id").values_list("device_id", flat=True).distinct()[:SLICE])


def _look(row: Counting, now: datetime, after: int, keys: Collection[int]) -> None:
    count_devices(keys, now, row.begun_at, look=True)
