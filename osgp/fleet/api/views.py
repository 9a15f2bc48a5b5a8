"""An organisation's batches: submit, list, show, cancel, and send again to the failed devices."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.batches.models import Batch, BatchState, SkippedDevice
from osgp.faults import Component, Fault, FaultCode
from osgp.fleet import answers, steering
from osgp.fleet.api import serializers as documents
from osgp.fleet.api.permissions import check_scopes
from osgp.fleet.submission import MOST_ACTIONS_AT_ONCE, list_batches, submit
from osgp.messages.serializers import ChoiceField
from osgp.requests.api.idempotency import submit_once
from osgp.requests.api.messages import parse_uid
from osgp.requests.api.pages import (
    MessageNameField,
    PageQuery,
    build_next_page_link,
    fetch_numbered_page,
    fetch_page,
    validate_query,
)
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.problems import Conflict
from osgp.requests.api.schema import IDEMPOTENCY_KEY, document_problems

TAG = ["batches"]
UID = OpenApiParameter("uid", OpenApiTypes.UUID, OpenApiParameter.PATH)
_RELATED = ("group", "retry_of", "recurring")
_UNKNOWN = Fault(
    FaultCode.UNKNOWN_CORRELATION_UID, "There is no batch of this UID.", component=Component.WEB_SERVICE
)


class BatchQuery(PageQuery):
    """Filters of the list of batches."""

    message = MessageNameField(required=False)
    status = ChoiceField(BatchState, required=False)


_COLUMNS = {"message": "message", "status": "state"}


class BatchListView(APIView):
    """GET and POST /api/v1/requests/batch/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="batches",
        summary="Batches",
        description="The organisation's batches, latest first.",
        tags=TAG,
        parameters=[BatchQuery],
        responses={200: documents.BatchPageSerializer, **document_problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(BatchQuery, request.query_params)
        filters = {_COLUMNS[name]: value for name, value in query.items() if name in _COLUMNS}
        rows = list_batches(find_caller(request).organisation).select_related("group").filter(**filters)
        found, cursor = fetch_page(rows, query)
        body = {"results": [answers.summarize(row) for row in found]}
        return Response(body, headers=build_next_page_link(request, cursor))

    @extend_schema(
        operation_id="batch_submit",
        summary="Send a message to many devices",
        description="One message with its parameters for up to 10,000 devices, or for all devices of a "
        "group. A list with a device that cannot carry it out is refused with one error per such device "
        "(1,000 at most), unless `skip_invalid`. The requests of a list are stored at once, those of a group "
        "in the background.\n\n"
        "A Bundle sends several messages to each electricity meter, for one visit. Its actions are about the "
        f"meter itself. The requests of a list have {MOST_ACTIONS_AT_ONCE:,} actions in all at most.",
        tags=TAG,
        parameters=[IDEMPOTENCY_KEY],
        request=documents.make_body_serializer(),
        responses={
            202: OpenApiResponse(documents.BatchAcceptedSerializer, "Stored."),
            **document_problems(400, 403, 409, 422, examples={}),
        },
    )
    def post(self, request: HttpRequest) -> Response:
        caller = find_caller(request)
        batch = submit_once(request, caller.organisation, lambda: submit(caller, request.data))
        return _respond_accepted(batch)


class BatchView(APIView):
    """GET /api/v1/requests/batch/{uid}/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="batch",
        summary="A batch",
        description="Progress of a batch: its requests by state, and the failed ones by fault.",
        tags=TAG,
        parameters=[UID],
        responses={200: documents.BatchSerializer, **document_problems(403, 404, examples={404: _UNKNOWN})},
    )
    def get(self, request: HttpRequest, uid: str) -> Response:
        return Response(answers.describe(_find_batch(find_caller(request), uid)))


class SkippedView(APIView):
    """GET /api/v1/requests/batch/{uid}/skipped/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="batch_skipped",
        summary="Skipped devices of a batch",
        description="The devices that cannot carry out the message, each with the reason.",
        tags=TAG,
        parameters=[UID, PageQuery],
        responses={
            200: documents.SkippedPageSerializer,
            **document_problems(400, 403, 404, examples={404: _UNKNOWN}),
        },
    )
    def get(self, request: HttpRequest, uid: str) -> Response:
        query = validate_query(PageQuery, request.query_params)
        rows = SkippedDevice.objects.filter(batch=_find_batch(find_caller(request), uid))
        found, cursor = fetch_numbered_page(rows, query)
        body = {"results": [answers.describe_skipped(row) for row in found]}
        return Response(body, headers=build_next_page_link(request, cursor))


class CancelBatchView(APIView):
    """POST /api/v1/requests/batch/{uid}/cancel/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="batch_cancel",
        summary="Cancel a batch",
        description="Cancel the waiting requests of a batch, and make no more. Running requests are "
        "finished. Of a large batch the last ones are cancelled in the background. Repeating the call "
        "changes nothing. 409 when the batch was completed.",
        tags=TAG,
        parameters=[UID],
        request=None,
        responses={
            200: OpenApiResponse(documents.BatchSerializer, "Cancelled, or being cancelled."),
            **document_problems(403, 404, 409, examples={404: _UNKNOWN}),
        },
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        batch = _find_batch_to_steer(request, uid)
        try:
            steering.cancel(batch)
        except steering.NotInThisState as error:
            # A caller that missed the answer repeats the call, and gets the same answer.
            if _find_batch(find_caller(request), uid).state != BatchState.CANCELLED:
                raise Conflict(str(error)) from error
        return Response(answers.describe(_find_batch(find_caller(request), uid)))


class RetryFailedView(APIView):
    """POST /api/v1/requests/batch/{uid}/retry-failed/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="batch_retry_failed",
        summary="Send a batch to its failed devices again",
        description="A new batch with the same message for the devices whose requests failed, due now. 409 "
        "while the batch is not over, or when none failed.",
        tags=TAG,
        parameters=[UID, IDEMPOTENCY_KEY],
        request=None,
        responses={
            202: OpenApiResponse(documents.BatchAcceptedSerializer, "Stored."),
            **document_problems(400, 403, 404, 409, 422, examples={404: _UNKNOWN}),
        },
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        caller = find_caller(request)
        batch = _find_batch_to_steer(request, uid)

        def retry() -> Batch:
            try:
                return steering.retry_failed(caller, batch)
            except steering.NotInThisState as error:
                raise Conflict(str(error)) from error

        return _respond_accepted(submit_once(request, caller.organisation, retry))


def _respond_accepted(batch: Batch) -> Response:
    body: dict[str, Any] = answers.describe_accepted(batch)
    return Response(body, status=HTTPStatus.ACCEPTED, headers={"Location": body["url"]})


def _find_batch(caller: Caller, uid: str) -> Batch:
    """Raises Fault 405 for a batch of another organisation as for one that does not exist."""
    parsed = parse_uid(uid)
    rows = list_batches(caller.organisation).select_related(*_RELATED)
    batch = rows.filter(uid=parsed).first() if parsed else None
    if batch is None:
        raise Fault(_UNKNOWN.code, _UNKNOWN.message, component=_UNKNOWN.component)
    return batch


def _find_batch_to_steer(request: HttpRequest, uid: str) -> Batch:
    """Steering a batch needs the scopes that send its message."""
    caller = find_caller(request)
    batch = _find_batch(caller, uid)
    check_scopes(caller, batch)
    return batch
