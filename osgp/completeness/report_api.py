"""GET /api/v1/readings/completeness/: how complete days are, by organisation, network, profile or group."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.completeness.filters import DayField
from osgp.completeness.gaps import MEANINGS
from osgp.completeness.missing import get_default_days
from osgp.completeness.reports import By, ReportRow, compute_share, read_counted_until, read_report
from osgp.device_groups.models import DeviceGroup
from osgp.messages.readings import Period
from osgp.messages.serializers import ChoiceField, StrictSerializer, utc_text
from osgp.readings.calendar import DAY
from osgp.requests.api.pages import DEFAULT_PAGE_SIZE, PageQuery, build_next_page_link, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems

LONGEST_RANGE = timedelta(days=62)


class CompletenessQuery(StrictSerializer):
    """Which days, and how they are split."""

    period = ChoiceField(
        [str(period) for period in Period if period != Period.ACTUAL],
        required=False,
        help_text="Default: INTERVAL.",
    )
    from_ = DayField(required=False, help_text="First day, of each meter's calendar. Default: yesterday.")
    until = DayField(required=False, help_text="The day after the last one. Default: today (UTC).")
    by = ChoiceField([str(each) for each in By], required=False, help_text="Default: organisation.")
    page_size = PageQuery().fields["page_size"]
    cursor = DayField(required=False, help_text='From the Link header with rel="next".')

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that the days are in order and not too many; fills in the default days."""
        first, until = get_default_days()
        attrs = {"from": min(first, attrs.get("until", until) - (until - first)), "until": until} | attrs
        if attrs["from"] >= attrs["until"]:
            raise ValidationError({"until": ["Must be after from."]})
        if attrs["until"] - attrs["from"] > LONGEST_RANGE:
            raise ValidationError({"from": [f"Must be {LONGEST_RANGE.days} days before until at most."]})
        return attrs


class IntervalsSerializer(serializers.Serializer):
    """Intervals of all meters together."""

    expected = serializers.IntegerField(min_value=0)
    received = serializers.IntegerField(min_value=0, help_text="All values of the interval are stored.")
    late = serializers.IntegerField(min_value=0, help_text="Of those received.")
    missing = serializers.IntegerField(min_value=0)
    reasons = serializers.DictField(
        child=serializers.IntegerField(min_value=1),
        help_text="Missing ones. " + " ".join(f"{reason}: {meaning}" for reason, meaning in MEANINGS.items()),
    )


class MetersSerializer(serializers.Serializer):
    """Meters of which values are expected."""

    expected = serializers.IntegerField(min_value=0)
    complete = serializers.IntegerField(min_value=0, help_text="They lack nothing.")


class CompletenessRowSerializer(serializers.Serializer):
    """How complete one day is."""

    day = serializers.DateField(help_text="Of each meter's calendar; of MONTHLY the last one of the month.")
    name = serializers.CharField(
        allow_null=True, help_text="Of the organisation, network, profile or group; null: without a network."
    )
    meters = MetersSerializer()
    intervals = IntervalsSerializer()
    completeness = serializers.DecimalField(
        max_digits=5, decimal_places=4, help_text="Received of expected intervals, 0 to 1, rounded down."
    )


class CompletenessSerializer(serializers.Serializer):
    """Days; the Link header with rel="next" leads on."""

    as_of = serializers.DateTimeField(allow_null=True, help_text="Readings up to then are counted.")
    results = CompletenessRowSerializer(many=True)


class CompletenessView(APIView):
    """GET /api/v1/readings/completeness/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="readings_completeness",
        summary="Completeness of days",
        description="Of how many meters and intervals values were expected, received, received late, and are "
        "missing for which reasons: kept up as readings come. A meter's first day counts from its "
        "installation or its first value on. Days begin to be counted when they have ended where the meter "
        "is. A page has whole days.",
        tags=["readings"],
        parameters=[CompletenessQuery],
        responses={
            200: OpenApiResponse(CompletenessSerializer),
            **document_problems(400, 403, examples={}),
        },
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(CompletenessQuery, request.query_params)
        organisation = find_caller(request).organisation
        by = By(query.get("by", By.ORGANISATION))
        first, until = max(query["from"], query.get("cursor", query["from"])), query["until"]
        number = DeviceGroup.objects.filter(organisation=organisation).count() if by == By.GROUP else 1
        size = query.get("page_size", DEFAULT_PAGE_SIZE)
        behind = min(until, first + max(1, size // max(1, number)) * DAY)
        days = [first + place * DAY for place in range((behind - first).days)]
        rows = read_report(organisation, by, query.get("period", str(Period.INTERVAL)), days)
        counted_until = read_counted_until()
        return Response(
            {
                "as_of": utc_text(counted_until) if counted_until else None,
                "results": [describe_row(row) for row in rows],
            },
            headers=build_next_page_link(request, behind.isoformat() if behind < until else None),
        )


def describe_row(row: ReportRow) -> dict[str, Any]:
    """Return a row of a report as JSON."""
    total = row.total
    return {
        "day": row.day.isoformat(),
        "name": row.name or None,
        "meters": {"expected": total.meters, "complete": total.complete},
        "intervals": {
            "expected": total.expected,
            "received": total.received,
            "late": total.late,
            "missing": total.missing_number,
            "reasons": dict(total.missing),
        },
        "completeness": str(compute_share(total.received, total.expected)),
    }
