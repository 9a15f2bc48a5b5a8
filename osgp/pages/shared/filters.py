"""Filters of operators' lists: their choices come from the code, never from a scan of the table."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.faults import FaultCode
from osgp.messages.registry import list_operations
from osgp.metrics.hours import NO_FAULT
from osgp.pages.access import get_organisation
from osgp.pages.shared.paging import find_first_number_since
from osgp.requests.queries import filter_by_batch

PERIODS = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
}


_RANGE_FORMAT = "%Y-%m-%dT%H:%MZ"
_RANGE = re.compile(r"([0-9TZ:-]{17})/([0-9TZ:-]{17})?")


class DefaultedFilter(admin.SimpleListFilter):
    """One of whose choices is made when nothing is chosen. What is not offered counts as nothing."""

    default: str

    def choices(self, changelist: Any) -> Any:
        """Without Django's own "All", which would be that default."""
        for value, title in self.lookup_choices:
            yield {
                "selected": self.choice == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    @property
    def choice(self) -> str:
        """What was chosen, or else the default."""
        value = str(self.value())
        return value if value in dict(self.lookup_choices) else self.default


class MessageFilter(admin.SimpleListFilter):
    """The messages that are registered."""

    title = "message"
    parameter_name = "message"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(item.message for item in list_operations())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(message=self.value()) if self.value() else queryset


class BatchFilter(admin.SimpleListFilter):
    """The requests of one batch, whose page leads here: there are too many batches to choose from."""

    title = "batch"
    parameter_name = "batch"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        uid = request.GET.get(self.parameter_name, "")
        return [(uid, f"{uid[:8]}…")] if uid else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            uid = uuid.UUID(value)
        except ValueError:
            return queryset.none()
        return filter_by_batch(queryset, uid)


class OrganisationFilter(admin.SimpleListFilter):
    """All organisations, for those who may see more than one."""

    title = "organisation"
    parameter_name = "organisation"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        if get_organisation(request) is not None:
            return []
        rows = Organisation.objects.values_list("pk", "identification")
        return [(str(key), identification) for key, identification in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(organisation=value) if re.fullmatch(r"[0-9]{1,18}", value or "") else queryset


class PeriodFilter(admin.SimpleListFilter):
    """When a request was created."""

    title = "created"
    parameter_name = "created"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(key, text) for key, (text, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = PERIODS.get(self.value() or "")
        if period is None:
            return queryset
        since = platform_time.now() - period[1]
        return queryset.filter(pk__gt=find_first_number_since(since), created_at__gte=since)


class RangeFilter(PeriodFilter):
    """When something happened, which has an index of its own; charts lead to the rows of a range."""

    field: str

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name, "")
        found = parse_range(chosen)
        ranges = [(chosen, _describe_range(*found))] if found is not None else []
        return super().lookups(request, model_admin) + ranges

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value in PERIODS:
            return queryset.filter(**{f"{self.field}__gte": platform_time.now() - PERIODS[value][1]})
        found = parse_range(value)
        if found is None:
            return queryset.none() if value else queryset
        begin, end = found
        queryset = queryset.filter(**{f"{self.field}__gte": begin})
        return queryset if end is None else queryset.filter(**{f"{self.field}__lt": end})


class CompletedFilter(RangeFilter):
    """When a request ended."""

    title = "ended"
    parameter_name = "completed"
    field = "completed_at"


def format_range(begin: datetime, end: datetime | None) -> str:
    """A range of full minutes as RangeFilter takes it; without an end it lasts until now."""
    last = f"{end.astimezone(UTC):{_RANGE_FORMAT}}" if end is not None else ""
    return f"{begin.astimezone(UTC):{_RANGE_FORMAT}}/{last}"


def parse_range(text: str) -> tuple[datetime, datetime | None] | None:
    """Begin and end of what ``format_range`` wrote; None for everything else."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    try:
        begin, end = (
            datetime.strptime(part, _RANGE_FORMAT).replace(tzinfo=UTC) if part else None
            for part in match.groups()
        )
    except ValueError:
        return None
    return None if begin is None else (begin, end)


def _describe_range(begin: datetime, end: datetime | None) -> str:
    text = f"{begin.day} {begin:%b %H:%M}"
    return f"Since {text}" if end is None else f"{text} to {end.day} {end:%b %H:%M}"


class FaultFilter(admin.SimpleListFilter):
    """The fault with which a request failed, or that of its last attempt."""

    title = "fault"
    parameter_name = "fault"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        codes = [(str(int(code)), f"{int(code)} {code.name}") for code in sorted(FaultCode)]
        return [*codes, (str(NO_FAULT), "None that is known")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        if value == str(NO_FAULT):
            return queryset.filter(Q(fault__isnull=True) | Q(fault__code__isnull=True) | Q(fault__code=None))
        return (
            queryset.filter(fault__code=int(value)) if re.fullmatch(r"[0-9]{1,5}", value) else queryset.none()
        )


class OpenedFilter(PeriodFilter):
    """When a visit was opened, which has an index of its own."""

    title = "opened"
    parameter_name = "opened"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = PERIODS.get(self.value() or "")
        return queryset if period is None else queryset.filter(opened_at__gte=platform_time.now() - period[1])
