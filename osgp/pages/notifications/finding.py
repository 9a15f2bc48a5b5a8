"""Finding and counting deliveries through the indexes that there are, never by reading all of them.

A delivery fails a day after it was made, or later: what failed lately is found by the end of deliveries,
among the latest that failed. What came of one subject is found by the time at which it was known, because
deliveries that are over have no index by subject.
"""

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.events.models import Event
from osgp.notifications.models import Delivery, DeliveryState, Endpoint
from osgp.pages.shared.paging import COUNT_LIMIT, BoundedCount
from osgp.requests.models import Request

LATELY = timedelta(hours=24)
LONGEST_LAG = timedelta(minutes=10)
"""How long after an event its deliveries are made at the latest: a second, unless notifiers are behind."""
SKEW = timedelta(seconds=2)
"""By how much the clocks of processes may differ."""
MOST_SEARCHED = 50_000
"""Of the latest deliveries, those that are looked through for a device or for what is known by no time."""


class CountOf(Subquery):
    """How many rows a subquery has, which limits what is counted."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def list_deliveries(organisation: Organisation | None) -> QuerySet[Delivery]:
    """Return the deliveries of an organisation, or all.

    Its endpoints are looked up before: by their keys the database knows how many deliveries to expect.
    """
    rows = Delivery.objects.all()
    return rows if organisation is None else limit_deliveries(rows, organisation)


def limit_deliveries(rows: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
    """Return those of an organisation."""
    own = Endpoint.objects.filter(organisation=organisation).order_by("pk")
    return rows.filter(endpoint__in=list(own.values_list("pk", flat=True)))


def choose_failed_lately(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those that failed in the last 24 hours, of the 10,000 of ``rows`` that failed and are newest."""
    return rows.filter(pk__in=_list_newest_failed(rows).values("pk"), finished_at__gte=_begin())


def count_failed(rows: QuerySet[Any]) -> BoundedCount:
    """Return how many ``choose_failed_lately`` would find, in one query."""
    failed = Delivery.objects.filter(pk__in=_list_newest_failed(rows).values("pk")).order_by()
    counted = failed.aggregate(all=Count("pk"), lately=Count("pk", filter=Q(finished_at__gte=_begin())))
    return BoundedCount(counted["lately"], counted["all"] >= COUNT_LIMIT)


def count_of_endpoints(keys: Collection[int]) -> dict[int, tuple[BoundedCount, BoundedCount]]:
    """Return how many deliveries of each endpoint wait, and how many failed in 24 hours. Two queries."""
    waiting = Delivery.objects.filter(endpoint=OuterRef("pk"), state=DeliveryState.PENDING).order_by()
    pending = Endpoint.objects.filter(pk__in=keys).order_by()
    numbers = pending.values_list("pk", CountOf(waiting.values("pk")[: COUNT_LIMIT + 1]))
    newest = _list_newest_failed(Delivery.objects.filter(endpoint__in=list(keys)))
    failed = Delivery.objects.filter(pk__in=newest.values("pk")).order_by().values_list("endpoint")
    counted = list(failed.annotate(Count("pk"), lately=Count("pk", filter=Q(finished_at__gte=_begin()))))
    more = sum(number for _, number, _ in counted) >= COUNT_LIMIT
    lately = {endpoint: number for endpoint, _, number in counted}
    return {
        pk: (
            BoundedCount(min(number, COUNT_LIMIT), number > COUNT_LIMIT),
            BoundedCount(lately.get(pk, 0), more),
        )
        for pk, number in numbers
    }


def list_of_request(item: Request, most: int) -> list[Delivery]:
    """Return deliveries that told of a request. One that was made late is found only as long as it waits."""
    known_at = [] if item.completed_at is None else [item.completed_at]
    rows = limit_deliveries(Delivery.objects.all(), item.organisation).select_related("endpoint")
    return list(rows.filter(_of_subject(item.correlation_uid, known_at)).order_by("created_at", "pk")[:most])


def find_by_subject(rows: QuerySet[Any], subject: uuid.UUID) -> QuerySet[Any]:
    """Return those of ``rows`` that tell of a request, an alarm, a system event or a test of an endpoint."""
    events = Event.objects.filter(subject=subject).values_list("created_at", flat=True)
    requests = Request.objects.filter(correlation_uid=subject)
    completed = requests.values_list("completed_at", flat=True)
    known_at = [*events, *(moment for moment in completed if moment is not None)]
    found = _of_subject(subject, known_at)
    if not known_at:
        found |= Q(subject=subject, pk__in=_list_newest(rows))
    return rows.filter(found)


def find_by_device(rows: QuerySet[Any], identification: str) -> QuerySet[Any]:
    """Return those of the latest 50,000 of ``rows`` that tell of a device."""
    return rows.filter(pk__in=_list_newest(rows), device_identification=identification)


def _of_subject(subject: uuid.UUID, known_at: Iterable[datetime]) -> Q:
    """Those that wait have an index by subject; for the others, it is looked for when they were made."""
    found = Q(subject=subject, state=DeliveryState.PENDING)
    for moment in known_at:
        made = Q(created_at__gte=moment - SKEW, created_at__lt=moment + LONGEST_LAG)
        found |= Q(made, subject=subject)
    return found


def _list_newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by("-created_at", "-pk").values("pk")[:MOST_SEARCHED]


def _list_newest_failed(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(state=DeliveryState.FAILED).order_by("-created_at")[:COUNT_LIMIT]


def _begin() -> datetime:
    return timezone.now() - LATELY
