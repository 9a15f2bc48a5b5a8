"""The public keys of an organisation's applications, which an administrator registers and removes."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.application_keys import (
    LARGEST_KEY_BITS,
    LONGEST_TEXT,
    SMALLEST_KEY_BITS,
    NotAPublicKey,
    find_key,
)
from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.accounts.models import ApplicationKey
from osgp.management.application_keys import register_key, remove_key
from osgp.messages.serializers import CharField, StrictSerializer, utc_text
from osgp.requests.api.permissions import find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import check_scope

NAME = OpenApiParameter(
    "name",
    str,
    OpenApiParameter.PATH,
    description="The application, as its tokens name it; 1 to 40 characters.",
)


class ApplicationName(serializers.Serializer):
    """The part of the URL that names the application."""

    name = CharField(max_length=40)


class NewKeySerializer(StrictSerializer):
    """The public key to register."""

    public_key = CharField(
        max_length=LONGEST_TEXT,
        help_text=f"RSA, {SMALLEST_KEY_BITS} to {LARGEST_KEY_BITS} bits, PEM: -----BEGIN PUBLIC KEY----- …",
    )


class ApplicationKeySerializer(serializers.Serializer):
    """The public key of an application."""

    application = serializers.CharField()
    public_key = serializers.CharField(help_text="PEM (X.509 SubjectPublicKeyInfo).")
    fingerprint = serializers.CharField(
        help_text="SHA-256 of the SubjectPublicKeyInfo in DER, in 64 hexadecimal digits."
    )
    registered_at = serializers.DateTimeField()
    registered_by = serializers.CharField(help_text="The application or the person that registered it.")


class ApplicationKeyView(APIView):
    """PUT, GET and DELETE /api/v1/applications/{name}/public-key/, for tokens with the scope ``admin``"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="application_key",
        summary="Public key of an application",
        description="The public key under which GetKeys hands out keys to an application of the "
        "organisation. Needs the scope `admin`.",
        tags=["management"],
        parameters=[NAME],
        responses={200: ApplicationKeySerializer, **document_problems(400, 403, 404, examples={})},
    )
    def get(self, request: HttpRequest, name: str) -> Response:
        caller = _check_administrator(request, name)
        row = find_key(caller.organisation, name)
        if row is None:
            raise _make_not_found()
        return Response(_describe(row))

    @extend_schema(
        operation_id="register_application_key",
        summary="Register the public key of an application",
        description="From now on GetKeys encrypts keys for this application with it, by RSA-OAEP with "
        "SHA-256. A former public key is replaced; the audit trail keeps its fingerprint. A private key is "
        "refused and not kept. Needs the scope `admin`.",
        tags=["management"],
        parameters=[NAME],
        request=NewKeySerializer,
        responses={
            200: OpenApiResponse(ApplicationKeySerializer, "It took the place of another one, or was there."),
            201: OpenApiResponse(ApplicationKeySerializer, "The application had none."),
            **document_problems(400, 403, examples={}),
        },
    )
    def put(self, request: HttpRequest, name: str) -> Response:
        caller = _check_administrator(request, name)
        body = NewKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        text = body.validated_data["public_key"]
        try:
            row, is_new = register_key(caller.organisation, name, text, by=caller.application)
        except NotAPublicKey as error:
            # Without its cause: nothing of a private key may get into a log.
            raise ValidationError({"public_key": [str(error)]}) from None
        return Response(_describe(row), status=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @extend_schema(
        operation_id="remove_application_key",
        summary="Remove the public key of an application",
        description="No keys are handed out to it until another one is registered. Needs the scope `admin`.",
        tags=["management"],
        parameters=[NAME],
        responses={204: None, **document_problems(400, 403, 404, examples={})},
    )
    def delete(self, request: HttpRequest, name: str) -> Response:
        caller = _check_administrator(request, name)
        if not remove_key(caller.organisation, name, by=caller.application):
            raise _make_not_found()
        return Response(status=HTTPStatus.NO_CONTENT)


def _check_administrator(request: HttpRequest, name: str) -> Caller:
    """Return the caller. Raises Fault 301 without the scope, ValidationError for a bad name."""
    caller = find_caller(request)
    check_scope(caller, Scope.ADMIN)
    ApplicationName(data={"name": name}).is_valid(raise_exception=True)
    return caller


def _make_not_found() -> NotFound:
    return NotFound("No public key is registered for this application.")


def _describe(row: ApplicationKey) -> dict[str, Any]:
    return {
        "application": row.application,
        "public_key": row.public_key,
        "fingerprint": row.fingerprint,
        "registered_at": utc_text(row.registered_at),
        "registered_by": row.registered_by,
    }
