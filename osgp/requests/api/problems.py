"""Errors of the API: all of them are ``application/problem+json`` (osgp/requests/problems.py)."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from psycopg2.errors import QueryCanceled
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from osgp.faults import Fault, FaultCode
from osgp.processes.database import format_in_one_line
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
    elif isinstance(exception.__cause__, QueryCanceled):
        logger.warning("a statement of the API took too long: %s", format_in_one_line(exception))
        body = build_problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "This takes the database too long; ask for less of it."
        )
    elif isinstance(exception, OperationalError | InterfaceError):
        logger.error("no answer from the database: %s", exception)
        body = build_problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer; try again.")
        headers["Retry-After"] = RETRY_AFTER
    else:
        return None
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


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


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after a programming error (Django's handler500). The traceback is only in the log."""
    if _is_api(request):
        return _answer_with_problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "The platform failed to answer; its log tells why."
        )
    return defaults.server_error(request)
