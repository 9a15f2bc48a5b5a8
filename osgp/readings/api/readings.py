"""GET /api/v1/readings/: readings in pages of JSON, or as CSV or Parquet."""

import base64
from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.audit.exports import tell_export
from osgp.cosem.amr_status import list_flag_names
from osgp.messages.readings import Period
from osgp.messages.serializers import ChoiceField, utc_text
from osgp.readings import export
from osgp.readings.api.formats import (
    CSV,
    FORMATS,
    PARQUET,
    CsvRenderer,
    FormatNegotiation,
    ParquetRenderer,
)
from osgp.readings.filters import ReadingsFilter, make_selection
from osgp.readings.queries import Position, Provenance, Reading, read_readings
from osgp.requests.api.pages import DEFAULT_PAGE_SIZE, PageQuery, build_next_page_link, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems


class ReadingsQuery(ReadingsFilter, PageQuery):
    """Filters, pages and format of readings."""

    format = ChoiceField(list(FORMATS), required=False, help_text="Default: what Accept asks for, or json.")


REPEATABLE = ("device", "quantity", "period")


class ClaimSerializer(serializers.Serializer):
    """What a meter said about an interval."""

    value = serializers.CharField(help_text="Decimal, exact.")
    status = serializers.ListField(
        child=serializers.ChoiceField(choices=list_flag_names()),
        allow_null=True,
        help_text="Flags of the AMR profile status; null when the meter keeps none with this value.",
    )
    received_at = serializers.DateTimeField(allow_null=True, help_text="When the value was first received.")
    received_by = serializers.UUIDField(allow_null=True, help_text="Correlation UID of that request.")
    confirmed_at = serializers.DateTimeField(allow_null=True, help_text="When the value was last received.")


class ReadingSerializer(ClaimSerializer):
    """One value of one quantity."""

    device_identification = serializers.CharField()
    channel = serializers.IntegerField(allow_null=True, min_value=1, max_value=4)
    quantity = serializers.CharField(help_text="OBIS code.")
    name = serializers.CharField(allow_null=True, help_text="Name of the quantity in the device's profile.")
    period = serializers.ChoiceField(choices=[str(period) for period in Period])
    interval_end = serializers.DateTimeField()
    unit = serializers.CharField()
    late = serializers.BooleanField()
    former = ClaimSerializer(many=True, help_text="What the meter said at other times, earliest first.")


class ReadingPageSerializer(serializers.Serializer):
    """Readings by series and interval end; the Link header with rel="next" leads on."""

    results = ReadingSerializer(many=True)


class ReadingsView(APIView):
    """GET /api/v1/readings/"""

    permission_classes = [IsAuthenticated, MayRead]
    renderer_classes = [JSONRenderer, CsvRenderer, ParquetRenderer]
    content_negotiation_class = FormatNegotiation

    @extend_schema(
        operation_id="readings",
        summary="Readings",
        description="What meters said: values of registers at the ends of intervals, days and months, and "
        "when they were read on request. Each is kept once, however often it is read. A series (device, "
        "channel, quantity, period) comes as a whole, by interval end. CSV and Parquet are not paged.",
        tags=["readings"],
        parameters=[ReadingsQuery],
        responses={
            (200, "application/json"): ReadingPageSerializer,
            (200, CSV): OpenApiResponse(OpenApiTypes.STR, "A line for each value, after a header."),
            (200, PARQUET): OpenApiResponse(OpenApiTypes.BINARY, "A row for each value."),
            **document_problems(400, 403, 404, examples={}),
        },
    )
    def get(self, request: HttpRequest) -> HttpResponseBase:
        query = validate_query(ReadingsQuery, request.query_params, repeatable=REPEATABLE)
        if "cursor" in query:
            query["after"] = _parse_cursor(query["cursor"])
        selection = make_selection(find_caller(request).organisation, query)
        kind = str(request.accepted_media_type)
        if kind != FORMATS["json"]:
            _refuse_pages(query)
            tell_export("readings", kind, request.query_params.lists())
            return stream_export(read_readings(selection), kind)
        size = query.get("page_size", DEFAULT_PAGE_SIZE)
        found = list(islice(read_readings(selection), size + 1))
        cursor = _format_cursor(found[size - 1].position) if len(found) > size else None
        return Response(
            {"results": [describe_reading(reading) for reading in found[:size]]},
            headers=build_next_page_link(request, cursor),
        )


def stream_export(found: Iterator[Reading], kind: str) -> StreamingHttpResponse:
    """Return readings as CSV or Parquet, sent while they are read."""
    parts = export.format_csv(found) if kind == CSV else export.format_parquet(found)
    name = "readings.csv" if kind == CSV else "readings.parquet"
    return StreamingHttpResponse(
        parts,
        content_type=f"{CSV}; charset=utf-8; header=present" if kind == CSV else kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def describe_reading(reading: Reading) -> dict[str, Any]:
    """Return a reading as JSON."""
    series = reading.series
    return {
        "device_identification": series.device.identification,
        "channel": series.channel or None,
        "quantity": series.quantity,
        "name": reading.name,
        "period": series.period,
        "interval_end": utc_text(reading.interval_end),
        "unit": series.unit,
        **_describe_claim(reading, reading.value, reading.status, reading.provenance),
        "late": reading.is_late,
        "former": [_describe_claim(reading, *former) for former in reading.former],
    }


def _describe_claim(
    reading: Reading, value: Any, status: int | None, provenance: Provenance
) -> dict[str, Any]:
    return {
        "value": format(value, "f"),
        "status": reading.name_flags(status),
        "received_at": utc_text(provenance.received_at) if provenance.received_at else None,
        "received_by": str(provenance.received_by) if provenance.received_by else None,
        "confirmed_at": utc_text(provenance.confirmed_at) if provenance.confirmed_at else None,
    }


def _refuse_pages(query: dict[str, Any]) -> None:
    paged = [name for name in ("page_size", "cursor") if name in query]
    if paged:
        raise ValidationError({name: ["Only JSON comes in pages."] for name in paged})


def _format_cursor(position: Position) -> str:
    text = f"{position.series_id} {position.start.isoformat()} {position.end}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _parse_cursor(cursor: str) -> Position:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
        series_id, start, end = text.split(" ")
        position = Position(int(series_id[:20]), date.fromisoformat(start), int(end[:20]))
        if not (0 <= position.series_id < 2**63 and 0 <= position.end < 2**63):
            raise ValueError(cursor)
    except ValueError:
        raise ValidationError({"cursor": ["Must come from a Link header."]}) from None
    return position
