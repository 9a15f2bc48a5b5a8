"""Secrets of webhooks: rotated, and shown once."""

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.functions import Scope
from osgp.notifications import answers, endpoints
from osgp.notifications.api import serializers as documents
from osgp.notifications.api.views import NEEDS_SCOPE, TAG, UID, find_managed, with_keys
from osgp.notifications.endpoints import RotationFields
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import check_scope


class RotateSecretView(APIView):
    """POST /api/v1/notifications/endpoints/{uid}/rotate-secret/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="webhook_endpoint_rotate_secret",
        summary="Rotate the secret of a webhook endpoint",
        description="Make a new secret, which is not shown again. For a while notifications have signatures "
        f"of both. {NEEDS_SCOPE}",
        tags=TAG,
        parameters=[UID],
        request=RotationFields,
        responses={
            200: documents.WebhookSecretSerializer,
            **document_problems(400, 403, 404, examples={}),
        },
    )
    def post(self, request: HttpRequest, uid: str) -> Response:
        endpoint, caller = find_managed(request, uid), find_caller(request)
        secret = with_keys(
            lambda: endpoints.rotate_secret(
                caller.organisation, endpoint, request.data, by=caller.application
            )
        )
        return Response({"secret": secret})


class ResponseUrlSecretView(APIView):
    """GET and POST /api/v1/notifications/response-url-secret/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="response_url_secrets",
        summary="Secrets for the URLs of requests",
        description="When the secrets were made that sign notifications to the `response_url` of requests.",
        tags=TAG,
        responses={200: documents.WebhookSecretsSerializer, **document_problems(403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        return Response(answers.describe_secrets(find_caller(request).organisation))

    @extend_schema(
        operation_id="response_url_secret_rotate",
        summary="Make the secret for the URLs of requests",
        description="Make a new secret for the `response_url` of all requests of the organisation. It is not "
        f"shown again. For a while notifications have signatures of both. {NEEDS_SCOPE}",
        tags=TAG,
        request=RotationFields,
        responses={200: documents.WebhookSecretSerializer, **document_problems(400, 403, examples={})},
    )
    def post(self, request: HttpRequest) -> Response:
        caller = find_caller(request)
        check_scope(caller, Scope.NOTIFICATION)
        secret = with_keys(
            lambda: endpoints.rotate_secret(caller.organisation, None, request.data, by=caller.application)
        )
        return Response({"secret": secret})
