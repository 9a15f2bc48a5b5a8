"""GET /api/v1/alarms/, GET /api/v1/alarms/{uid}/ and POST /api/v1/alarms/acknowledge/"""

import uuid
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.functions import Scope
from osgp.alarms import finding, storing
from osgp.alarms.acknowledging import acknowledge
from osgp.alarms.models import Alarm
from osgp.cosem.alarms import list_alarm_types
from osgp.events.fetching import mark_fetched
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DateTimeField,
    IntegerField,
    StrictSerializer,
    utc_text,
)
from osgp.requests.api.messages import parse_uid
from osgp.requests.api.pages import LARGEST_PAGE, PageQuery, build_next_page_link, fetch_page, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import DeviceIdentificationField, check_scope

FLAGS = {"true": True, "false": False}
REPEATABLE = ("device", "alarm_type")
HAS_UNKNOWN_BITS = "Whether it has bits that have no meaning in the profile of the meter."


class AlarmFilters(StrictSerializer):
    """Filters of alarms; an alarm has to pass all that are given."""

    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=LARGEST_PAGE,
        help_text=f"Device identification; up to {LARGEST_PAGE} of them.",
    )
    alarm_type = serializers.ListField(
        child=ChoiceField(list_alarm_types()), required=False, help_text="Any of these names."
    )
    network = CharField(required=False, max_length=40, help_text="Name of a communication network.")
    from_ = DateTimeField(required=False, help_text="Received at this time or later.")
    until = DateTimeField(required=False, help_text="Received before.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that ``until`` is after ``from``."""
        if "from" in attrs and "until" in attrs and attrs["until"] <= attrs["from"]:
            raise ValidationError({"until": ["Must be after from."]})
        return attrs


class AlarmsQuery(PageQuery, AlarmFilters):
    """Query parameters of the list of alarms."""

    acknowledged = ChoiceField(list(FLAGS), required=False)
    verified = ChoiceField(list(FLAGS), required=False, help_text="Whether the authentication tag was right.")
    unknown_bits = ChoiceField(list(FLAGS), required=False, help_text=HAS_UNKNOWN_BITS)


class AlarmSelection(AlarmFilters):
    """The same filters in a body."""

    verified = BooleanField(required=False, help_text="Whether the authentication tag was right.")
    unknown_bits = BooleanField(required=False, help_text=HAS_UNKNOWN_BITS)


class AlarmSerializer(serializers.Serializer):
    """What a meter reported on its own."""

    alarm_uid = serializers.UUIDField()
    device_identification = serializers.CharField()
    received_at = serializers.DateTimeField()
    happened_at = serializers.DateTimeField(allow_null=True, help_text="By the clock of the meter.")
    trigger = serializers.CharField(help_text="What made the meter push.")
    alarm_types = serializers.ListField(
        child=serializers.CharField(), help_text="In the order of registers and of their bits."
    )
    unknown_bits = serializers.ListField(
        child=serializers.CharField(),
        help_text="Bits that have no meaning in the profile of the meter: register and bit, such as 1.17.",
    )
    is_verified = serializers.BooleanField(
        help_text="Whether it came ciphered with the keys of the meter. Otherwise anybody may have sent it."
    )
    registers = serializers.DictField(
        child=serializers.IntegerField(), help_text="Alarm registers by their numbers, as received."
    )
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField(allow_null=True, help_text="The person or the application.")
    note = serializers.CharField(allow_null=True)


class AlarmPageSerializer(serializers.Serializer):
    """Alarms, the latest first; the Link header with rel="next" leads on."""

    results = AlarmSerializer(many=True)


class AcknowledgeSerializer(StrictSerializer):
    """Which alarms: by their UIDs, or all that pass the filters."""

    alarms = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=LARGEST_PAGE
    )
    filter = AlarmSelection(required=False)
    note = CharField(required=False, max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is one of the two."""
        if ("alarms" in attrs) == ("filter" in attrs):
            raise ValidationError({"alarms": ["Give either alarms or filter."]})
        return attrs


class AcknowledgedSerializer(serializers.Serializer):
    """What was acknowledged."""

    acknowledged = IntegerField(help_text="Those that were acknowledged before are not counted.")


class AlarmsView(APIView):
    """GET /api/v1/alarms/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="alarms",
        summary="Alarms",
        description="Alarms that meters pushed, of devices that the organisation owns or was granted "
        "MANAGEMENT or MONITORING on.",
        tags=["alarms"],
        parameters=[AlarmsQuery],
        responses={200: AlarmPageSerializer, **document_problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(AlarmsQuery, request.query_params, repeatable=REPEATABLE)
        alarms = _filter(
            finding.list_alarms(find_caller(request).organisation),
            query,
            acknowledged=FLAGS.get(query.get("acknowledged", "")),
            verified=FLAGS.get(query.get("verified", "")),
            unknown_bits=FLAGS.get(query.get("unknown_bits", "")),
        )
        found, cursor = fetch_page(alarms.select_related("device"), query, by="received_at")
        return Response(
            {"results": [_describe(alarm) for alarm in found]}, headers=build_next_page_link(request, cursor)
        )


class AlarmView(APIView):
    """GET /api/v1/alarms/{uid}/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="RetrievePushNotificationAlarm",
        summary="RetrievePushNotificationAlarm",
        description="One alarm, by the `alarm_uid` that its notification told. Notifications of it stop.",
        tags=["alarms"],
        parameters=[],
        responses={200: AlarmSerializer, **document_problems(403, 404, examples={})},
    )
    def get(self, request: HttpRequest, uid: uuid.UUID | str) -> Response:
        organisation = find_caller(request).organisation
        wanted = parse_uid(uid)
        alarms = finding.list_alarms(organisation).select_related("device")
        alarm = alarms.filter(uid=wanted).first() if wanted else None
        if alarm is None:
            raise Fault(
                FaultCode.UNKNOWN_CORRELATION_UID,
                "There is no alarm of this UID.",
                component=Component.WEB_SERVICE,
            )
        mark_fetched(alarm.uid, organisation.pk)
        return Response(_describe(alarm))


class AcknowledgeView(APIView):
    """POST /api/v1/alarms/acknowledge/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="alarms_acknowledge",
        summary="Acknowledge alarms",
        description="Say that somebody has seen them: some by their UIDs, or all that pass filters. Needs "
        "the scope `management`, and OWNER or MANAGEMENT on the devices; other alarms stay as they are.",
        tags=["alarms"],
        request=AcknowledgeSerializer,
        responses={200: AcknowledgedSerializer, **document_problems(400, 403, examples={})},
    )
    def post(self, request: HttpRequest) -> Response:
        caller = find_caller(request)
        check_scope(caller, Scope.MANAGEMENT)
        body = AcknowledgeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        chosen = body.validated_data
        alarms = finding.list_alarms(caller.organisation, finding.MAY_ACKNOWLEDGE)
        if "alarms" in chosen:
            alarms = alarms.filter(uid__in=chosen["alarms"])
        else:
            flags = {name: chosen["filter"].get(name) for name in ("verified", "unknown_bits")}
            alarms = _filter(alarms, chosen["filter"], **flags)
        number = acknowledge(alarms, caller.application, chosen.get("note", ""))
        return Response({"acknowledged": number})


def _filter(alarms: QuerySet[Alarm], query: dict[str, Any], **flags: bool | None) -> QuerySet[Alarm]:
    return finding.filter_alarms(
        alarms,
        devices=query.get("device", ()),
        alarm_types=query.get("alarm_type", ()),
        network=query.get("network"),
        received_from=query.get("from"),
        received_until=query.get("until"),
        **flags,
    )


def _describe(alarm: Alarm) -> dict[str, Any]:
    return storing.describe(alarm) | {
        "registers": alarm.registers,
        "acknowledged_at": None if alarm.acknowledged_at is None else utc_text(alarm.acknowledged_at),
        "acknowledged_by": alarm.acknowledged_by or None,
        "note": alarm.note or None,
    }
