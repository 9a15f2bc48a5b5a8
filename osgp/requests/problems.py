"""What is wrong with a request, as JSON: problems of RFC 9457, for the REST API and the command line.

Beside the members of the RFC a problem has ``code`` and ``name`` of the fault catalogue (``code`` is null for
errors of HTTP that have none), and for invalid input ``errors``, each with a JSON pointer (RFC 6901) to the
field and what is wrong with it. Bad input is 400, with a few exceptions below.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.faults import Fault, FaultCode
from osgp.requests.submission import NotGranted

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


def build_fault_problem(fault: Fault) -> dict[str, Any]:
    """A fault as the body of an error answer."""
    status = STATUS_OF_FAULT.get(fault.code, HTTPStatus.BAD_REQUEST)
    errors = [{"pointer": fault.pointer, "detail": fault.message}] if fault.pointer else None
    return build_problem(status, fault.message, code=fault.code, errors=errors)


def build_validation_problem(error: ValidationError) -> dict[str, Any]:
    """Invalid input as the body of an error answer."""
    granted = not isinstance(error, NotGranted)
    return build_problem(
        error.status_code,
        "The request is not valid; errors says where." if granted else "Not granted; errors says what.",
        code=FaultCode.VALIDATION_ERROR if granted else FaultCode.UNAUTHORIZED,
        errors=list(list_errors(error.detail))[:MOST_ERRORS],
    )


def list_errors(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """The errors of a ValidationError, each with a JSON pointer to where it is."""
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
