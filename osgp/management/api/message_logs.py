"""FindMessageLogs at once and in pages: the log of one device."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.faults import Fault, FaultCode
from osgp.management.find_message_logs import FindMessageLogs, MessageLogFilter, check_period
from osgp.message_logs import reading
from osgp.messages.serializers import utc_text
from osgp.messages.shapes import make_serializer
from osgp.requests.api.pages import PageQuery, build_next_page_link, fetch_page, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.queries import find_granted_devices
from osgp.requests.submission import DeviceIdentificationField


class MessageLogsQuery(make_serializer(MessageLogFilter), PageQuery):  # type: ignore[misc]
    """Which messages of which device."""

    device = DeviceIdentificationField(help_text="Device identification.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises what :func:`check_period` raises."""
        check_period(attrs)
        return attrs


class MessageLogPageSerializer(serializers.Serializer):
    """Messages, latest first; the Link header with rel="next" leads on."""

    results = reading.MessageLogSerializer(many=True)


class MessageLogsView(APIView):
    """GET /api/v1/management/message-logs/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="message_logs",
        summary="Message logs",
        description="Messages of a device while it was debugged, and failed calls, as in FindMessageLogs, in "
        "pages. "
        "Needs the rights of FindMessageLogs.",
        tags=["management"],
        parameters=[MessageLogsQuery],
        responses={200: MessageLogPageSerializer, **document_problems(400, 403, 404)},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(MessageLogsQuery, request.query_params)
        organisation = find_caller(request).organisation
        granted = find_granted_devices(organisation, [query["device"]]).get(query["device"])
        if granted is None:
            raise _make_refusal(FaultCode.UNKNOWN_DEVICE, f"There is no device {query['device']}.")
        if not granted.allows(FindMessageLogs.granted_to):
            raise _make_refusal(
                FaultCode.UNAUTHORIZED,
                f"Not granted on {query['device']}: {FindMessageLogs.derive_device_function()}.",
            )
        found, cursor = fetch_page(reading.list_messages(granted.device, query), query, by="at")
        results = [
            {**entry, "at": utc_text(entry["at"])} for entry in reading.describe_messages(found, organisation)
        ]
        return Response({"results": results}, headers=build_next_page_link(request, cursor))


def _make_refusal(code: FaultCode, message: str) -> Fault:
    return Fault(code, message, pointer="/device")
