"""The processes that gave heartbeats: to look at, and to forget one that will not come back."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from osgp.pages.access import PlatformOnly
from osgp.pages.shared.columns import make_moment_column
from osgp.processes import clocks
from osgp.processes.health import lookout
from osgp.processes.models import ProcessHeartbeat


@admin.register(ProcessHeartbeat)
class ProcessHeartbeatAdmin(PlatformOnly, admin.ModelAdmin):
    """The platform's own business. The last process of a kind is missed until it is deleted here."""

    list_display = ("name", "kind", "queues", "clock", "last_heartbeat", "ended")
    list_filter = ("kind",)
    fields = ("kind", "name", "queues", "last_heartbeat", "ended", "details")
    readonly_fields = fields

    last_heartbeat = make_moment_column("beat_at", "Last heartbeat", ordering="beat_at")
    ended = make_moment_column("ended_at", "Ended in good order", ordering="ended_at")

    @admin.display(description="Clock")
    def clock(self, row: ProcessHeartbeat) -> str:
        """How far its clock was ahead of the database's (behind it: less than zero)."""
        offset = clocks.parse(row.details)
        return "–" if offset is None else f"{offset.seconds:+.3f} s"

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: ProcessHeartbeat) -> None:
        """Forget a process; pages say so at once."""
        super().delete_model(request, obj)
        lookout.forget()
