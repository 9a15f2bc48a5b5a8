"""Requests of an organisation: list them, and cancel one that still waits."""

import uuid

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.faults import Component, Fault, FaultCode
from osgp.messages.serializers import CharField, ChoiceField, DateTimeField
from osgp.requests import steering
from osgp.requests.answers import build_list_entry
from osgp.requests.api.messages import parse_uid
from osgp.requests.api.pages import (
    MessageNameField,
    PageQuery,
    build_next_page_link,
    fetch_page,
    validate_query,
)
from osgp.requests.api.permissions import MayRead, find_caller, find_scope
from osgp.requests.api.problems import Conflict
from osgp.requests.api.schema import document_problems
from osgp.requests.api.serializers import ListedRequestSerializer, RequestPageSerializer
from osgp.requests.models import RequestState
from osgp.requests.queries import filter_by_batch, find_requests
from osgp.requests.submission import DeviceIdentificationField, check_scope


class RequestQuery(PageQuery):
    """Filters of the list of requests."""

    device = DeviceIdentificationField(required=False, help_text="Device identification.")
    message = MessageNameField(required=False)
    status = ChoiceField(RequestState, required=False)
    batch = CharField(required=False, max_length=36, help_text="UID of a batch.")
    created_after = DateTimeField(required=False, help_text="At or after this time.")
    created_before = DateTimeField(required=False, help_text="Before this time.")


_COLUMNS = {
    "device": "device_identification",
    "message": "message",
    "status": "state",
    "created_after": "created_at__gte",
    "created_before": "created_at__lt",
}


class RequestListView(APIView):
    """GET /api/v1/requests/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="requests",
        summary="Requests",
        description="The organisation's requests, latest first.",
        tags=["requests"],
        parameters=[RequestQuery],
        responses={200: RequestPageSerializer, **document_problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(RequestQuery, request.query_params)
        filters = {_COLUMNS[name]: value for name, value in query.items() if name in _COLUMNS}
        rows = find_requests(find_caller(request).organisation).filter(**filters)
        if "batch" in query:
            rows = filter_by_batch(rows, _batch_uid(query["batch"]))
        found, cursor = fetch_page(rows, query)
        return Response(
            {"results": [build_list_entry(row) for row in found]},
            headers=build_next_page_link(request, cursor),
        )


class CancelView(APIView):
    """POST /api/v1/requests/{correlation_uid}/cancel/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="request_cancel",
        summary="Cancel a request",
        description="Cancel a request that waits. Cancelling it again changes nothing. For one that is "
        "running, or has ended in another way, the answer is 409.",
        tags=["requests"],
        parameters=[],
        request=None,
        responses={
            200: OpenApiResponse(ListedRequestSerializer, "Cancelled."),
            **document_problems(403, 404, 409, examples={}),
        },
    )
    def post(self, request: HttpRequest, correlation_uid: uuid.UUID | str) -> Response:
        caller = find_caller(request)
        rows = find_requests(caller.organisation)
        uid = parse_uid(correlation_uid)
        found = rows.filter(correlation_uid=uid).first() if uid else None
        if found is None:
            raise Fault(
                FaultCode.UNKNOWN_CORRELATION_UID,
                "There is no request of this correlation UID.",
                component=Component.WEB_SERVICE,
            )
        check_scope(caller, find_scope(found.message))
        steering.cancel(found)
        # A caller that lost the answer sends the call again, and gets the same answer.
        cancelled = rows.filter(pk=found.pk, state=RequestState.CANCELLED).first()
        if cancelled is None:
            raise Conflict("The request is running or final.")
        return Response(build_list_entry(cancelled))


def _batch_uid(text: str) -> uuid.UUID:
    uid = parse_uid(text)
    if uid is None:
        raise ValidationError({"batch": ["Must be a UUID."]})
    return uid
