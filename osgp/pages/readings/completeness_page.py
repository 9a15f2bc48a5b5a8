"""The page that says how complete days are, by network, profile, group and organisation; and its tile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.completeness.gaps import MEANINGS, SETTLED, Reason
from osgp.completeness.missing import get_default_days
from osgp.completeness.models import DayTotal
from osgp.completeness.reports import By, ReportRow, compute_share, read_counted_until, read_days, read_report
from osgp.completeness.totals import Total
from osgp.messages.readings import Period
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.readings.missing_page import TONES
from osgp.pages.shared.display_text import count_rows, split_words
from osgp.pages.shared.page import render_page
from osgp.readings.calendar import DAY, to_month, to_next_month

DAYS_SHOWN, MONTHS_SHOWN = 14, 12
ROWS_SHOWN = 25
"""Rows of one table; those that lack most."""
FIRST_DAY, LAST_DAY = date(2000, 2, 1), date(2098, 12, 31)


@dataclass(frozen=True)
class Part:
    """A part of a bar, in one tone."""

    tone: str
    number: int
    text: str


@dataclass(frozen=True)
class Shown:
    """A total as the page shows it; ``url`` leads to its missing readings."""

    name: str
    total: Total
    url: str = ""
    day: date | None = None
    owner: str = ""

    @property
    def share(self) -> str:
        """The share of received intervals; ``100 %`` is said only of all, ``–`` of none expected."""
        return format_share(self.total.received, self.total.expected)

    @property
    def parts(self) -> list[Part]:
        """What a bar shows: received, then missing by reason."""
        received = self.total.received - self.total.late
        parts = [Part("good", received, "received"), Part("late", self.total.late, "received late")]
        for reason, number in self.total.missing.items():
            tone = find_tone(reason)
            parts.append(Part("waiting" if tone == "neutral" else tone, number, split_words(reason).lower()))
        return [part for part in parts if part.number]


class Split:
    """A table of the page: how one day is split."""

    def __init__(self, title: str, rows: Sequence[Shown]) -> None:
        self.title = title
        worst = sorted(rows, key=lambda row: (-row.total.missing_number, row.name))
        self.rows = worst[:ROWS_SHOWN]
        self.more = count_rows(len(rows) - ROWS_SHOWN, "other") if len(rows) > ROWS_SHOWN else ""


@admin.register(DayTotal)
class DayTotalAdmin(ReadOnlyAdmin):
    """Its list is the page. Who may see missing readings may see it."""

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(organisation_id=organisation.pk)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("readings.view_series"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How complete a day is, and the days before it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        organisation = get_organisation(request)
        period = request.GET.get("period", "")
        if period not in {str(each) for each in Period if each != Period.ACTUAL}:
            period = str(Period.INTERVAL)
        day = choose_day(period, _parse_day(request.GET.get("day", "")))
        days = list_days(period, day)
        by_day = read_days(organisation, period, days)
        headline = Shown("", by_day.get(day, Total()), _get_missing_url(period, day))
        splits = [
            _make_split(by, read_report(organisation, by, period, [day]), period)
            for by in (By.GROUP, By.NETWORK, By.PROFILE, By.ORGANISATION)
            if organisation is None or by != By.ORGANISATION
        ]
        return render_page(
            self,
            request,
            "admin/readings/completeness.html",
            title="Completeness",
            period=period,
            periods=[str(each) for each in Period if each != Period.ACTUAL],
            day=day,
            before=list_days(period, day)[-2],
            after=_find_next(period, day),
            headline=headline,
            may_fetch=request.user.has_perm("requests.add_request")
            and bool(headline.total.missing.keys() - SETTLED - {Reason.BEING_FETCHED}),
            reasons=_describe_reasons(headline, period, day),
            history=[
                Shown("", by_day[each], _get_missing_url(period, each), each)
                for each in reversed(days)
                if each in by_day
            ],
            splits=[split for split in splits if split.rows],
            counted_until=read_counted_until(),
        )


def find_tone(reason: str) -> str:
    """In which tone a reason is shown; one that this release does not know in a neutral one."""
    return TONES.get(Reason(reason), "neutral") if reason in set(Reason) else "neutral"


def format_share(part: int, whole: int) -> str:
    """A share in per cent, rounded down; ``100 %`` is said only of all."""
    share = compute_share(part, whole)
    if share is None:
        return "–"
    return "100 %" if part == whole else f"{share * 100:.2f} %"


def choose_day(period: str, wanted: date | None) -> date:
    """The day that is shown: of MONTHLY the last one of a month; yesterday or last month unless chosen."""
    yesterday, today = get_default_days()
    if period != Period.MONTHLY:
        return wanted or yesterday
    if wanted is None:
        return to_month(today) - DAY
    return to_next_month(wanted) - DAY


def list_days(period: str, day: date) -> list[date]:
    """The days up to the one that is shown."""
    if period != Period.MONTHLY:
        return [day - number * DAY for number in range(DAYS_SHOWN)][::-1]
    days = [day]
    while len(days) < MONTHS_SHOWN:
        days.append(to_month(days[-1]) - DAY)
    return days[::-1]


def make_tile(request: HttpRequest) -> dict[str, Any] | None:
    """Yesterday's intervals for the overview; None for users who may not see them, or before anything."""
    if not request.user.has_perm("readings.view_series"):
        return None
    day, _ = get_default_days()
    total = read_days(get_organisation(request), Period.INTERVAL, [day]).get(day)
    if total is None:
        return None
    return {
        "share": format_share(total.received, total.expected),
        "missing": total.missing_number,
        "url": reverse("admin:completeness_daytotal_changelist"),
    }


def _find_next(period: str, day: date) -> date:
    return day + DAY if period != Period.MONTHLY else to_next_month(to_next_month(day)) - DAY


def _parse_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None


def _get_missing_url(period: str, day: date, **filters: str) -> str:
    query = {"period": period, "first": day.isoformat(), "last": day.isoformat(), **filters}
    return f"{reverse('admin:readings_series_changelist')}?{urlencode(query)}"


def _make_split(by: By, rows: Sequence[ReportRow], period: str) -> Split:
    def find_url(row: ReportRow) -> str:
        if by not in (By.GROUP, By.NETWORK) or not row.key:
            return ""
        return _get_missing_url(period, row.day, **{str(by): row.key})

    shown = [Shown(row.name or "no network", row.total, find_url(row), owner=row.owner) for row in rows]
    return Split(f"By {by}", shown)


def _describe_reasons(headline: Shown, period: str, day: date) -> list[dict[str, Any]]:
    return [
        {
            "reason": reason,
            "number": number,
            "tone": find_tone(reason),
            "meaning": MEANINGS[Reason(reason)] if reason in set(Reason) else "",
            "url": _get_missing_url(period, day, reason=reason),
        }
        for reason, number in headline.total.missing.items()
    ]
