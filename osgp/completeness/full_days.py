"""Finding meters that lack values by the days that their series are full of, without reading any value.

Days are those of each meter's own calendar.
"""

from datetime import date

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from osgp.completeness.buffers import make_bufferless_filter
from osgp.devices.models import Device, LifecycleStatus
from osgp.messages.readings import Period
from osgp.readings.calendar import to_month, to_next_month
from osgp.readings.models import Completeness, Series

GONE = (LifecycleStatus.DESTROYED, LifecycleStatus.RETURNED_TO_INVENTORY)
"""Devices that are not expected to deliver values any more."""


def make_day_masks(period: str, first: date, until: date) -> dict[date, int]:
    """Return, by month, the bits of the days from ``first`` on and before ``until``.

    For MONTHLY, the only bit of each month that ends within them.
    """
    wanted: dict[date, int] = {}
    month = to_month(first)
    while month < until:
        following = to_next_month(month)
        if period == Period.MONTHLY:
            if first < following <= until:
                wanted[month] = 1
        else:
            begin, end = max(first, month), min(until, following)
            days = (end - begin).days
            wanted[month] = ((1 << days) - 1) << (begin.day - 1)
        month = following
    return wanted


def list_incomplete_devices(
    devices: QuerySet[Device],
    period: str,
    first: date,
    until: date,
    between: tuple[int, int] | None = None,
) -> QuerySet[Device]:
    """Return the devices with a series that is not full of these days, or without series, by primary key.

    ``between``: all of the devices have primary keys from the one to the other. PostgreSQL then does not read
    the series of all devices to find a few of these.
    """
    wanted = make_day_masks(period, first, until)
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
    series = list_expected_series(period)
    if between is not None:
        series = series.filter(device__gte=between[0], device__lte=between[1])
    return (
        devices.exclude(lifecycle_status__in=GONE)
        .filter((~Exists(series) & ~make_bufferless_filter(period)) | Exists(series.exclude(full)))
        .order_by("pk")
    )


def list_expected_series(period: str) -> QuerySet[Series]:
    """Return the series of a device (OuterRef) that should have values: those of its present channel."""
    return Series.objects.filter(
        device=OuterRef("pk"), period=period, channel=Coalesce(OuterRef("channel"), 0)
    )
