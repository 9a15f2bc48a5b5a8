"""The OpenAPI document, derived from the registered operations, their serializers and docstrings."""

import inspect
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView
from rest_framework import serializers
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import CompositeOperation, Operation
from osgp.requests.api.idempotency import HEADER, LONGEST_KEY
from osgp.requests.api.problems import MEDIA_TYPE
from osgp.requests.api.responses import ResponsesQuery
from osgp.requests.api.serializers import (
    AcceptedSerializer,
    make_request_serializer,
    make_response_serializer,
)
from osgp.requests.api.waiting import LONGEST_WAIT
from osgp.requests.problems import build_fault_problem


class BearerToken(OpenApiAuthenticationExtension):
    """Documents that tokens go into the Authorization header."""

    target_class = "osgp.accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return a bearer scheme (RFC 6750)."""
        return {"type": "http", "scheme": "bearer"}


class InvalidFieldSerializer(serializers.Serializer):
    """A field that is not valid."""

    pointer = serializers.CharField(allow_blank=True, help_text="JSON pointer (RFC 6901) to the field.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.IntegerField(
        allow_null=True, help_text="Code of the fault catalogue; null for HTTP errors without one."
    )
    name = serializers.CharField()
    errors = InvalidFieldSerializer(many=True, required=False)  # type: ignore[assignment]


WAIT = OpenApiParameter(
    "Prefer",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=f"`wait=20` holds the call until the request is final, up to that many seconds "
    f"({LONGEST_WAIT} at most).",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=f"1 to {LONGEST_KEY} printable ASCII characters. Sent again within a day with the same body "
    "it leads to the same request.",
)
CORRELATION_UID = OpenApiParameter("correlation_uid", OpenApiTypes.UUID, OpenApiParameter.PATH)
_DEVICE = "E0000000000000001"
_EXAMPLES = {
    400: Fault(
        FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
        "Not supported by DSMR-2.2 meters.",
        pointer="/device_identification",
    ),
    403: Fault(FaultCode.UNAUTHORIZED, f"Not granted on {_DEVICE}.", pointer="/device_identification"),
    404: Fault(FaultCode.UNKNOWN_DEVICE, f"There is no device {_DEVICE}.", pointer="/device_identification"),
}
_UNKNOWN_UID = Fault(
    FaultCode.UNKNOWN_CORRELATION_UID,
    "There is no such request.",
    component=Component.WEB_SERVICE,
)
_MEANINGS = {
    400: "Not valid; nothing was stored.",
    401: "No valid token.",
    403: "Scope or device function not granted.",
    404: "Unknown, or not visible to the caller.",
    409: "Not possible in the present state.",
    422: "The Idempotency-Key was used with another body.",
}


def document_problems(*statuses: int, examples: dict[int, Fault] | None = None) -> dict[Any, OpenApiResponse]:
    """Document the error answers of an operation, for ``extend_schema(responses=…)``."""
    shown = {401: None} | (_EXAMPLES if examples is None else examples)
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            ProblemSerializer,
            _MEANINGS[status],
            examples=[
                OpenApiExample(fault.code.name, build_fault_problem(fault), response_only=True)
                for fault in [shown.get(status)]
                if fault is not None
            ],
        )
        for status in (401, *statuses)
    }


_LARGE = (
    "A large result is streamed, without a Content-Length. One of more than the platform keeps, 4 MiB unless "
    "set otherwise, ends with fault 414; what was read is among the readings all the same."
)
_LARGE_BUNDLES = (
    "A large answer is streamed, without a Content-Length; `page_size` gives it in pages. An action whose "
    "result has more than the platform keeps, 4 MiB unless set otherwise and 64 MiB with those of all "
    "actions before it, ends with fault 414; what was read is among the readings all the same."
)


def document_view(view: type[APIView], operation: Operation) -> type[APIView]:
    """Add its OpenAPI operations to the view class of one message."""
    text = inspect.getdoc(operation) or operation.message
    name = operation.derive_device_function().lower()
    operations: dict[str, Any] = {}
    if hasattr(view, "post"):
        operations["post"] = extend_schema(
            operation_id=name,
            summary=operation.message,
            description=text,
            tags=[str(operation.service)],
            parameters=[IDEMPOTENCY_KEY, WAIT],
            request=make_request_serializer(operation),
            responses={
                202: OpenApiResponse(AcceptedSerializer, "Stored; the outcome is fetched from `url`."),
                200: OpenApiResponse(
                    make_response_serializer(operation),
                    "Final within the time of `Prefer: wait`, for tokens with the scope `read`.",
                ),
                **document_problems(400, 403, 404, 409, 422),
            },
        )
    if hasattr(view, "get"):
        pending = OpenApiResponse(make_response_serializer(operation), "Not final yet.")
        final = OpenApiResponse(
            make_response_serializer(operation), "Final.", examples=[_make_failed_example(operation)]
        )
        composite = isinstance(operation, CompositeOperation)
        pages, statuses = ([ResponsesQuery], [400, 403, 404]) if composite else ([], [403, 404])
        operations["get"] = extend_schema(
            operation_id=f"{name}_response",
            summary=f"Outcome of {operation.message}",
            description=f"The outcome of a {operation.message} request: 202 while it is pending, 200 "
            f"once final. {_LARGE_BUNDLES if composite else _LARGE}",
            tags=[str(operation.service)],
            parameters=[CORRELATION_UID, WAIT, *pages],
            responses={
                200: final,
                202: pending,
                **document_problems(*statuses, examples={404: _UNKNOWN_UID}),
            },
        )
        operations["delete"] = extend_schema(
            operation_id=f"{name}_delete",
            summary=f"Delete the outcome of {operation.message}",
            description="Delete a request that is final, with its result.",
            tags=[str(operation.service)],
            parameters=[CORRELATION_UID],
            responses={
                204: OpenApiResponse(description="Deleted."),
                **document_problems(403, 404, 409, examples={404: _UNKNOWN_UID}),
            },
        )
    return extend_schema_view(**operations)(view)


def _make_failed_example(operation: Operation) -> OpenApiExample:
    fault = Fault(
        FaultCode.CONNECTION_REFUSED,
        "The meter refused the connection.",
        component=Component.PROTOCOL_DLMS,
        retryable=True,
    )
    outcome: dict[str, Any] = (
        {"responses": []} if isinstance(operation, CompositeOperation) else {"result": None}
    )
    value = {
        "correlation_uid": "0d9c9f0e-6f0f-4b4e-9d43-3a1f4b1f5c7e",
        "device_identification": _DEVICE,
        "message": operation.message,
        "status": "FAILED",
        "priority": 4,
        "schedule_time": None,
        "attempts": 3,
        "created_at": "2026-01-31T14:00:00Z",
        "completed_at": "2026-01-31T14:03:10Z",
        **outcome,
        "fault": fault.as_dict(),
    }
    return OpenApiExample("FAILED", value, response_only=True, status_codes=["200"])


@cache
def build_document() -> Any:
    """Build the OpenAPI document. It is the same for all callers, so once per process is enough."""
    return SchemaGenerator().get_schema(request=None, public=True)


class SchemaView(SpectacularAPIView):
    """The OpenAPI document of this API, without authentication."""

    authentication_classes = []

    def _get_schema_response(self, request: HttpRequest) -> Response:
        return Response(build_document())


class DocumentationView(SpectacularRedocView):
    """The OpenAPI document as a page. Loads nothing from other hosts."""

    authentication_classes = []
    template_name = "api/documentation.html"
