"""Operators' pages of readings: what is missing, and what a device's load profile looks like."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.completeness.missing import get_default_days
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.readings import tables
from osgp.pages.readings.charts import SEVERE, draw_charts
from osgp.pages.readings.missing_page import show_missing
from osgp.pages.shared.page import render_page
from osgp.readings import profile
from osgp.readings.calendar import DAY, find_day_span
from osgp.readings.models import Series
from osgp.readings.rights import READERS


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    """The list is the page of missing readings; a series leads to the load profile of its device."""

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(device__in=find_readable_devices(organisation))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [path("device/<int:pk>/", view(self.device_view), name="readings_device")]
        return own + super().get_urls()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Which meters lack which values."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return show_missing(self, request, find_readable_devices(get_organisation(request)))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A series is looked at on the page of its device."""
        series = self.get_object(request, object_id)
        if series is None or not self.has_view_permission(request, series):
            raise Http404
        return HttpResponseRedirect(
            f"{reverse('admin:readings_device', args=[series.device_id])}?period={series.period}"
        )

    def device_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A device's load profile."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        device = get_object_or_404(find_readable_devices(get_organisation(request)), pk=pk)
        known = profile.list_periods(device)
        period = request.GET.get("period") or next(iter(known), str(Period.INTERVAL))
        if period not in set(Period):
            raise Http404
        views = profile.VIEWS[Period(period)]
        view = request.GET.get("view") or views[0]
        day = (
            _parse_day(request.GET.get("date"))
            or profile.find_latest_day(device, period)
            or get_default_days()[0]
        )
        if view not in views:
            view = views[0]
        shown = profile.Range.from_day(view, day)
        found = profile.read_load_profile(device, period, shown)
        table = tables.build_rows(found)
        span = find_day_span(shown.first, found.zone)
        return render_page(
            self,
            request,
            "admin/readings/device.html",
            title=f"Readings of {device.identification}",
            device=device,
            profile=found,
            period=period,
            periods=[(str(each), str(each) in known) for each in Period],
            views=views,
            range=shown,
            charts=draw_charts(found),
            rows=table,
            by_day=any(row.day for row in table),
            day=day,
            last_day=shown.until - DAY,
            hours=(span.end - span.begin) // 3600 if shown.view == "day" else 24,
            same_view=[str(each) for each in Period if view in profile.VIEWS[each]],
            severe=SEVERE,
        )


def find_readable_devices(organisation: Organisation | None) -> QuerySet[Device]:
    """The devices whose readings a user with this organisation may see; None: all."""
    return Device.objects.all() if organisation is None else list_granted_devices(organisation, READERS)


def _parse_day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if 2000 <= day.year < 2099 else None
