"""GET /api/v1/readings/missing/: missing values with reasons. POST …/fetch/: request them again."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.completeness import fetching, missing
from osgp.completeness.fetching import describe_fetched
from osgp.completeness.filters import MissingFilter
from osgp.completeness.gaps import MEANINGS, DeviceGaps, Gap, Reason
from osgp.completeness.models import AcceptedGap
from osgp.completeness.selections import make_question, make_selection
from osgp.devices.models import DeviceType
from osgp.fleet.api.serializers import BatchSummarySerializer
from osgp.messages.operation import Service
from osgp.messages.serializers import IntegerField, utc_text
from osgp.requests.api.pages import DEFAULT_PAGE_SIZE, PageQuery, build_next_page_link, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.api.serializers import FaultSerializer
from osgp.requests.submission import check_scope


class MissingQuery(MissingFilter, PageQuery):
    """Filters and pages."""


class FetchBody(MissingFilter):
    """Filters."""

    cursor = IntegerField(
        required=False, min_value=0, help_text="Not needed any more: one call fetches everything."
    )


class AcceptanceSerializer(serializers.Serializer):
    """Who accepted a gap, and why."""

    comment = serializers.CharField()
    organisation = serializers.CharField(help_text="Identification of the organisation that accepted it.")
    accepted_by = serializers.CharField(help_text="Its application; admin/… is a user of the admin.")
    accepted_at = serializers.DateTimeField()


class GapSerializer(serializers.Serializer):
    """A range of missing intervals."""

    first_interval_end = serializers.DateTimeField()
    last_interval_end = serializers.DateTimeField()
    count = serializers.IntegerField(min_value=1, help_text="Missing intervals.")
    quantities = serializers.ListField(
        child=serializers.CharField(), help_text="OBIS codes; empty if none was ever read."
    )
    held = serializers.BooleanField(help_text="Whether the meter's buffer still holds it: it can be fetched.")
    reason = serializers.ChoiceField(
        choices=[str(reason) for reason in Reason],
        help_text=" ".join(f"{reason}: {meaning}" for reason, meaning in MEANINGS.items()),
    )
    fault = FaultSerializer(allow_null=True)
    correlation_uid = serializers.UUIDField(
        allow_null=True, help_text="The request that the reason is about."
    )
    unreachable_since = serializers.DateTimeField(
        allow_null=True, help_text="UNREACHABLE: when the meter was last reached."
    )
    acceptance = AcceptanceSerializer(allow_null=True, help_text="ACCEPTED: by whom and why.")


class MissingSerializer(serializers.Serializer):
    """The gaps of a device."""

    device_identification = serializers.CharField()
    device_type = serializers.ChoiceField(choices=DeviceType.values)
    missing_since = serializers.DateTimeField(help_text="End of the first missing interval.")
    count = serializers.IntegerField(min_value=1, help_text="Missing intervals.")
    gaps = GapSerializer(many=True)


class MissingPageSerializer(serializers.Serializer):
    """Devices that lack values; the Link header with rel="next" leads on."""

    results = MissingSerializer(many=True)


class FetchedSerializer(serializers.Serializer):
    """What fetches it. Numbers are null if so many devices lack values that they are looked at later."""

    batches = BatchSummarySerializer(
        many=True,
        help_text="One for electricity and one for M-Bus meters. Those of an earlier call with the same "
        "filters, as long as they are not over. Empty: nothing is worth asking for.",
    )
    devices = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="Devices that new batches ask."
    )
    requests = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="Requests that are made for them: one each."
    )
    pending = serializers.IntegerField(
        min_value=0, allow_null=True, help_text="Gaps for which a request was pending already."
    )
    settled = serializers.IntegerField(
        min_value=0,
        allow_null=True,
        help_text="Gaps that are not asked for: the meter has answered without them, or they were accepted.",
    )
    cursor = serializers.IntegerField(allow_null=True, help_text="Always null: no call has to follow.")


class MissingView(APIView):
    """GET /api/v1/readings/missing/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="readings_missing",
        summary="Missing readings",
        description="Which meters lack which values, since when and why. Days are whole days of each "
        "meter's time zone. A page may be shorter than asked for and still have a next one.",
        tags=["readings"],
        parameters=[MissingQuery],
        responses={200: MissingPageSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(MissingQuery, request.query_params, repeatable=("device", "reason"))
        after = _parse_cursor(query["cursor"]) if "cursor" in query else 0
        question = make_question(find_caller(request), query)
        page = missing.find_missing(question, query.get("page_size", DEFAULT_PAGE_SIZE), after)
        cursor = None if page.cursor is None else str(page.cursor)
        return Response(
            {"results": [describe_gaps(device) for device in page.found]},
            headers=build_next_page_link(request, cursor),
        )


class FetchView(APIView):
    """POST /api/v1/readings/missing/fetch/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="readings_missing_fetch",
        summary="Fetch missing readings",
        description="Ask all meters that the filters find for what is missing, however many they are: one "
        "batch of PeriodicMeterReads, one of PeriodicMeterReadsGas. Their requests are made in the "
        "background; the `url` of each tells its progress. A meter reads from the first to the last value "
        "that is missing on these days and that its buffer still holds. What a pending request already asks "
        "for is not requested again: repeating the call does no harm. Nor is what a meter has answered "
        "without (NOT_DELIVERED, POWER_FAILURE) or what was accepted. With `reason`, meters are asked that "
        "have a gap with it.",
        tags=["readings"],
        request=FetchBody,
        responses={
            202: OpenApiResponse(FetchedSerializer, "Batches were stored."),
            **document_problems(400, 403, 404, examples={}),
        },
    )
    def post(self, request: HttpRequest) -> Response:
        caller = find_caller(request)
        check_scope(caller, Service.MONITORING)
        given = FetchBody(data=request.data)
        given.is_valid(raise_exception=True)
        fetched = fetching.fetch(caller, make_selection(caller, given.validated_data))
        return Response(describe_fetched(fetched), status=202)


def describe_gaps(found: DeviceGaps) -> dict[str, Any]:
    """Return a device with its gaps as JSON."""
    return {
        "device_identification": found.device.identification,
        "device_type": found.device.device_type,
        "missing_since": utc_text(found.since),
        "count": found.count,
        "gaps": [_describe_gap(gap) for gap in found.gaps],
    }


def _describe_gap(gap: Gap) -> dict[str, Any]:
    return {
        "first_interval_end": utc_text(gap.first),
        "last_interval_end": utc_text(gap.last),
        "count": gap.count,
        "quantities": gap.quantities,
        "held": gap.is_held,
        "reason": str(gap.reason),
        "fault": gap.fault,
        "correlation_uid": str(gap.correlation_uid) if gap.correlation_uid else None,
        "unreachable_since": utc_text(gap.since) if gap.since else None,
        "acceptance": _describe_acceptance(gap.acceptance) if gap.acceptance else None,
    }


def _describe_acceptance(acceptance: AcceptedGap) -> dict[str, Any]:
    return {
        "comment": acceptance.comment,
        "organisation": acceptance.organisation.identification,
        "accepted_by": acceptance.accepted_by,
        "accepted_at": utc_text(acceptance.accepted_at),
    }


def _parse_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise ValidationError({"cursor": ["Must come from a Link header."]})
    return int(cursor)
