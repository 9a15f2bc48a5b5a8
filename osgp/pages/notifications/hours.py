"""What became of the deliveries of an endpoint, by the hour in which they were made."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Q
from django.db.models.functions import TruncHour

from osgp import platform_time
from osgp.notifications.models import DeliveryState, Endpoint
from osgp.pages.shared import stacked_bars
from osgp.pages.shared.stacked_bars import Chart, Layer, format_period

HOUR = timedelta(hours=1)
HOURS = 24
MOST_CHARTED = 20_000
"""Deliveries, so that the page of a busy endpoint opens at once."""


@dataclass(frozen=True)
class Kind:
    """States that mean much the same to an operator."""

    text: str
    tone: str
    """Of its bars."""
    badge: str
    """The tone of its badge."""


FAILED = Kind("failed", "bad", "bad")
RETRIED = Kind("to be tried again", "warning", "warning")
WAITING = Kind("not tried yet", "neutral", "waiting")
OVER = Kind("fetched or cancelled", "unusable", "neutral")
DELIVERED = Kind("delivered", "good", "good")
KINDS = (FAILED, RETRIED, WAITING, OVER, DELIVERED)
"""From below to above: what should not be stands on the axis, where it can be compared."""


@dataclass(frozen=True)
class Charted:
    """The last 24 hours and the running one. With ``since``, only what was made from then on is counted."""

    chart: Chart
    totals: Sequence[tuple[Kind, int]]
    since: datetime | None


def chart_deliveries(endpoint: Endpoint) -> Charted:
    """Count the deliveries of the last 24 hours, and draw them. Two queries."""
    now = platform_time.now().astimezone(UTC)
    first = now.replace(minute=0, second=0, microsecond=0) - HOURS * HOUR
    rows = endpoint.deliveries.filter(created_at__gte=first).order_by("-created_at", "-pk")
    newest = rows.values("pk")[:MOST_CHARTED]
    has_failed = Q(attempts__gt=0)
    counted = (
        endpoint.deliveries.filter(pk__in=newest)
        .order_by()
        .annotate(hour=TruncHour("created_at", tzinfo=UTC))
        .values_list("hour", "state")
        .annotate(number=Count("pk"), retried=Count("pk", filter=has_failed))
    )
    hours: dict[datetime, Counter[Kind]] = defaultdict(Counter)
    totals: Counter[Kind] = Counter()
    for hour, state, number, retried in counted:
        found = Counter(_sort(state, number, retried))
        hours[hour] += found
        totals += found
    begins = [first + place * HOUR for place in range(HOURS + 1)]
    steps = [_describe(begin, hours[begin], is_running=begin == begins[-1]) for begin in begins]
    title = "Deliveries of the last 24 hours: " + ", ".join(
        f"{totals[kind]:,} {kind.text}" for kind in reversed(KINDS)
    )
    cut = totals.total() >= MOST_CHARTED
    since = (
        rows.values_list("created_at", flat=True)[MOST_CHARTED - 1 : MOST_CHARTED].first() if cut else None
    )
    chart = stacked_bars.draw(steps, begins, title)
    return Charted(chart, [(kind, totals[kind]) for kind in reversed(KINDS) if totals[kind]], since)


def _sort(state: str, number: int, retried: int) -> dict[Kind, int]:
    if state == DeliveryState.PENDING:
        return {RETRIED: retried, WAITING: number - retried}
    if state == DeliveryState.DELIVERED:
        return {DELIVERED: number}
    return {FAILED if state == DeliveryState.FAILED else OVER: number}


def _describe(begin: datetime, numbers: Counter[Kind], *, is_running: bool) -> stacked_bars.Step:
    period = format_period(begin, begin + HOUR)
    said = ", ".join(f"{numbers[kind]:,} {kind.text}" for kind in reversed(KINDS) if numbers[kind])
    return stacked_bars.Step(
        [Layer(numbers[kind], kind.tone, f"{period}: {numbers[kind]:,} {kind.text}") for kind in KINDS],
        f"{period}: {said or 'none'}",
        is_running=is_running,
    )
