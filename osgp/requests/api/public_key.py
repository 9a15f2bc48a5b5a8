"""The key under which callers encrypt the device keys that they send."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.devices.transport_keys import export_public_key
from osgp.requests.api.schema import document_problems

ALGORITHM = "RSA-OAEP"


class PublicKeySerializer(serializers.Serializer):
    """The platform's public key."""

    public_key = serializers.CharField(help_text="PEM.")
    algorithm = serializers.ChoiceField(choices=[ALGORITHM])


class PublicKeyView(APIView):
    """GET /api/v1/configuration/public-key/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="public_key",
        summary="The platform's public key",
        description="Encrypt device keys in requests with it, by RSA-OAEP with SHA-256 or SHA-1, and encode "
        "them in base64.",
        tags=["configuration"],
        responses={200: PublicKeySerializer, **document_problems()},
    )
    def get(self, request: HttpRequest) -> Response:
        return Response({"public_key": export_public_key(), "algorithm": ALGORITHM})
