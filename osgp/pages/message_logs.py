"""Message logs: which devices are debugged, what was said in one visit after another, and failed calls."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.devices.models import Device
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.message_logs.reading import GRANTED_TO, find_own_requests
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.shared.page import render_page
from osgp.requests.models import MeterSession

MOST_DEVICES = 100
MOST_VISITS = 50
MESSAGES_PER_PAGE = 200
SHORT_TEXT = 12
"""Lines of a description that are shown without being asked for."""
SHORTER_TEXT = 3
"""The same while the association is opened, which is the same again and again."""


@dataclass(frozen=True)
class LoggedVisit:
    """A visit in the log of a device; ``session``, its row, may have been deleted before the log."""

    key: uuid.UUID
    began_at: datetime
    count: int
    """Of messages."""
    session: MeterSession | None

    @property
    def fault(self) -> dict[str, Any] | None:
        """Why it failed, as long as that is known."""
        return self.session.fault if self.session else None


@dataclass(frozen=True)
class ShownMessage:
    """A message with its place in the visit."""

    row: MessageLog
    after: timedelta
    """Since the first message of the page."""
    begins: bool
    """Whether it is the first of what belongs to its action, or to none."""
    request: int | None
    """Primary key of its request, if the operator may see it."""
    carried: list[tuple[dict[str, Any], int | None]]
    """The requests of a failed call, with their primary keys if the operator may see them."""

    @property
    def is_sent(self) -> bool:
        return self.row.direction == MessageDirection.SENT

    @property
    def lines(self) -> list[str]:
        return self.row.description.splitlines()

    @property
    def beginning(self) -> str:
        """What is shown at once."""
        return "\n".join(self.lines[: self._shown])

    @property
    def rest(self) -> list[str]:
        """What is shown on demand."""
        return self.lines[self._shown :]

    @property
    def _shown(self) -> int:
        """Lines that are shown at once; two more are not worth a click."""
        short = SHORT_TEXT if self.row.message else SHORTER_TEXT
        return short if len(self.lines) > short + 2 else len(self.lines)

    @property
    def octets(self) -> list[tuple[str, str]]:
        """Sixteen octets a line, each with the offset of its first."""
        text = self.row.apdu
        return [
            (f"{start // 2:04x}", " ".join(text[at : at + 2] for at in range(start, start + 32, 2)).rstrip())
            for start in range(0, len(text), 32)
        ]


@admin.register(MessageLog)
class MessageLogAdmin(ReadOnlyAdmin):
    """The list shows devices, not messages: those are read visit by visit, on a page per device."""

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(device__in=list_granted_devices(organisation, GRANTED_TO))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.device_view)
        return [
            path("device/<int:device_id>/", page, name="message_logs_messagelog_device"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Devices that are debugged, or were as long as logs are kept."""
        self._check_may_view(request)
        latest = MessageLog.objects.filter(device=OuterRef("pk")).order_by("-at", "-pk").values("at")[:1]
        since = platform_time.now() - settings.OSGP["MESSAGE_LOG_RETENTION"]
        devices = (
            self._find_devices(request)
            .filter(debugging_until__gte=since)
            .annotate(latest_message=Subquery(latest))
            .order_by("-debugging_until", "pk")
        )
        return render_page(
            self,
            request,
            "admin/message_logs/messagelog/devices.html",
            title="Message logs",
            devices=devices[:MOST_DEVICES],
            most=MOST_DEVICES,
            retention=settings.OSGP["MESSAGE_LOG_RETENTION"],
            may_send=request.user.has_perm("requests.add_request"),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A single message is nothing by itself."""
        raise Http404

    def device_view(self, request: HttpRequest, device_id: int) -> HttpResponse:
        """The visits in the log of a device, and the messages of one of them: the latest unless chosen."""
        self._check_may_view(request)
        device = self._find_devices(request).filter(pk=device_id).first()
        if device is None:
            raise Http404
        visits = _list_visits(device)
        chosen = _choose(visits, request.GET.get("visit"))
        rows = MessageLog.objects.filter(device=device, session=chosen.key if chosen else None)
        pages = Paginator(rows.order_by("number"), MESSAGES_PER_PAGE)
        page = pages.get_page(request.GET.get("p"))
        return render_page(
            self,
            request,
            "admin/message_logs/messagelog/conversation.html",
            title=f"Messages of {device.identification}",
            device=device,
            visits=visits,
            most_visits=MOST_VISITS,
            chosen=chosen,
            page=page,
            page_range=pages.get_elided_page_range(page.number),
            conversation=_arrange(list(page.object_list), get_organisation(request)),
            may_send=request.user.has_perm("requests.add_request"),
            may_see_device=request.user.has_perm("devices.view_device"),
            may_see_requests=request.user.has_perm("requests.view_request"),
            may_see_visits=request.user.has_perm("requests.view_metersession"),
        )

    def _check_may_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied

    def _find_devices(self, request: HttpRequest) -> QuerySet[Device]:
        organisation = get_organisation(request)
        return (
            Device.objects.all() if organisation is None else list_granted_devices(organisation, GRANTED_TO)
        )


def _list_visits(device: Device) -> list[LoggedVisit]:
    """The latest visits that are in the device's log."""
    found = list(
        MessageLog.objects.filter(device=device)
        .order_by()
        .values("session")
        .annotate(began_at=Min("at"), count=Count("pk", filter=~Q(direction=MessageDirection.FAILED)))
        .order_by("-began_at")[:MOST_VISITS]
    )
    sessions = MeterSession.objects.in_bulk([row["session"] for row in found])
    return [
        LoggedVisit(row["session"], row["began_at"], row["count"], sessions.get(row["session"]))
        for row in found
    ]


def _choose(visits: list[LoggedVisit], key: str | None) -> LoggedVisit | None:
    for visit in visits:
        if str(visit.key) == key:
            return visit
    return visits[0] if visits and not key else None


def _arrange(rows: list[MessageLog], organisation: Organisation | None) -> list[ShownMessage]:
    visible = find_own_requests(rows, organisation)
    shown = []
    previous: tuple[str, uuid.UUID | None] | None = None
    for row in rows:
        belongs = (row.message, row.correlation_uid)
        request = visible.get(row.correlation_uid) if row.correlation_uid is not None else None
        carried = [(told, visible.get(uid)) for uid, told in row.list_carried()]
        shown.append(ShownMessage(row, row.at - rows[0].at, belongs != previous, request, carried))
        previous = belongs
    return shown
