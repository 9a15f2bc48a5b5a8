"""Errors as JSON: problems of RFC 9457, for the REST API and the command line.

Beside the members of the RFC, a problem has ``code`` and ``name`` of the fault catalogue (``code`` is null
for HTTP errors without one). For invalid input it has ``errors``, each with a JSON pointer (RFC 6901) to the
field and a text. Invalid input is 400, with the exceptions below.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.faults import Fault, FaultCode
from osgp.requests.submission import NotGranted
from osgp.requests.waiting_limits import TooManyWaiting

MOST_ERRORS = 1000
"""Errors listed in one answer."""

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


def build_problem(
    status: int,
    detail: str,
    *,
    code: FaultCode | None = None,
    name: str = "",
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the body of an error answer."""
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


def build_fault_problem(fault: Fault) -> dict[str, Any]:
    """Return the body of an error answer for a fault."""
    status = STATUS_OF_FAULT.get(fault.code, HTTPStatus.BAD_REQUEST)
    errors = [{"pointer": fault.pointer, "detail": fault.message}] if fault.pointer else None
    return build_problem(status, fault.message, code=fault.code, errors=errors)


def build_validation_problem(error: ValidationError) -> dict[str, Any]:
    """Return the body of an error answer for invalid input."""
    if isinstance(error, TooManyWaiting):
        [detail] = [each["detail"] for each in list_errors(error.detail)]
        return build_problem(error.status_code, detail, name="TOO_MANY_WAITING_REQUESTS")
    granted = not isinstance(error, NotGranted)
    return build_problem(
        error.status_code,
        "The request is not valid; errors says where." if granted else "Not granted; errors says what.",
        code=FaultCode.VALIDATION_ERROR if granted else FaultCode.UNAUTHORIZED,
        errors=list(list_errors(error.detail))[:MOST_ERRORS],
    )


def list_errors(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """List the errors of a ValidationError, each with the JSON pointer of its field."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = pointer if name in ("", "non_field_errors") else f"{pointer}/{_escape(name)}"
            yield from list_errors(inner, own)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            is_element = isinstance(inner, Mapping | list | tuple)
            yield from list_errors(inner, f"{pointer}/{index}" if is_element else pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def _escape(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
