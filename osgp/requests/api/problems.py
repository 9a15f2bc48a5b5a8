"""Errors of the API: all of them are ``application/problem+json`` (osgp/requests/problems.py)."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults
from psycopg2.errors import QueryCanceled
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.views import set_rollback

from osgp.faults import Fault, FaultCode
from osgp.processes.database import AWAY, format_in_one_line
from osgp.requests.problems import build_fault_problem, build_problem, build_validation_problem
from osgp.requests.waiting_limits import TooManyWaiting

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds, when the platform is without its database."""


class Conflict(exceptions.APIException):
    """409: not in this state."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"
    default_detail = "Not possible in this state."


class UnprocessableContent(exceptions.APIException):
    """422: well-formed, but contradicts a former call."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "unprocessable_content"
    default_detail = "The request cannot be processed."


def exception_handler(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn an exception of a view into a problem. None: a programming error, left to server_error."""
    headers: dict[str, str] = {}
    if isinstance(exception, Fault):
        body = build_fault_problem(exception)
    elif isinstance(exception, exceptions.ValidationError):
        body = build_validation_problem(exception)
        if isinstance(exception, TooManyWaiting):
            headers["Retry-After"] = str(exception.wait)
    elif isinstance(exception, exceptions.ParseError):
        body = build_problem(exception.status_code, str(exception.detail), code=FaultCode.VALIDATION_ERROR)
    elif isinstance(exception, Http404):
        body = build_problem(HTTPStatus.NOT_FOUND, "There is nothing here.")
    elif isinstance(exception, PermissionDenied):
        body = build_problem(HTTPStatus.FORBIDDEN, "Not permitted.", code=FaultCode.UNAUTHORIZED)
    elif isinstance(exception, exceptions.APIException):
        name = exception.default_code.upper()
        body = build_problem(exception.status_code, str(exception.detail), name=name)
        if (challenge := getattr(exception, "auth_header", None)) is not None:
            headers["WWW-Authenticate"] = challenge
        if (wait := getattr(exception, "wait", None)) is not None:
            headers["Retry-After"] = str(int(wait))
    elif (outage := find_outage(exception)) is not None:
        body = build_problem(HTTPStatus.SERVICE_UNAVAILABLE, outage.detail)
        headers |= outage.headers
    else:
        return None
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


@dataclass(frozen=True)
class Outage:
    """Why a call cannot be answered, which is nobody's programming error: 503."""

    detail: str
    headers: Mapping[str, str]


def find_outage(exception: BaseException | None) -> Outage | None:
    """Return what an error of the database means to a caller, and log it; None for other exceptions."""
    if not isinstance(exception, Exception):
        return None
    if isinstance(exception.__cause__, QueryCanceled):
        logger.warning("a statement took too long: %s", format_in_one_line(exception))
        return Outage("This takes the database too long; ask for less of it.", {})
    if isinstance(exception, AWAY):
        logger.error("no answer from the database: %s", format_in_one_line(exception))
        return Outage("The database does not answer; try again.", {"Retry-After": RETRY_AFTER})
    return None


# --- Errors outside of views: URLs that do not exist, and programming errors ----------------------------


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _answer_with_problem(status: HTTPStatus, detail: str) -> HttpResponse:
    return HttpResponse(json.dumps(build_problem(status, detail)), status=status, content_type=MEDIA_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that no view has seen (Django's handler400)."""
    if _is_api(request):
        return _answer_with_problem(HTTPStatus.BAD_REQUEST, "The request is malformed.")
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for an unknown URL (Django's handler404)."""
    if _is_api(request):
        return _answer_with_problem(HTTPStatus.NOT_FOUND, "There is nothing here.")
    return defaults.page_not_found(request, exception)


def unavailable(request: HttpRequest, outage: Outage) -> HttpResponse:
    """Answer without the database: a problem for the API, a page for people."""
    if _is_api(request):
        answer = _answer_with_problem(HTTPStatus.SERVICE_UNAVAILABLE, outage.detail)
    else:
        # Neither who asks nor anything else of the database is known to it.
        context = {
            "site_header": admin.site.site_header,
            "site_title": admin.site.site_title,
            "seconds": outage.headers.get("Retry-After"),
            "was_sent": request.method not in SAFE_METHODS,
        }
        page = render_to_string("admin/unavailable.html", context)
        answer = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    for name, value in {**outage.headers, "Cache-Control": "no-store"}.items():
        answer[name] = value
    return answer


class PlainCallMiddleware:
    """Refuses calls of the API without TLS where HTTPS is to be used; browsers are redirected (Django)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        if settings.SECURE_SSL_REDIRECT and _is_api(request) and not request.is_secure():
            detail = "Use https. The token of this call was sent in clear: let it be replaced."
            return _answer_with_problem(HTTPStatus.FORBIDDEN, detail)
        return self._get_response(request)


class OutageMiddleware:
    """Answers 503 where a view fails because the database is away, as the API does itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer; None: a programming error, left to server_error."""
        outage = find_outage(exception)
        return None if outage is None else unavailable(request, outage)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after a programming error (Django's handler500). The traceback is only in the log.

    Middlewares that fail for want of the database, as when a session is stored, come here as well.
    """
    if (outage := find_outage(sys.exception())) is not None:
        return unavailable(request, outage)
    if _is_api(request):
        return _answer_with_problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "The platform failed to answer; its log tells why."
        )
    return defaults.server_error(request)
