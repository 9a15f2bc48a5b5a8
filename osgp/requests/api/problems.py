"""Errors of the API: all of them are ``application/problem+json`` (RFC 9457).

Beside the members of the RFC a problem has ``code`` and ``name`` of the fault catalogue (``code`` is null for
errors of HTTP that have none), and for invalid input ``errors``, each with a JSON pointer (RFC 6901) to the
field and what is wrong with it. Bad input is 400, with a few exceptions below.
"""

import json
import logging
from collections.abc import Iterator, Mapping
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
from osgp.requests.database import in_one_line
from osgp.requests.submission import NotGranted

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 1000
"""Errors listed in one answer."""
RETRY_AFTER = "5"
"""Seconds, when the platform is without its database."""

STATUS_OF_FAULT = {
    FaultCode.UNKNOWN_ORGANISATION: HTTPStatus.FORBIDDEN,
    FaultCode.DISABLED_ORGANISATION: HTTPStatus.FORBIDDEN,
    FaultCode.UNKNOWN_DEVICE: HTTPStatus.NOT_FOUND,
    FaultCode.EXISTING_DEVICE: HTTPStatus.CONFLICT,
    FaultCode.UNAUTHORIZED: HTTPStatus.FORBIDDEN,
    FaultCode.UNKNOWN_CORRELATION_UID: HTTPStatus.NOT_FOUND,
    FaultCode.ENCRYPTION_EXCEPTION: HTTPStatus.INTERNAL_SERVER_ERROR,
    FaultCode.READING_KEY_EXCEPTION: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""All other faults are the caller's: 400."""


class Conflict(exceptions.APIException):
    """409: not in this state."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"
    default_detail = "Not possible in this state."


class UnprocessableContent(exceptions.APIException):
    """422: well-formed, but contradicts something said before."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "unprocessable_content"
    default_detail = "The request cannot be processed."


def problem(
    status: int,
    detail: str,
    *,
    code: FaultCode | None = None,
    name: str = "",
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """The body of an error answer."""
    name = code.name if code is not None else name or HTTPStatus(status).name
    body: dict[str, Any] = {
        "type": "about:blank" if code is None else f"urn:osgp:fault:{name.lower().replace('_', '-')}",
        "title": HTTPStatus(status).phrase if code is None else name.replace("_", " ").capitalize(),
        "status": int(status),
        "detail": detail,
        "code": None if code is None else int(code),
        "name": name,
    }
    if errors:
        body["errors"] = errors
    return body


def exception_handler(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn what a view raised into a problem. None: a programming error, which ends up in server_error."""
    headers: dict[str, str] = {}
    if isinstance(exception, Fault):
        body = fault_problem(exception)
    elif isinstance(exception, exceptions.ValidationError):
        errors = list(pointed_errors(exception.detail))[:MOST_ERRORS]
        granted = not isinstance(exception, NotGranted)
        body = problem(
            exception.status_code,
            "The request is not valid; errors says where." if granted else "Not granted; errors says what.",
            code=FaultCode.VALIDATION_ERROR if granted else FaultCode.UNAUTHORIZED,
            errors=errors,
        )
    elif isinstance(exception, exceptions.ParseError):
        body = problem(exception.status_code, str(exception.detail), code=FaultCode.VALIDATION_ERROR)
    elif isinstance(exception, Http404):
        body = problem(HTTPStatus.NOT_FOUND, "There is nothing here.")
    elif isinstance(exception, PermissionDenied):
        body = problem(HTTPStatus.FORBIDDEN, "Not permitted.", code=FaultCode.UNAUTHORIZED)
    elif isinstance(exception, exceptions.APIException):
        name = exception.default_code.upper()
        body = problem(exception.status_code, str(exception.detail), name=name)
        if (challenge := getattr(exception, "auth_header", None)) is not None:
            headers["WWW-Authenticate"] = challenge
        if (wait := getattr(exception, "wait", None)) is not None:
            headers["Retry-After"] = str(int(wait))
    elif isinstance(exception.__cause__, QueryCanceled):
        logger.warning("a statement of the API took too long: %s", in_one_line(exception))
        body = problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "This takes the database too long; ask for less of it."
        )
    elif isinstance(exception, OperationalError | InterfaceError):
        logger.error("no answer from the database: %s", exception)
        body = problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer; try again.")
        headers["Retry-After"] = RETRY_AFTER
    else:
        return None
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)


def fault_problem(fault: Fault) -> dict[str, Any]:
    """A fault as the body of an error answer."""
    status = STATUS_OF_FAULT.get(fault.code, HTTPStatus.BAD_REQUEST)
    errors = [{"pointer": fault.pointer, "detail": fault.message}] if fault.pointer else None
    return problem(status, fault.message, code=fault.code, errors=errors)


def pointed_errors(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """The errors of a ValidationError, each with a JSON pointer to where it is."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = pointer if name in ("", "non_field_errors") else f"{pointer}/{_escaped(name)}"
            yield from pointed_errors(inner, own)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            is_element = isinstance(inner, Mapping | list | tuple)
            yield from pointed_errors(inner, f"{pointer}/{index}" if is_element else pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _escaped(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


# --- Errors outside of views: URLs that do not exist, and programming errors ----------------------------


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _plain_problem(status: HTTPStatus, detail: str) -> HttpResponse:
    return HttpResponse(json.dumps(problem(status, detail)), status=status, content_type=MEDIA_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a request that no view got to see."""
    if _is_api(request):
        return _plain_problem(HTTPStatus.BAD_REQUEST, "The request is malformed.")
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    if _is_api(request):
        return _plain_problem(HTTPStatus.NOT_FOUND, "There is nothing here.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. The traceback is in the log, not in the answer."""
    if _is_api(request):
        return _plain_problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "The platform failed to answer; its log tells why."
        )
    return defaults.server_error(request)
