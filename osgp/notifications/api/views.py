"""An organisation's webhook endpoints: register, list, show, change, delete, test, pause and resume."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.notifications import answers, endpoints
from osgp.notifications.api import serializers as documents
from osgp.notifications.models import Endpoint
from osgp.requests.api.messages import parse_uid
from osgp.requests.api.pages import PageQuery, build_next_page_link, fetch_page, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.problems import Conflict
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import check_scope

TAG = ["notifications"]
UID = OpenApiParameter("uid", OpenApiTypes.UUID, OpenApiParameter.PATH)
NEEDS_SCOPE = "Needs the scope `notification`."


class Unavailable(APIException):
    """503: not set up here."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"


class EndpointListView(APIView):
    """GET and POST /api/v1/notifications/endpoints/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="webhook_endpoints",
        summary="Webhook endpoints",
        description="The endpoints that the organisation registered, latest first.",
        tags=TAG,
        parameters=[PageQuery],
        responses={
            200: documents.WebhookEndpointPageSerializer,
            **document_problems(400, 403, examples={}),
        },
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(PageQuery, request.query_params)
        rows = endpoints.list_endpoints(find_caller(request).organisation)
        found, cursor = fetch_page(rows, query)
        body = {"results": [answers.describe_endpoint(row) for row in found]}
        return Response(body, headers=build_next_page_link(request, cursor))

    @extend_schema(
        operation_id="webhook_endpoint_register",
        summary="Register a webhook endpoint",
        description="Notifications of what happens from now on are posted to it, signed as Standard Webhooks "
        f"has it. The answer shows the secret, which is not shown again. {NEEDS_SCOPE}",
        tags=TAG,
        request=documents.WebhookEndpointBodySerializer,
        responses={
            201: OpenApiResponse(documents.NewWebhookEndpointSerializer, "Registered."),
            **document_problems(400, 403, examples={}),
        },
    )
    def post(self, request: HttpRequest) -> Response:
        caller = _find_manager(request)
        endpoint, secret = with_keys(
            lambda: endpoints.register(caller.organisation, request.data, by=caller.application)
        )
        body = answers.describe_new_endpoint(endpoint, secret)
        return Response(body, status=HTTPStatus.CREATED, headers={"Location": body["resource"]})


class EndpointView(APIView):
    """GET, PATCH and DELETE /api/v1/notifications/endpoints/{uid}/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="webhook_endpoint",
        summary="A webhook endpoint",
        description="An endpoint and its health.",
        tags=TAG,
        parameters=[UID],
        responses={200: documents.WebhookEndpointSerializer, **document_problems(403, 404, examples={})},
    )
    def get(self, request: HttpRequest, uid: str) -> Response:
        return Response(answers.describe_endpoint(find_endpoint(find_caller(request), uid)))

    @extend_schema(
        operation_id="webhook_endpoint_change",
        summary="Change a webhook endpoint",
        description="Change the fields that are given. Deliveries that wait go to a new URL as well. "
        + NEEDS_SCOPE,
        tags=TAG,
        parameters=[UID],
        request=documents.WebhookEndpointBodySerializer(partial=True),
        responses={
            200: documents.WebhookEndpointSerializer,
            **document_problems(400, 403, 404, examples={}),
        },
    )
    def patch(self, request: HttpRequest, uid: str) -> Response:
        endpoint = find_managed(request, uid)
        return Response(answers.describe_endpoint(endpoints.change(endpoint, request.data)))

    @extend_schema(
        operation_id="webhook_endpoint_delete",
        summary="Delete a webhook endpoint",
        description=f"Nothing is sent to it any more; deliveries that wait are cancelled. {NEEDS_SCOPE}",
        tags=TAG,
        parameters=[UID],
        responses={
            204: OpenApiResponse(description="Deleted."),
            **document_problems(403, 404, examples={}),
        },
    )
    def delete(self, request: HttpRequest, uid: str) -> Response:
        endpoints.delete(find_managed(request, uid))
        return Response(status=HTTPStatus.NO_CONTENT)


class PauseView(APIView):
    """POST /api/v1/notifications/endpoints/{uid}/pause/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="webhook_endpoint_pause",
        summary="Pause a webhook endpoint",
        description="Send nothing until it is resumed; deliveries wait, no longer than results are kept. "
        f"Repeating the call changes nothing. {NEEDS_SCOPE}",
        tags=TAG,
        parameters=[UID],
        request=None,
        responses={200: documents.WebhookEndpointSerializer, **document_problems(403, 404, examples={})},
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        return Response(answers.describe_endpoint(endpoints.pause(find_managed(request, uid))))


class ResumeView(APIView):
    """POST /api/v1/notifications/endpoints/{uid}/resume/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="webhook_endpoint_resume",
        summary="Resume a webhook endpoint",
        description="Send again, what waits first, also to an endpoint that answered 410. Repeating the call "
        f"changes nothing. {NEEDS_SCOPE}",
        tags=TAG,
        parameters=[UID],
        request=None,
        responses={200: documents.WebhookEndpointSerializer, **document_problems(403, 404, examples={})},
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        return Response(answers.describe_endpoint(endpoints.resume(find_managed(request, uid))))


class TestView(APIView):
    """POST /api/v1/notifications/endpoints/{uid}/test/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="webhook_endpoint_test",
        summary="Test a webhook endpoint",
        description="Send a notification of the type `webhook.test` at once, in one attempt. What came of it "
        f"is in the deliveries of the endpoint. 409 while it is paused. {NEEDS_SCOPE}",
        tags=TAG,
        parameters=[UID],
        request=None,
        responses={202: documents.DeliverySerializer, **document_problems(403, 404, 409, examples={})},
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        try:
            delivery = endpoints.send_test(find_managed(request, uid))
        except endpoints.NotPossible as error:
            raise Conflict(str(error)) from error
        return Response(answers.describe_delivery(delivery), status=HTTPStatus.ACCEPTED)


def find_endpoint(caller: Caller, uid: str) -> Endpoint:
    """Return an endpoint of the caller. Raises NotFound for those of others as for none."""
    parsed = parse_uid(uid)
    endpoint = endpoints.find_endpoint(caller.organisation, parsed) if parsed else None
    if endpoint is None:
        raise NotFound("There is no endpoint of this UID.")
    return endpoint


def find_managed(request: HttpRequest, uid: str) -> Endpoint:
    """Return an endpoint that the caller may change. Raises NotFound, or Fault 301 without the scope."""
    return find_endpoint(_find_manager(request), uid)


def with_keys(call: Callable[[], Any]) -> Any:
    """Return what ``call`` does. Raises Unavailable where there are no keys for secrets."""
    try:
        return call()
    except endpoints.NoKeys as error:
        raise Unavailable(str(error)) from error


def _find_manager(request: HttpRequest) -> Caller:
    caller = find_caller(request)
    check_scope(caller, Scope.NOTIFICATION)
    return caller
