"""What is kept of gaps beside requests: which ones persons accepted, and what meters answered without."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db.models import QuerySet

from osgp.completeness.models import AcceptedGap, AnsweredGap
from osgp.devices.models import Device


class Answered(NamedTuple):
    """Interval ends without values, both included, and the request to which the meter said so."""

    first: datetime
    last: datetime
    correlation_uid: uuid.UUID


def list_accepted(devices: Sequence[Device], period: str, since: date) -> dict[int, list[AcceptedGap]]:
    """Return the accepted gaps of these devices, latest first, with the organisations that accepted them.

    Without those that ended days before ``since``.
    """
    accepted: dict[int, list[AcceptedGap]] = {}
    rows = AcceptedGap.objects.filter(
        device__in=[device.pk for device in devices],
        period=period,
        last_interval_end__gte=_make_bound(since),
    )
    for row in rows.select_related("organisation").order_by("-accepted_at", "-pk"):
        accepted.setdefault(row.device_id, []).append(row)
    return accepted


def list_answered(devices: Sequence[Device], period: str, since: date) -> QuerySet[AnsweredGap]:
    """Return what these devices are known to have answered without, as :func:`list_accepted` does."""
    return AnsweredGap.objects.filter(
        device__in=[device.pk for device in devices],
        period=period,
        last_interval_end__gte=_make_bound(since),
    )


def note_answers(device: Device, period: str, answered: Iterable[Answered]) -> None:
    """Keep what a meter has answered without. What is known already does no harm."""
    note_all_answers(period, [(device, each) for each in answered])


def note_all_answers(period: str, answered: Iterable[tuple[Device, Answered]]) -> None:
    """Keep what many meters have answered without, in one statement."""
    rows = [
        AnsweredGap(
            device=device,
            period=period,
            first_interval_end=each.first,
            last_interval_end=each.last,
            correlation_uid=each.correlation_uid,
        )
        for device, each in answered
    ]
    if rows:
        AnsweredGap.objects.bulk_create(rows, ignore_conflicts=True)


def _make_bound(since: date) -> datetime:
    """A time before the day begins in any time zone."""
    return datetime.combine(since, time(), UTC) - timedelta(days=2)


def list_past_accepted(before: datetime) -> QuerySet[AcceptedGap]:
    """Return the accepted gaps that ended before a time."""
    return AcceptedGap.objects.filter(last_interval_end__lt=before)


def list_past_answered(before: datetime) -> QuerySet[AnsweredGap]:
    """Return what meters have answered without, of before a time."""
    return AnsweredGap.objects.filter(last_interval_end__lt=before)
