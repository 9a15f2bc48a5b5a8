"""The resources of a message, one view for all of them: post it, fetch its outcome, delete that."""

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponse
from django.urls import URLPattern, path, reverse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.faults import Component, Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import CompositeOperation, Operation
from osgp.processes.database import AWAY, in_one_line
from osgp.requests import deletion
from osgp.requests.answers import accepted, outcome_body, route_name
from osgp.requests.api.idempotency import once
from osgp.requests.api.pages import next_page_link, validated_query
from osgp.requests.api.permissions import MayRead, caller_of
from osgp.requests.api.problems import Conflict
from osgp.requests.api.responses import MOST_RESPONSES, ResponsesQuery
from osgp.requests.api.schema import documented
from osgp.requests.api.waiting import hold, preferred_wait
from osgp.requests.models import Request
from osgp.requests.queries import EVERY_ACTION, Outcome, outcome
from osgp.requests.submission import check_scope, submit

logger = logging.getLogger(__name__)


class MessageView(APIView):
    """What POST of a message and GET and DELETE of its outcome have in common."""

    operation: ClassVar[Operation]
    positions: slice = EVERY_ACTION
    permission_classes = [IsAuthenticated, MayRead]

    def _awaited(self, request: HttpRequest, found: Outcome) -> tuple[Outcome, dict[str, str]]:
        """The outcome after waiting for it, when the caller prefers that, and the header that says so."""
        seconds = preferred_wait(request.headers.get("Prefer"))
        if not seconds or found.request.is_final:
            return found, {}
        if not hold(found.request.pk, seconds, request.META):
            return found, {}
        found = self._find(request, found.request.correlation_uid)
        return found, {"Preference-Applied": f"wait={seconds}"}

    def _find(self, request: HttpRequest, correlation_uid: uuid.UUID | str) -> Outcome:
        found = None
        if uid := parsed_uid(correlation_uid):
            found = outcome(caller_of(request).organisation, self.operation.message, uid, self.positions)
        if found is None:
            raise Fault(
                FaultCode.UNKNOWN_CORRELATION_UID,
                f"There is no {self.operation.message} request of this correlation UID.",
                component=Component.WEB_SERVICE,
            )
        return found


class PostView(MessageView):
    """POST /api/v1/{service}/{message}/"""

    def post(self, request: HttpRequest) -> Response:
        caller = caller_of(request)
        # The scope comes first: who may not send the message is not told what is wrong with it.
        check_scope(caller, self.operation.service)
        stored = once(request, caller.organisation, lambda: self._submit(caller, request.data))
        body, status = accepted(stored), HTTPStatus.ACCEPTED
        found, headers = self._awaited_once_stored(request, stored)
        if found is not None and found.request.is_final:
            body, status = outcome_body(found), HTTPStatus.OK
        location = reverse(route_name(self.operation), args=[stored.correlation_uid])
        return Response(body, status=status, headers={"Location": location, **headers})

    def _awaited_once_stored(
        self, request: HttpRequest, stored: Request
    ) -> tuple[Outcome | None, dict[str, str]]:
        """As ``_awaited``; None when the caller does not prefer that, or may not read what comes of it."""
        if not (preferred_wait(request.headers.get("Prefer")) and caller_of(request).has_scope(Scope.READ)):
            return None, {}
        try:
            return self._awaited(request, self._find(request, stored.correlation_uid))
        except AWAY as error:
            # It is stored all the same: callers who were told of a failure would send it once more.
            logger.warning("no outcome to wait for, the database is away: %s", in_one_line(error))
            return None, {}

    def _submit(self, caller: Caller, body: Any) -> Request:
        return submit(caller, self.operation.message, body)


class OutcomeView(MessageView):
    """GET and DELETE /api/v1/{service}/{message}/{correlation_uid}/"""

    def get(self, request: HttpRequest, correlation_uid: str) -> Response:
        found, headers = self._awaited(request, self._find(request, correlation_uid))
        status = HTTPStatus.OK if found.request.is_final else HTTPStatus.ACCEPTED
        return Response(outcome_body(found), status=status, headers=headers)

    def delete(self, request: HttpRequest, correlation_uid: str) -> Response:
        check_scope(caller_of(request), self.operation.service)
        found = self._find(request, correlation_uid)
        if not found.request.is_final:
            raise Conflict("The request is not final yet; it can be cancelled while it waits.")
        deletion.delete(found.request)
        return Response(status=HTTPStatus.NO_CONTENT)


class ResponsesView(OutcomeView):
    """As OutcomeView, for a message made of others: responses may be fetched a page at a time."""

    def get(self, request: HttpRequest, correlation_uid: str) -> Response:
        query = validated_query(ResponsesQuery, request.query_params)
        first, size = query.get("cursor", 0), query.get("page_size", MOST_RESPONSES)
        # One more than is shown tells whether there is another page.
        self.positions = slice(first, first + size + 1)
        answer = super().get(request, correlation_uid)
        more = len(answer.data["responses"]) > size
        answer.data["responses"] = answer.data["responses"][:size]
        for name, value in next_page_link(request, str(first + size) if more else None).items():
            answer[name] = value
        return answer


def parsed_uid(text: uuid.UUID | str) -> uuid.UUID | None:
    """A correlation UID as it stands in a URL; None when it cannot be one."""
    if isinstance(text, uuid.UUID):
        return text
    try:
        return uuid.UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def message_urls() -> list[URLPattern]:
    """The routes of all registered messages."""
    routes = []
    for task in registry.list_operations():
        name = route_name(task)
        routes += [
            path(f"{name}/", _view(PostView, task)),
            path(f"{name}/<str:correlation_uid>/", _view(_outcome_view(task), task), name=name),
        ]
    return routes


def _outcome_view(task: Operation) -> type[OutcomeView]:
    return ResponsesView if isinstance(task, CompositeOperation) else OutcomeView


def _view(view: type[MessageView], task: Operation) -> Callable[..., HttpResponse]:
    """A view class of the message's own, which is what makes OpenAPI tell it from the others."""
    own = type(f"{task.message}{view.__name__}", (view,), {"operation": task, "__doc__": task.__doc__})
    return documented(own, task).as_view()
