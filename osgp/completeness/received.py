"""Which meters lack values, told by the days that their series are full of: no value is looked at for that.

Days are those of each meter's own calendar.
"""

from datetime import date

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from osgp.completeness.buffers import without_buffer
from osgp.devices.models import Device, LifecycleStatus
from osgp.messages.readings import Period
from osgp.readings.calendar import month_of, next_month
from osgp.readings.models import Completeness, Series

GONE = (LifecycleStatus.DESTROYED, LifecycleStatus.RETURNED_TO_INVENTORY)
"""Devices of which nothing is expected any more."""


def masks(period: str, first: date, until: date) -> dict[date, int]:
    """By month, the bits of the days from ``first`` on and before ``until`` that a series should be full of.

    Of MONTHLY the only bit of each month that ends within them.
    """
    wanted: dict[date, int] = {}
    month = month_of(first)
    while month < until:
        following = next_month(month)
        if period == Period.MONTHLY:
            if first < following <= until:
                wanted[month] = 1
        else:
            begin, end = max(first, month), min(until, following)
            days = (end - begin).days
            wanted[month] = ((1 << days) - 1) << (begin.day - 1)
        month = following
    return wanted


def incomplete(devices: QuerySet[Device], period: str, first: date, until: date) -> QuerySet[Device]:
    """The devices of which a series is not full of these days, or that have none, by their numbers.

    Of those that never had one, only devices that keep values of the period at all.
    """
    wanted = masks(period, first, until)
    if not wanted:
        return devices.none()
    full = Q()
    for month, mask in wanted.items():
        full &= Q(
            Exists(
                Completeness.objects.annotate(there=F("full_days").bitand(mask)).filter(
                    series_id=OuterRef("pk"), month=month, there=mask
                )
            )
        )
    series = expected_series(period)
    return (
        devices.exclude(lifecycle_status__in=GONE)
        .filter((~Exists(series) & ~without_buffer(period)) | Exists(series.exclude(full)))
        .order_by("pk")
    )


def expected_series(period: str) -> QuerySet[Series]:
    """The series of a device (OuterRef) that values are expected of: those of its present channel."""
    return Series.objects.filter(
        device=OuterRef("pk"), period=period, channel=Coalesce(OuterRef("channel"), 0)
    )
