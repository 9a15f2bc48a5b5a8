"""POST /api/v1/readings/missing/accept/: missing values that do no harm, and why."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.completeness import accepting, missing
from osgp.completeness.filters import MissingFilter
from osgp.completeness.models import LONGEST_COMMENT
from osgp.completeness.selections import make_question
from osgp.messages.operation import Service
from osgp.messages.serializers import BooleanField, CharField, IntegerField
from osgp.requests.api.permissions import find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import check_scope

DEVICES_ACCEPTED = 1_000
"""Most devices with gaps that one call looks at."""


class AcceptGapsBody(MissingFilter):
    """Filters, where an earlier call ended, and why nothing is missing."""

    cursor = IntegerField(
        required=False, min_value=0, help_text="From the answer to an earlier call with the same filters."
    )
    accepted = BooleanField(default=True, help_text="false: take back what was accepted.")
    comment = CharField(
        required=False,
        max_length=LONGEST_COMMENT,
        trim_whitespace=True,  # Blanks are no comment.
        help_text="Why nothing is missing; needed unless accepted is false.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is a comment, or nothing to comment."""
        attrs = super().validate(attrs)
        if attrs["accepted"] and not attrs.get("comment"):
            raise ValidationError({"comment": ["Needed to accept gaps."]})
        if not attrs["accepted"] and "comment" in attrs:
            raise ValidationError({"comment": ["Not kept when gaps are taken back."]})
        return attrs


class AcceptedGapsSerializer(serializers.Serializer):
    """What was accepted, or taken back."""

    devices = serializers.IntegerField(min_value=0, help_text="Devices whose gaps these are.")
    gaps = serializers.IntegerField(min_value=0, help_text="Gaps that were accepted, or taken back.")
    pending = serializers.IntegerField(
        min_value=0, help_text="Gaps that are not accepted because a request for them is pending."
    )
    cursor = serializers.IntegerField(
        allow_null=True, help_text="For the next call; null when all devices were examined."
    )


class AcceptView(APIView):
    """POST /api/v1/readings/missing/accept/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="readings_missing_accept",
        summary="Accept missing readings",
        description="Say why it does no harm that readings are missing. These gaps are not asked for any "
        "more, and stay in the list with who accepted them and why; what is being fetched is left out. With "
        "`accepted` false, gaps that were accepted count as missing again: whole ones, also beyond the given "
        f"days. Looks at {DEVICES_ACCEPTED} devices with gaps; `cursor` leads on.",
        tags=["readings"],
        request=AcceptGapsBody,
        responses={200: AcceptedGapsSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def post(self, request: HttpRequest) -> Response:
        caller = find_caller(request)
        check_scope(caller, Service.MONITORING)
        given = AcceptGapsBody(data=request.data)
        given.is_valid(raise_exception=True)
        body = given.validated_data
        question = make_question(caller, body)
        page = missing.find_missing(question, DEVICES_ACCEPTED, body.get("cursor", 0))
        if body["accepted"]:
            outcome = accepting.accept(caller, question, page.found, body["comment"])
        else:
            outcome = accepting.take_back(question, page.found)
        return Response(
            {
                "devices": outcome.devices,
                "gaps": outcome.gaps,
                "pending": outcome.pending,
                "cursor": page.cursor,
            }
        )
