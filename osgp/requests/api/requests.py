"""An organisation's requests, whatever their message: list them, and cancel one that still waits."""

import uuid

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.faults import Component, Fault, FaultCode
from osgp.messages.serializers import CharField, ChoiceField, DateTimeField
from osgp.requests import states
from osgp.requests.answers import listed
from osgp.requests.api.messages import parsed_uid
from osgp.requests.api.pages import MessageNameField, PageQuery, next_page_link, page, validated_query
from osgp.requests.api.permissions import MayRead, caller_of, scope_of
from osgp.requests.api.problems import Conflict
from osgp.requests.api.schema import problems
from osgp.requests.api.serializers import ListedRequestSerializer, RequestPageSerializer
from osgp.requests.models import RequestState
from osgp.requests.queries import of_batch, requests_of
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
        responses={200: RequestPageSerializer, **problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validated_query(RequestQuery, request.query_params)
        filters = {_COLUMNS[name]: value for name, value in query.items() if name in _COLUMNS}
        rows = requests_of(caller_of(request).organisation).filter(**filters)
        if "batch" in query:
            rows = of_batch(rows, _batch_uid(query["batch"]))
        found, cursor = page(rows, query)
        return Response({"results": [listed(row) for row in found]}, headers=next_page_link(request, cursor))


class CancelView(APIView):
    """POST /api/v1/requests/{correlation_uid}/cancel/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="request_cancel",
        summary="Cancel a request",
        description="Cancel a request that waits; saying so once more changes nothing. One that is running "
        "or has ended in another way is left alone: 409.",
        tags=["requests"],
        parameters=[],
        request=None,
        responses={
            200: OpenApiResponse(ListedRequestSerializer, "Cancelled."),
            **problems(403, 404, 409, examples={}),
        },
    )
    def post(self, request: HttpRequest, correlation_uid: uuid.UUID | str) -> Response:
        caller = caller_of(request)
        rows = requests_of(caller.organisation)
        uid = parsed_uid(correlation_uid)
        found = rows.filter(correlation_uid=uid).first() if uid else None
        if found is None:
            raise Fault(
                FaultCode.UNKNOWN_CORRELATION_UID,
                "There is no request of this correlation UID.",
                component=Component.WEB_SERVICE,
            )
        check_scope(caller, scope_of(found.message))
        states.cancel(found.pk)
        # Whoever did not get the answer sends it once more, and gets the same one.
        cancelled = rows.filter(pk=found.pk, state=RequestState.CANCELLED).first()
        if cancelled is None:
            raise Conflict("The request is running or final.")
        return Response(listed(cancelled))


def _batch_uid(text: str) -> uuid.UUID:
    uid = parsed_uid(text)
    if uid is None:
        raise ValidationError({"batch": ["Must be a UUID."]})
    return uid
