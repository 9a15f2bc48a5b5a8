"""Finding and counting deliveries through the indexes that there are, never by reading all of them.

A delivery fails a day after it was made, or later: what failed lately is found by the end of deliveries,
among the latest that failed.
"""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.notifications.models import Delivery, DeliveryState, Endpoint
from osgp.pages.shared.paging import COUNT_LIMIT, BoundedCount

LATELY = timedelta(hours=24)
MOST_SEARCHED = 50_000
"""Of the latest deliveries, those that are looked through for a device."""


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


def find_by_subject(rows: QuerySet[Any], subject: uuid.UUID) -> QuerySet[Any]:
    """Return those of ``rows`` that tell of a request, an alarm, a system event or a test of an endpoint."""
    return rows.filter(subject=subject)


def find_by_device(rows: QuerySet[Any], identification: str) -> QuerySet[Any]:
    """Return those of the latest 50,000 of ``rows`` that tell of a device."""
    return rows.filter(pk__in=_list_newest(rows), device_identification=identification)


def _list_newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by("-created_at", "-pk").values("pk")[:MOST_SEARCHED]


def _list_newest_failed(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(state=DeliveryState.FAILED).order_by("-created_at")[:COUNT_LIMIT]


def _begin() -> datetime:
    return platform_time.now() - LATELY
