"""System notes: what the platform noticed of devices. No meter is contacted."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.messages.serializers import ChoiceField, utc_text
from osgp.requests.api.pages import LARGEST_PAGE, PageQuery, build_next_page_link, fetch_page, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import DeviceIdentificationField
from osgp.system_notes.kinds import KINDS
from osgp.system_notes.models import NoteState, SystemNote

ALL = "ALL"


class SystemNotesQuery(PageQuery):
    """Filters of the list of notes; a note has to pass all that are given."""

    device = serializers.ListField(
        child=DeviceIdentificationField(),
        required=False,
        max_length=LARGEST_PAGE,
        help_text=f"Device identification; may be repeated, up to {LARGEST_PAGE} times.",
    )
    kind = ChoiceField([kind.name for kind in KINDS], required=False)
    state = ChoiceField(
        [*NoteState.values, ALL], required=False, help_text="Only open notes unless something else is given."
    )


class SystemNoteSerializer(serializers.Serializer):
    """Something that the platform noticed of a device."""

    device_identification = serializers.CharField()
    kind = serializers.CharField(
        help_text="Later releases have more: " + ", ".join(k.name for k in KINDS) + "."
    )
    state = serializers.ChoiceField(choices=NoteState.values)
    text = serializers.CharField(help_text="What is so.")
    what_to_do = serializers.CharField()
    details = serializers.DictField(help_text="The same for programs; depends on the kind.")
    count = serializers.IntegerField(help_text="How many requests have seen it, or how often it happened.")
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    dismissed_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField(
        allow_null=True,
        help_text="The message after which it was not so any more; ADMIN after a change by an operator, "
        "NEW_KEYS after a change of the device's keys.",
    )


class SystemNotePageSerializer(serializers.Serializer):
    """Notes, those first seen last first; the Link header with rel="next" leads on."""

    results = SystemNoteSerializer(many=True)


class SystemNotesView(APIView):
    """GET /api/v1/system-notes/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="system_notes",
        summary="System notes",
        description="What the platform noticed of devices that the organisation was granted anything on, and "
        "what to do about it: a meter with the objects of another profile, for instance. A note is resolved "
        "when it is not so any more, and kept for a while. What happened once stays open until it is "
        "dismissed, or has not happened again for that while. No meter is contacted.",
        tags=["management"],
        parameters=[SystemNotesQuery],
        responses={200: SystemNotePageSerializer, **document_problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(SystemNotesQuery, request.query_params, repeatable=("device",))
        notes = SystemNote.objects.filter(device__in=_find_devices(find_caller(request).organisation, query))
        state = query.get("state", NoteState.OPEN.value)
        if state != ALL:
            notes = notes.filter(NoteState(state).condition)
        if "kind" in query:
            notes = notes.filter(kind=query["kind"])
        found, cursor = fetch_page(notes.select_related("device"), query, by="first_seen_at")
        return Response(
            {"results": [_describe(note) for note in found]}, headers=build_next_page_link(request, cursor)
        )


def _find_devices(organisation: Organisation, query: dict[str, Any]) -> Any:
    devices = list_visible_devices(organisation)
    return devices.filter(identification__in=query["device"]) if "device" in query else devices


def _describe(note: SystemNote) -> dict[str, Any]:
    moments = ("first_seen_at", "last_seen_at", "dismissed_at", "resolved_at")
    return {
        "device_identification": note.device.identification,
        "kind": note.kind,
        "state": note.state.value,
        "text": note.text,
        "what_to_do": note.what_to_do,
        "details": note.details,
        "count": note.count,
        **{name: _show(getattr(note, name)) for name in moments},
        "resolved_by": note.resolved_by or None,
    }


def _show(moment: Any) -> str | None:
    return None if moment is None else utc_text(moment)
