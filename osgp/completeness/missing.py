"""Which meters lack which values, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from django.db.models import QuerySet

from osgp.completeness.full_days import list_incomplete_devices
from osgp.completeness.gaps import DeviceGaps, Reason, find_gaps
from osgp.devices.models import Device
from osgp.readings import clock

LONGEST_RANGE = timedelta(days=400)
MOST_LOOKS = 5
"""Most looks for one page, if devices that were found turn out to be complete."""


@dataclass(frozen=True)
class Question:
    """Which values should exist: of these devices and this period, on the days from ``first`` on and before
    ``until``.
    """

    devices: QuerySet[Device]
    period: str
    first: date
    until: date
    reasons: frozenset[Reason] = frozenset()
    """Only gaps with one of these; none: all."""

    def narrow(self, keys: Sequence[int]) -> "Question":
        """Return the question about fewer devices, by their primary keys."""
        return replace(self, devices=self.devices.filter(pk__in=keys))

    def filter_gaps(self, found: Sequence[DeviceGaps]) -> list[DeviceGaps]:
        """Return the gaps with a wanted reason, without devices that have none."""
        if not self.reasons:
            return list(found)
        chosen = (
            DeviceGaps(one.device, [gap for gap in one.gaps if gap.reason in self.reasons]) for one in found
        )
        return [one for one in chosen if one.gaps]


class Page(NamedTuple):
    """Devices with their gaps; ``cursor`` is the last device that was examined, if there may be more."""

    found: list[DeviceGaps]
    cursor: int | None


def find_missing(question: Question, size: int, after: int = 0) -> Page:
    """Return a page of devices that lack values, by primary key. The same few statements for any page.

    Devices are found by days that are not full, so that nearly all candidates lack something; another look is
    needed when a day is full of values at odd times, or when only some reasons are wanted. So a page may be
    shorter than ``size`` and still have a next one.
    """
    found: list[DeviceGaps] = []
    for _ in range(MOST_LOOKS):
        wanted = size - len(found)
        rows = list_incomplete_devices(question.devices, question.period, question.first, question.until)
        candidates = list(rows.select_related("gateway").filter(pk__gt=after)[: wanted + 1])
        looked_at = candidates[:wanted]
        gaps = find_gaps(looked_at, question.period, question.first, question.until)
        found += question.filter_gaps(gaps)
        if len(candidates) <= wanted:
            return Page(found, None)
        after = looked_at[-1].pk
        if len(found) == size:
            break
    return Page(found, after)


def find_locked_gaps(question: Question, found: Sequence[DeviceGaps]) -> list[DeviceGaps]:
    """Return the gaps of these devices as they are now; lock the devices until the end of the transaction.

    With two operators at once, the second one sees what the first one did.
    """
    keys = sorted(one.device.pk for one in found)
    list(Device.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=keys).order_by("pk"))
    devices = list(Device.objects.select_related("gateway").filter(pk__in=keys).order_by("pk"))
    return question.filter_gaps(find_gaps(devices, question.period, question.first, question.until))


def get_default_days() -> tuple[date, date]:
    """Return yesterday and today, the days of a question that names none."""
    today = clock.now().date()
    return today - timedelta(days=1), today
