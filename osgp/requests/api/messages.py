"""The views of all messages: POST a message, GET its outcome, DELETE it."""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp import platform_time
from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.audit.keeping import record_first
from osgp.audit.models import AuditEvent
from osgp.events.fetching import TOLD_FOR, mark_fetched
from osgp.faults import Component, Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import CompositeOperation, Operation
from osgp.processes.database import AWAY, format_in_one_line
from osgp.requests import deletion
from osgp.requests.answers import build_accepted_body, build_outcome_body, build_route_name
from osgp.requests.api.idempotency import submit_once
from osgp.requests.api.pages import build_next_page_link, validate_query
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.problems import Conflict
from osgp.requests.api.responses import MOST_RESPONSES, ResponsesQuery
from osgp.requests.api.schema import document_view
from osgp.requests.api.waiting import hold, parse_preferred_wait
from osgp.requests.models import Request
from osgp.requests.queries import EVERY_ACTION, RequestOutcome, find_outcome
from osgp.requests.result_texts import write_json
from osgp.requests.submission import check_scope, submit

logger = logging.getLogger(__name__)

JSON = "application/json"


class MessageView(APIView):
    """The common part of POST of a message, and GET and DELETE of its outcome."""

    operation: ClassVar[Operation]
    positions: slice = EVERY_ACTION
    permission_classes = [IsAuthenticated, MayRead]

    def _wait_for_outcome(
        self, request: HttpRequest, found: RequestOutcome
    ) -> tuple[RequestOutcome, dict[str, str]]:
        """Wait for the outcome if the caller prefers that; return it with the header that says so."""
        seconds = parse_preferred_wait(request.headers.get("Prefer"))
        if not seconds or found.request.is_final:
            return found, {}
        if not hold(found.request.pk, seconds, request.META):
            return found, {}
        found = self._find(request, found.request.correlation_uid)
        return found, {"Preference-Applied": f"wait={seconds}"}

    def _find(self, request: HttpRequest, correlation_uid: uuid.UUID | str) -> RequestOutcome:
        found = None
        if uid := parse_uid(correlation_uid):
            found = find_outcome(
                find_caller(request).organisation, self.operation.message, uid, self.positions, as_text=True
            )
        if found is None:
            raise Fault(
                FaultCode.UNKNOWN_CORRELATION_UID,
                f"There is no {self.operation.message} request of this correlation UID.",
                component=Component.WEB_SERVICE,
            )
        return found


class PostView(MessageView):
    """POST /api/v1/{service}/{message}/"""

    def post(self, request: HttpRequest) -> HttpResponseBase:
        caller = find_caller(request)
        # Scope first: a caller that may not send the message does not learn what is wrong with it.
        check_scope(caller, self.operation.service)
        stored = submit_once(request, caller.organisation, lambda: self._submit(caller, request.data))
        found, headers = self._wait_once_stored(request, stored)
        location = reverse(build_route_name(self.operation), args=[stored.correlation_uid])
        headers = {"Location": location, **headers}
        if found is not None and found.request.is_final:
            note_fetched(found.request)
            return answer_with(request, found, headers)
        return Response(build_accepted_body(stored), status=HTTPStatus.ACCEPTED, headers=headers)

    def _wait_once_stored(
        self, request: HttpRequest, stored: Request
    ) -> tuple[RequestOutcome | None, dict[str, str]]:
        """As ``_wait_for_outcome``; None when the caller does not ask for that, or may not read outcomes."""
        if not (
            parse_preferred_wait(request.headers.get("Prefer")) and find_caller(request).has_scope(Scope.READ)
        ):
            return None, {}
        try:
            return self._wait_for_outcome(request, self._find(request, stored.correlation_uid))
        except AWAY as error:
            # The request is stored: after an error, callers would send it again.
            logger.warning("no outcome to wait for, the database is away: %s", format_in_one_line(error))
            return None, {}

    def _submit(self, caller: Caller, body: Any) -> Request:
        return submit(caller, self.operation.message, body)


