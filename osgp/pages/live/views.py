"""The live page, and its panels alone, which the page fetches again and again (static/osgp/live.js)."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from osgp import platform_time
from osgp.pages.access import get_organisation
from osgp.pages.live import chart
from osgp.pages.live.access import Rights, find_rights
from osgp.pages.live.alarms import gather_alarms
from osgp.pages.live.figures import count_pending, count_visits, find_oldest
from osgp.pages.live.missing import make_notice
from osgp.pages.live.outcomes import DEFAULT_SPAN, SPANS, Span, summarise
from osgp.pages.live.process_list import gather_processes

SECONDS = 5
"""Between two looks."""


@require_safe
def show_page(request: HttpRequest) -> TemplateResponse:
    """GET /admin/live/: the page with its panels. 403 for those who may see none of them."""
    rights, span = _check_rights(request), _choose_span(request)
    context = {
        **admin.site.each_context(request),
        "title": "Live",
        "spans": list(SPANS.values()),
        "seconds": SECONDS,
        **_gather(request, rights, span),
    }
    return TemplateResponse(request, "admin/live/page.html", context)


@require_safe
def show_panels(request: HttpRequest) -> TemplateResponse:
    """GET /admin/live/panels/: the same panels, and the notice, as a fragment of HTML."""
    rights, span = _check_rights(request), _choose_span(request)
    context = {"notice": make_notice(request), **_gather(request, rights, span)}
    return TemplateResponse(request, "admin/live/panels.html", context)


def _check_rights(request: HttpRequest) -> Rights:
    rights = find_rights(request)
    if not rights.any:
        raise PermissionDenied
    return rights


def _choose_span(request: HttpRequest) -> Span:
    return SPANS.get(request.GET.get("span", ""), DEFAULT_SPAN)


def _gather(request: HttpRequest, rights: Rights, span: Span) -> dict[str, Any]:
    """What the panels show of those rows that the user may see: about a dozen small queries."""
    organisation = get_organisation(request)
    figures: dict[str, Any] = {
        "as_of": platform_time.now(),
        "span": span,
        "rights": rights,
        "confined_to": organisation,
        "alarms": gather_alarms(request),
    }
    if rights.requests:
        ended = summarise(organisation, span)
        figures["pending"] = count_pending(organisation)
        figures["oldest"] = find_oldest(organisation)
        figures["ended"] = ended
        figures["chart"] = chart.draw(ended, span)
    if rights.visits:
        figures["visits"] = count_visits(organisation)
    if rights.processes:
        figures["processes"] = gather_processes()
    return figures
