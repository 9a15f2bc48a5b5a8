"""What people did with endpoints and deliveries, kept without URLs of receivers, which may hold secrets."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.http import HttpRequest

from osgp.notifications.models import Endpoint
from osgp.pages.notifications.display import name_endpoint


class DiscreetHistory(admin.ModelAdmin):
    """An admin whose history calls endpoints by their hosts."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return keep(request, [obj], ADDITION, str(message))[0]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return keep(request, [obj], CHANGE, str(message))[0]

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Any]) -> list[LogEntry]:
        return keep(request, queryset, DELETION, "")


def keep(request: HttpRequest, rows: Iterable[Any], flag: int, message: str) -> list[LogEntry]:
    """Keep what was done with rows, and return the entries."""
    return LogEntry.objects.bulk_create(
        [
            LogEntry(
                user_id=request.user.pk,  # type: ignore[misc]
                content_type=get_content_type_for_model(row),
                object_id=row.pk,
                object_repr=(name_endpoint(row) if isinstance(row, Endpoint) else str(row))[:200],
                action_flag=flag,
                change_message=message,
            )
            for row in rows
        ]
    )
