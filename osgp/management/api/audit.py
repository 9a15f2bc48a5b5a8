"""GET /api/v1/audit/: who did what, of the organisation's own."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.functions import Scope
from osgp.audit.exports import tell_export
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.management import audit_listing
from osgp.messages.serializers import CharField, ChoiceField, DateTimeField
from osgp.requests.api.formats import CSV, NDJSON, CsvRenderer, FormatNegotiation, NdjsonRenderer
from osgp.requests.api.pages import DEFAULT_PAGE_SIZE, PageQuery, build_next_page_link, validate_query
from osgp.requests.api.permissions import find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import DeviceIdentificationField, check_scope

FORMATS = {"json": "application/json", "csv": CSV, "ndjson": NDJSON}
_COLUMNS = {
    "event": "event",
    "actor": "actor",
    "device": "device_identification",
    "correlation_uid": "correlation_uid",
    "request_id": "request_id",
    "from": "at__gte",
    "until": "at__lt",
}


class _AuditFilters(PageQuery):
    """Filters that are Python names; ``from`` is added to them."""

    event = ChoiceField(AuditEvent, required=False)
    actor = CharField(required=False, max_length=160, help_text="Application, or admin/ and a user, in full.")
    device = DeviceIdentificationField(required=False, help_text="Device identification.")
    organisation = CharField(required=False, max_length=40, help_text="The organisation's own.")
    correlation_uid = CharField(required=False, max_length=36, help_text="Of a request.")
    request_id = CharField(required=False, max_length=64, help_text="X-Request-ID of a call.")
    until = DateTimeField(required=False, help_text="Before this time.")
    format = ChoiceField(list(FORMATS), required=False, help_text="Default: what Accept asks for, or json.")

    def validate_correlation_uid(self, value: str) -> uuid.UUID:
        """Raises ValidationError unless it is a UUID."""
        try:
            return uuid.UUID(value)
        except ValueError:
            raise ValidationError("Must be a UUID.") from None


AuditQuery: Any = type(
    "AuditQuery",
    (_AuditFilters,),
    {
        "__doc__": "Filters, pages and format of the audit trail.",
        "from": DateTimeField(required=False, help_text="At or after this time."),
    },
)


class AuditEntrySerializer(serializers.Serializer):
    """Who did what. ``details`` depend on the event; changed fields have the values before and after."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    event = serializers.ChoiceField(AuditEvent.choices)
    organisation = serializers.CharField()
    actor = serializers.CharField(help_text="The application, admin/ and a user, or the command line.")
    device = serializers.CharField(allow_null=True)
    correlation_uid = serializers.UUIDField(allow_null=True)
    address = serializers.CharField(allow_null=True, help_text="Of the client.")
    request_id = serializers.CharField(allow_null=True, help_text="Of the call, X-Request-ID.")
    details = serializers.DictField()


class AuditPageSerializer(serializers.Serializer):
    """Entries, latest first; the Link header with rel="next" leads on."""

    results = AuditEntrySerializer(many=True)


class AuditView(APIView):
    """GET /api/v1/audit/"""

    permission_classes = [IsAuthenticated]
    renderer_classes: list[type[BaseRenderer]] = [JSONRenderer, CsvRenderer, NdjsonRenderer]
    content_negotiation_class = FormatNegotiation

    @extend_schema(
        operation_id="audit",
        summary="Audit trail",
        description="Who asked for, changed, fetched, exported and deleted what, of the organisation's own. "
        "CSV and lines of JSON are not paged. Needs the scope `admin`.",
        tags=["management"],
        parameters=[AuditQuery],
        responses={
            (200, "application/json"): AuditPageSerializer,
            (200, CSV): OpenApiResponse(OpenApiTypes.STR, "A line for each entry, after a header."),
            (200, NDJSON): OpenApiResponse(OpenApiTypes.STR, "A line of JSON for each entry."),
            **document_problems(400, 403, examples={}),
        },
    )
    def get(self, request: HttpRequest) -> HttpResponseBase:
        caller = find_caller(request)
        check_scope(caller, Scope.ADMIN)
        query = validate_query(AuditQuery, request.query_params)
        own = caller.organisation.identification
        if query.get("organisation", own) != own:
            raise ValidationError({"organisation": [f"Only {own} may be given."]})
        filters = {_COLUMNS[name]: value for name, value in query.items() if name in _COLUMNS}
        rows = AuditEntry.objects.filter(organisation_identification=own, **filters).order_by("-pk")
        kind = str(request.accepted_media_type)
        if kind != FORMATS["json"]:
            return self._export(request, rows, query, kind)
        size = query.get("page_size", DEFAULT_PAGE_SIZE)
        if "cursor" in query:
            rows = rows.filter(pk__lt=_parse_cursor(query["cursor"]))
        found = list(rows[: size + 1])
        cursor = str(found[size - 1].pk) if len(found) > size else None
        return Response(
            {"results": [audit_listing.describe(entry) for entry in found[:size]]},
            headers=build_next_page_link(request, cursor),
        )

    def _export(
        self, request: HttpRequest, rows: QuerySet[AuditEntry], query: dict[str, Any], kind: str
    ) -> StreamingHttpResponse:
        if given := [name for name in ("page_size", "cursor") if name in query]:
            raise ValidationError({name: ["Is for JSON only."] for name in given})
        tell_export("audit", kind, request.query_params.lists())
        entries = rows.iterator(chunk_size=audit_listing.ROWS)
        is_csv = kind == CSV
        parts = audit_listing.format_csv(entries) if is_csv else audit_listing.format_ndjson(entries)
        return StreamingHttpResponse(
            parts,
            content_type=f"{CSV}; charset=utf-8; header=present" if is_csv else kind,
            headers={"Content-Disposition": f'attachment; filename="audit.{"csv" if is_csv else "ndjson"}"'},
        )


def _parse_cursor(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise ValidationError({"cursor": ["Must come from a Link header."]})
    return int(cursor)
