"""An organisation's schedules: make, list, show, change, pause, resume, delete, and preview."""

import re
from http import HTTPStatus
from typing import Any

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.batches.models import RecurringRequest
from osgp.fleet import schedule_answers, schedules
from osgp.fleet.api import schedule_serializers as documents
from osgp.fleet.api.permissions import check_scopes
from osgp.fleet.occurrences import NeverDue
from osgp.fleet.schedule_submission import (
    DEFAULT_PREVIEWED,
    MOST_PREVIEWED,
    preview_schedule,
    set_enabled,
    submit_schedule,
)
from osgp.messages.serializers import CharField, ChoiceField, StrictSerializer
from osgp.requests.api.pages import (
    MessageNameField,
    PageQuery,
    PageSizeField,
    build_next_page_link,
    fetch_page,
    validate_query,
)
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.problems import Conflict
from osgp.requests.api.schema import document_problems

TAG = ["schedules"]
ID = OpenApiParameter("schedule_id", OpenApiTypes.INT64, OpenApiParameter.PATH)
SAME_CHECKS = (
    "The message, its parameters and the devices are checked as for a batch; the devices of a group at each "
    "occurrence, as its members change. The scope of the message is needed. "
)


class ScheduleQuery(PageQuery):
    """Filters of the list of schedules."""

    enabled = ChoiceField(("true", "false"), required=False, help_text="false: the paused ones.")
    message = MessageNameField(required=False)
    name = CharField(required=False, max_length=64, help_text="The whole name.")


class PreviewQuery(StrictSerializer):
    """How far a preview goes."""

    number = PageSizeField(
        required=False,
        help_text=f"Occurrences, {DEFAULT_PREVIEWED} by default.",
        largest=MOST_PREVIEWED,
    )


class ScheduleListView(APIView):
    """GET and POST /api/v1/schedules/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="schedules",
        summary="Schedules",
        description="The organisation's schedules, latest first.",
        tags=TAG,
        parameters=[ScheduleQuery],
        responses={200: documents.SchedulePageSerializer, **document_problems(400, 403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        query = validate_query(ScheduleQuery, request.query_params)
        filters: dict[str, Any] = {name: query[name] for name in ("message", "name") if name in query}
        if "enabled" in query:
            filters["enabled"] = query["enabled"] == "true"
        rows = schedules.list_schedules(find_caller(request).organisation).filter(**filters)
        found, cursor = fetch_page(rows, query)
        body = {"results": schedule_answers.summarize_all(found)}
        return Response(body, headers=build_next_page_link(request, cursor))

    @extend_schema(
        operation_id="schedule_make",
        summary="Make a schedule",
        description="A message that is sent to devices again and again; each occurrence becomes one batch. "
        + SAME_CHECKS
        + "Names are unique, so a call that is repeated because its answer was lost is refused, and makes no "
        "second schedule.",
        tags=TAG,
        request=documents.ScheduleBodySerializer,
        responses={
            201: OpenApiResponse(documents.ScheduleSerializer, "Stored."),
            **document_problems(400, 403, examples={}),
        },
    )
    def post(self, request: HttpRequest) -> Response:
        row = submit_schedule(find_caller(request), request.data)
        body = schedule_answers.describe(row)
        return Response(body, status=HTTPStatus.CREATED, headers={"Location": body["url"]})


class PreviewView(APIView):
    """POST /api/v1/schedules/preview/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="schedule_preview",
        summary="Preview a schedule",
        description="Check the body of a schedule without storing it, and tell when it would be due. "
        + SAME_CHECKS
        + "Its name may be that of a schedule, which it would change.",
        tags=TAG,
        parameters=[PreviewQuery],
        request=documents.ScheduleBodySerializer,
        responses={200: documents.PreviewSerializer, **document_problems(400, 403, examples={})},
    )
    def post(self, request: HttpRequest) -> Response:
        query = validate_query(PreviewQuery, request.query_params)
        number = query.get("number", DEFAULT_PREVIEWED)
        moments, zone = preview_schedule(find_caller(request), request.data, number)
        return Response(schedule_answers.describe_preview(moments, zone))


