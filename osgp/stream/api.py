"""The stream in the OpenAPI document, and what Django answers where calls to its path do not reach it."""

from http import HTTPStatus
from typing import Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.events.models import EventKind
from osgp.requests.api.problems import MEDIA_TYPE
from osgp.requests.api.schema import ProblemSerializer, document_problems
from osgp.requests.problems import build_problem
from osgp.stream.selection import DEVICE, KIND, LAST_EVENT_ID, MOST_DEVICES

DESCRIPTION = """\
Events as they come, as server-sent events (HTML standard, section 9.2): the answer does not end. Each event
has a field `id`, its position; a field `event`, its kind; and a field `data`, which is a JSON object with
`type`, `data` as in the notification, and `created_at`. Operators of the platform get `organisation` as
well.

Whoever sends the last `id` that it has seen gets all later events of its organisation, in order, each once.
If some of these may be forgotten already, an event `gap` with the data `last_event_id` and `kept_after`
comes first: then fetch what you follow anew. An `id` without `data`, with each heartbeat, moves that place
on without an event.

Needs a token with the scope `read`, or, for pages of the same origin, the cookie of a signed-in user who
may view requests. Both are checked again every minute.
"""
EXAMPLE = """retry: 2000

id: 4711
event: request.completed
data: {"type":"request.completed","data":{"correlation_uid":"0d9c9f0e-6f0f-4b4e-9d43-3a1f4b1f5c7e","device_identification":"E0000000000000001","message":"ActualMeterReads","status":"SUCCEEDED"},"created_at":"2026-01-31T14:00:03.417208Z"}

"""  # noqa: E501 (data is one line)
ELSEWHERE = (
    "This process does not serve the stream: the proxy has to hand this path to the process "
    "`manage.py stream`, port 8001 unless told otherwise."
)
_REFUSALS = {
    429: "The organisation has as many listeners as it may; `Retry-After` says when to try again.",
    501: "The proxy in front of the platform does not hand this path to the process `manage.py stream`.",
    503: "Too many listeners, or no database; `Retry-After` says when to try again.",
}
_PARAMETERS = [
    OpenApiParameter(
        "Last-Event-ID",
        OpenApiTypes.INT64,
        OpenApiParameter.HEADER,
        description="Go on after this `id`; without it from now on. Browsers send it by themselves.",
    ),
    OpenApiParameter(
        LAST_EVENT_ID,
        OpenApiTypes.INT64,
        description="The same, for the first connection of a browser; the header counts more.",
    ),
    OpenApiParameter(
        KIND,
        {"type": "array", "items": {"type": "string", "enum": EventKind.values}},
        description="Only events of this kind; may be repeated.",
    ),
    OpenApiParameter(
        DEVICE,
        {"type": "array", "maxItems": MOST_DEVICES, "items": {"type": "string"}},
        description="Only events of the device with this identification; may be repeated.",
    ),
]


class EventsView(APIView):
    """What Django answers in the place of the stream."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(
        operation_id="events",
        summary="Events as they come",
        description=DESCRIPTION,
        tags=["events"],
        auth=[{"token": []}],  # type: ignore[list-item]  # its type is narrower than what it takes
        parameters=_PARAMETERS,
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR,
                "Events, until the connection ends.",
                examples=[OpenApiExample("A request has ended", EXAMPLE)],
            ),
            **document_problems(400, 403, examples={}),
            **{
                (status, MEDIA_TYPE): OpenApiResponse(ProblemSerializer, text)
                for status, text in _REFUSALS.items()
            },
        },
    )
    def get(self, request: HttpRequest) -> Response:
        """501: say who serves the stream."""
        problem: dict[str, Any] = build_problem(HTTPStatus.NOT_IMPLEMENTED, ELSEWHERE)
        return Response(problem, status=problem["status"], content_type=MEDIA_TYPE)


urlpatterns = [path("events/", EventsView.as_view())]
