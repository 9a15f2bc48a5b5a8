"""Deliveries of an endpoint: list them with their attempts, and send them again."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.messages.serializers import ChoiceField
from osgp.notifications import answers, replaying
from osgp.notifications.api import serializers as documents
from osgp.notifications.api.views import NEEDS_SCOPE, TAG, UID, find_endpoint, find_managed
from osgp.notifications.endpoints import NotPossible
from osgp.notifications.models import DeliveryState
from osgp.notifications.replaying import ReplayFields
from osgp.requests.api.pages import PageQuery, build_next_page_link, fetch_page, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.problems import Conflict
from osgp.requests.api.schema import document_problems

ID = OpenApiParameter("delivery_id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class DeliveryQuery(PageQuery):
    """Filters of the list of deliveries."""

    state = ChoiceField(DeliveryState, required=False)


class DeliveryListView(APIView):
    """GET /api/v1/notifications/endpoints/{uid}/deliveries/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="webhook_deliveries",
        summary="Deliveries of a webhook endpoint",
        description="Notifications to the endpoint with what came of each attempt, latest first.",
        tags=TAG,
        parameters=[UID, DeliveryQuery],
        responses={200: documents.DeliveryPageSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def get(self, request: HttpRequest, uid: str) -> Response:
        query = validate_query(DeliveryQuery, request.query_params)
        rows = find_endpoint(find_caller(request), uid).deliveries.all()
        if "state" in query:
            rows = rows.filter(state=query["state"])
        found, cursor = fetch_page(rows, query)
        body = {"results": [answers.describe_delivery(row) for row in found]}
        return Response(body, headers=build_next_page_link(request, cursor))


class ReplayOneView(APIView):
    """POST /api/v1/notifications/endpoints/{uid}/deliveries/{delivery_id}/replay/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="webhook_delivery_replay",
        summary="Send a notification again",
        description="With the same id, by a new schedule of attempts. 409 while it waits for an attempt. "
        + NEEDS_SCOPE,
        tags=TAG,
        parameters=[UID, ID],
        request=None,
        responses={200: documents.DeliverySerializer, **document_problems(403, 404, 409, examples={})},
    )
    def post(self, request: HttpRequest, uid: str, delivery_id: int) -> Response:
        endpoint = find_managed(request, uid)
        try:
            delivery = replaying.replay_one(endpoint, delivery_id)
        except NotPossible as error:
            raise Conflict(str(error)) from error
        if delivery is None:
            raise NotFound("The endpoint has no such delivery.")
        return Response(answers.describe_delivery(delivery))


class ReplayView(APIView):
    """POST /api/v1/notifications/endpoints/{uid}/replay/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="webhook_endpoint_replay",
        summary="Send notifications of a time again",
        description="With the same ids, by new schedules of attempts: 10,000 in a call, oldest first. "
        + NEEDS_SCOPE,
        tags=TAG,
        parameters=[UID],
        request=ReplayFields,
        responses={200: documents.ReplayedSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        endpoint = find_managed(request, uid)
        fields = ReplayFields(data=request.data)
        fields.is_valid(raise_exception=True)
        asked = fields.validated_data
        number = replaying.replay_all(endpoint, asked["from"], asked["until"], asked["states"])
        return Response({"replayed": number})