class ScheduleView(APIView):
    """GET, PUT and DELETE /api/v1/schedules/{schedule_id}/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="schedule",
        summary="A schedule",
        description="A schedule with its devices and its next occurrences.",
        tags=TAG,
        parameters=[ID],
        responses={200: documents.ScheduleSerializer, **document_problems(403, 404, examples={})},
    )
    def get(self, request: HttpRequest, schedule_id: str) -> Response:
        return Response(schedule_answers.describe(_find_schedule(find_caller(request), schedule_id)))

    @extend_schema(
        operation_id="schedule_change",
        summary="Change a schedule",
        description="Replace all of a schedule. "
        + SAME_CHECKS
        + "So is that of the message that it had. Fields that are left out get their defaults; `starts_at` "
        "stays as it was. Batches that were made stay as they are.",
        tags=TAG,
        parameters=[ID],
        request=documents.ScheduleBodySerializer,
        responses={
            200: OpenApiResponse(documents.ScheduleSerializer, "Changed."),
            **document_problems(400, 403, 404, examples={}),
        },
    )
    @transaction.atomic
    def put(self, request: HttpRequest, schedule_id: str) -> Response:
        row = _find_schedule_to_steer(request, schedule_id)
        return Response(schedule_answers.describe(submit_schedule(find_caller(request), request.data, row)))

    @extend_schema(
        operation_id="schedule_delete",
        summary="Delete a schedule",
        description="Delete a schedule. The batches that it made stay. The scope of its message is needed.",
        tags=TAG,
        parameters=[ID],
        responses={
            204: OpenApiResponse(description="Deleted."),
            **document_problems(403, 404, examples={}),
        },
    )
    @transaction.atomic
    def delete(self, request: HttpRequest, schedule_id: str) -> Response:
        _find_schedule_to_steer(request, schedule_id).delete()
        return Response(status=HTTPStatus.NO_CONTENT)


class PauseView(APIView):
    """POST /api/v1/schedules/{schedule_id}/pause/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="schedule_pause",
        summary="Pause a schedule",
        description="Make no batches until it is resumed. Repeating the call changes nothing. The scope of "
        "its message is needed.",
        tags=TAG,
        parameters=[ID],
        request=None,
        responses={200: documents.ScheduleSerializer, **document_problems(403, 404, examples={})},
    )
    def post(self, request: HttpRequest, schedule_id: str) -> Response:
        return _set_enabled(request, schedule_id, False)


class ResumeView(APIView):
    """POST /api/v1/schedules/{schedule_id}/resume/"""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="schedule_resume",
        summary="Resume a schedule",
        description="Make batches again, from the next occurrence on; those that passed meanwhile are "
        "skipped. Repeating the call changes nothing. The scope of its message is needed. 409 when it has no "
        "occurrence any more.",
        tags=TAG,
        parameters=[ID],
        request=None,
        responses={200: documents.ScheduleSerializer, **document_problems(403, 404, 409, examples={})},
    )
    def post(self, request: HttpRequest, schedule_id: str) -> Response:
        return _set_enabled(request, schedule_id, True)


class OccurrencesView(APIView):
    """GET /api/v1/schedules/{schedule_id}/occurrences/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="schedule_occurrences",
        summary="Past occurrences of a schedule",
        description="The batches that it made, latest first, and how many occurrences passed without one.",
        tags=TAG,
        parameters=[ID, PageQuery],
        responses={200: documents.OccurrencePageSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def get(self, request: HttpRequest, schedule_id: str) -> Response:
        query = validate_query(PageQuery, request.query_params)
        row = _find_schedule(find_caller(request), schedule_id)
        found, cursor = fetch_page(schedules.list_past(row), query, by="occurrence")
        results = [schedule_answers.describe_occurrence(batch) for batch in found]
        body = {"missed": row.missed, "results": results}
        return Response(body, headers=build_next_page_link(request, cursor))


@transaction.atomic
def _set_enabled(request: HttpRequest, key: str, enabled: bool) -> Response:
    row = _find_schedule_to_steer(request, key)
    if row.enabled != enabled:
        try:
            set_enabled(row, enabled)
        except NeverDue as error:
            raise Conflict(str(error)) from error
    return Response(schedule_answers.describe(row))


def _find_schedule(caller: Caller, key: str, *, lock: bool = False) -> RecurringRequest:
    """Raises NotFound for a schedule of another organisation as for one that does not exist."""
    rows = schedules.list_schedules(caller.organisation)
    if lock:
        rows = schedules.lock(rows)
    row = rows.filter(pk=int(key)).first() if re.fullmatch(r"[0-9]{1,18}", key) else None
    if row is None:
        raise NotFound("There is no schedule of this id.")
    return row


def _find_schedule_to_steer(request: HttpRequest, key: str) -> RecurringRequest:
    """Steering a schedule needs the scopes that send its message. Its row is locked until the commit."""
    caller = find_caller(request)
    row = _find_schedule(caller, key, lock=True)
    check_scopes(caller, row)
    return row