class OutcomeView(MessageView):
    """GET and DELETE /api/v1/{service}/{message}/{correlation_uid}/"""

    def get(self, request: HttpRequest, correlation_uid: str) -> HttpResponseBase:
        found, headers = self._wait_for_outcome(request, self._find(request, correlation_uid))
        note_fetched(found.request)
        return answer_with(request, found, headers)

    def delete(self, request: HttpRequest, correlation_uid: str) -> Response:
        check_scope(find_caller(request), self.operation.service)
        found = self._find(request, correlation_uid)
        if not found.request.is_final:
            raise Conflict("The request is not final yet; it can be cancelled while it waits.")
        deletion.delete(found.request)
        return Response(status=HTTPStatus.NO_CONTENT)


class ResponsesView(OutcomeView):
    """As OutcomeView, for a message made of others, with its responses in pages."""

    def get(self, request: HttpRequest, correlation_uid: str) -> HttpResponseBase:
        query = validate_query(ResponsesQuery, request.query_params)
        first, size = query.get("cursor", 0), query.get("page_size", MOST_RESPONSES)
        # One more than the page has shows whether there is another page.
        self.positions = slice(first, first + size + 1)
        found, headers = self._wait_for_outcome(request, self._find(request, correlation_uid))
        note_fetched(found.request)
        more = len(found.actions) > size
        link = build_next_page_link(request, str(first + size) if more else None)
        return answer_with(request, replace(found, actions=found.actions[:size]), {**headers, **link})


def answer_with(request: HttpRequest, found: RequestOutcome, headers: Mapping[str, str]) -> HttpResponseBase:
    """Answer with an outcome as text. What is large is streamed: fetched one result at a time, and sent as
    the database has it.
    """
    status = HTTPStatus.OK if found.request.is_final else HTTPStatus.ACCEPTED
    options: dict[str, Any] = {"content_type": JSON, "status": status, "headers": dict(headers)}
    if request.method == "HEAD":
        return HttpResponse(**options)
    pieces = (piece.encode() for piece in write_json(build_outcome_body(found)))
    if found.is_whole:
        return HttpResponse(b"".join(pieces), **options)
    return StreamingHttpResponse(pieces, **options)


def note_fetched(request: Request) -> None:
    """Stop notifications of a request whose outcome its organisation gets now.

    The audit trail has the first time that a caller gets it. An outage of the database does not keep the
    outcome from the caller, who is then told once more.
    """
    if not request.is_final:
        return
    try:
        record_first(
            AuditEvent.RESPONSE_FETCHED,
            correlation_uid=request.correlation_uid,
            device=request.device_identification,
            details={"message": request.message, "state": request.state},
        )
    except AWAY as error:
        logger.warning("an outcome is fetched without an audit entry: %s", format_in_one_line(error))
    if request.completed_at is None or request.completed_at < platform_time.now() - TOLD_FOR:
        return
    try:
        mark_fetched(request.correlation_uid, request.organisation_id)
    except AWAY as error:
        logger.warning("an outcome is not noted as fetched: %s", format_in_one_line(error))


def parse_uid(text: uuid.UUID | str) -> uuid.UUID | None:
    """Parse a correlation UID from a URL; None if it is none."""
    if isinstance(text, uuid.UUID):
        return text
    try:
        return uuid.UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def list_message_urls() -> list[URLPattern]:
    """List the routes of all registered messages."""
    routes = []
    for operation in registry.list_operations():
        name = build_route_name(operation)
        routes += [
            path(f"{name}/", _make_view(PostView, operation)),
            path(
                f"{name}/<str:correlation_uid>/",
                _make_view(_choose_outcome_view(operation), operation),
                name=name,
            ),
        ]
    return routes


def _choose_outcome_view(operation: Operation) -> type[OutcomeView]:
    return ResponsesView if isinstance(operation, CompositeOperation) else OutcomeView


def _make_view(view: type[MessageView], operation: Operation) -> Callable[..., HttpResponse]:
    """Make a view class for one message, so that OpenAPI documents each message separately."""
    own = type(
        f"{operation.message}{view.__name__}", (view,), {"operation": operation, "__doc__": operation.__doc__}
    )
    return document_view(own, operation).as_view()
