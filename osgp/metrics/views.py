"""GET /metrics: the platform's figures for Prometheus. Every web process answers the same."""

import logging

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from osgp.metrics.access import may_read
from osgp.metrics.exposition import OPENMETRICS, TEXT, render
from osgp.metrics.page import collect

logger = logging.getLogger(__name__)

_CHOICE = [TEXT.removesuffix("; charset=utf-8"), OPENMETRICS.removesuffix("; charset=utf-8")]


@never_cache
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Answer 200 with the page; 401 to callers who may not read it; 503 when the database does not answer."""
    if not may_read(request):
        return HttpResponse(
            "Metrics need a token.\n",
            TEXT,
            status=401,
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    openmetrics = request.get_preferred_type(_CHOICE) == _CHOICE[1]
    try:
        page = render(collect(), openmetrics=openmetrics)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("no metrics: the database does not answer: %s", error)
        return HttpResponse("The database does not answer.\n", TEXT, status=503)
    return HttpResponse(page, OPENMETRICS if openmetrics else TEXT)
