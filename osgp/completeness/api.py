"""GET /api/v1/readings/missing/: missing values with reasons. POST …/fetch/: request them again."""

from datetime import date
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.accounts.rights import list_granted_devices
from osgp.completeness import missing
from osgp.completeness.gaps import MEANINGS, DeviceGaps, Gap, Reason
from osgp.completeness.models import AcceptedGap
from osgp.device_groups import groups
from osgp.devices.models import DeviceType
from osgp.messages.operation import Service
from osgp.messages.readings import Period
from osgp.messages.serializers import (
    CharField,
    ChoiceField,
    IntegerField,
    StrictSerializer,
    utc_text,
)
from osgp.networks.models import CommunicationNetwork
from osgp.readings.filters import MOST_DEVICES, find_known_devices
from osgp.readings.rights import READERS
from osgp.requests.api.pages import DEFAULT_PAGE_SIZE, PageQuery, build_next_page_link, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.api.serializers import FaultSerializer
from osgp.requests.submission import DeviceIdentificationField, check_scope

DEVICES_FETCHED = 1_000
"""Most devices that one call asks again."""


@extend_schema_field(OpenApiTypes.DATE)
class DayField(serializers.Field):
    """A day, ``2026-01-31``."""

    default_error_messages = {"day": "Must be a day, such as 2026-01-31, in the years 2000 to 2099."}

    def to_internal_value(self, data: Any) -> date:
        """Return the day of a JSON string."""
        try:
            day = date.fromisoformat(data) if isinstance(data, str) and len(data) == 10 else None
        except ValueError:
            day = None
        if day is None or not 2000 <= day.year <= 2099:
            self.fail("day")
        return day


class MissingFilter(StrictSerializer):
    """The devices and days whose values should exist."""

    period = ChoiceField(
        [str(period) for period in Period if period != Period.ACTUAL],
        required=False,
        help_text="Default: INTERVAL.",
    )
    from_ = DayField(required=False, help_text="First day, in each meter's time zone. Default: yesterday.")
    until = DayField(required=False, help_text="The day after the last one. Default: today (UTC).")
    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=MOST_DEVICES,
        help_text="May be repeated.",
    )
    group = CharField(required=False, max_length=64, help_text="Name of a device group.")
    network = CharField(required=False, max_length=40, help_text="Name of a communication network.")
    device_type = ChoiceField(DeviceType, required=False)
    reason = serializers.ListField(
        child=ChoiceField(Reason),
        required=False,
        max_length=len(Reason),
        help_text="Only gaps with this reason. May be repeated.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the days are in order and not too many; fills in the default days."""
        first, until = missing.get_default_days()
        attrs = {"from": min(first, attrs.get("until", until) - (until - first)), "until": until} | attrs
        if attrs["from"] >= attrs["until"]:
            raise ValidationError({"until": ["Must be after from."]})
        if attrs["until"] - attrs["from"] > missing.LONGEST_RANGE:
            raise ValidationError(
                {"from": [f"Must be {missing.LONGEST_RANGE.days} days before until at most."]}
            )
        return attrs


class MissingQuery(MissingFilter, PageQuery):
    """Filters and pages."""


class FetchBody(MissingFilter):
    """Filters, and where an earlier call ended."""

    cursor = IntegerField(
        required=False, min_value=0, help_text="From the answer to an earlier call with the same filters."
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
    """What was requested again."""

    devices = serializers.IntegerField(min_value=0, help_text="Devices that are asked again.")
    requests = serializers.IntegerField(min_value=0, help_text="Requests made for them.")
    pending = serializers.IntegerField(min_value=0, help_text="Gaps for which a request was pending already.")
    settled = serializers.IntegerField(
        min_value=0,
        help_text="Gaps that are not asked for: the meter has answered without them, or they were accepted.",
    )
    cursor = serializers.IntegerField(
        allow_null=True, help_text="For the next call; null when all devices were examined."
    )


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
        description="Ask the meters for what is missing, for exactly those ranges: PeriodicMeterReads or "
        f"PeriodicMeterReadsGas, devices with the same gap in one batch. Looks at {DEVICES_FETCHED} devices "
        "with gaps; `cursor` leads on. What a pending request already asks for is not requested again: "
        "repeating the call does no harm. Nor is what a meter has answered without (NOT_DELIVERED, "
        "POWER_FAILURE) or what was accepted.",
        tags=["readings"],
        request=FetchBody,
        responses={
            202: OpenApiResponse(FetchedSerializer, "Requests were stored."),
            **document_problems(400, 403, 404, examples={}),
        },
    )
    def post(self, request: HttpRequest) -> Response:
        caller = find_caller(request)
        check_scope(caller, Service.MONITORING)
        given = FetchBody(data=request.data)
        given.is_valid(raise_exception=True)
        question = make_question(caller, given.validated_data)
        page = missing.find_missing(question, DEVICES_FETCHED, given.validated_data.get("cursor", 0))
        fetched = missing.fetch(caller, question, page.found)
        answer = {
            "devices": fetched.devices,
            "requests": fetched.requests,
            "pending": fetched.pending,
            "settled": fetched.settled,
            "cursor": page.cursor,
        }
        return Response(answer, status=202)


def make_question(caller: Caller, query: dict[str, Any]) -> missing.Question:
    """Return the question of validated filters. Raises Fault 201, or ValidationError for an unknown group."""
    organisation = caller.organisation
    devices = list_granted_devices(organisation, READERS)
    if "device" in query:
        find_known_devices(devices, query["device"])
    group = network = None
    if "group" in query:
        group = groups.find_group(organisation, query["group"])
        if group is None:
            raise ValidationError({"group": ["There is no such group."]})
    if "network" in query:
        network = CommunicationNetwork.objects.filter(name=query["network"]).first()
        if network is None:
            raise ValidationError({"network": ["There is no such network."]})
    devices = missing.narrow_devices(
        devices,
        identifications=query.get("device", ()),
        group=group,
        network=network,
        device_type=query.get("device_type"),
    )
    period = query.get("period", str(Period.INTERVAL))
    reasons = frozenset(Reason(reason) for reason in query.get("reason", ()))
    return missing.Question(devices, period, query["from"], query["until"], reasons)


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
