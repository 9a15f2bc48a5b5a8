"""GET and POST /api/v1/alarms/rules/; GET, PUT and DELETE /api/v1/alarms/rules/{name}/"""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from osgp.accounts.functions import Scope
from osgp.accounts.models import Organisation
from osgp.alarms.models import AlarmRule
from osgp.alarms.rule_submission import MOST_RULES, RuleFields, list_rules, save_rule
from osgp.messages.serializers import utc_text
from osgp.requests.api.permissions import MayRead, find_caller
from osgp.requests.api.schema import document_problems
from osgp.requests.submission import check_scope

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="Of the rule.")
TAG = ["alarms"]
FAULT = "Why it could not send its message when it last tried, as for requests; null if it could."


class RuleSerializer(RuleFields):
    """A rule and what it last did."""

    last_sent_at = serializers.DateTimeField(allow_null=True)
    last_fault = serializers.DictField(allow_null=True, help_text=FAULT)


class RulesSerializer(serializers.Serializer):
    """All rules of the organisation, by name."""

    results = RuleSerializer(many=True)


class RulesView(APIView):
    """GET and POST /api/v1/alarms/rules/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="alarm_rules",
        summary="Rules for alarms",
        description="Rules send a message to a device of the organisation's own when it reports an alarm.",
        tags=TAG,
        parameters=[],
        responses={200: RulesSerializer, **document_problems(403, examples={})},
    )
    def get(self, request: HttpRequest) -> Response:
        rules = list_rules(find_caller(request).organisation)
        return Response({"results": [_describe(rule) for rule in rules]})

    @extend_schema(
        operation_id="alarm_rule_make",
        summary="Make a rule",
        description="Needs the scope `management` and that of the message. An organisation may have "
        f"{MOST_RULES} rules.",
        tags=TAG,
        request=RuleFields,
        responses={201: RuleSerializer, **document_problems(400, 403, examples={})},
    )
    def post(self, request: HttpRequest) -> Response:
        rule = save_rule(find_caller(request), request.data)
        return Response(_describe(rule), status=HTTPStatus.CREATED)


class RuleView(APIView):
    """GET, PUT and DELETE /api/v1/alarms/rules/{name}/"""

    permission_classes = [IsAuthenticated, MayRead]

    @extend_schema(
        operation_id="alarm_rule",
        summary="A rule",
        tags=TAG,
        parameters=[NAME],
        responses={200: RuleSerializer, **document_problems(403, 404, examples={})},
    )
    def get(self, request: HttpRequest, name: str) -> Response:
        return Response(_describe(_find(find_caller(request).organisation, name)))

    @extend_schema(
        operation_id="alarm_rule_change",
        summary="Change a rule",
        description="All of it; fields that are left out get their defaults. Needs the scope `management` "
        "and that of the message.",
        tags=TAG,
        parameters=[NAME],
        request=RuleFields,
        responses={200: RuleSerializer, **document_problems(400, 403, 404, examples={})},
    )
    def put(self, request: HttpRequest, name: str) -> Response:
        caller = find_caller(request)
        check_scope(caller, Scope.MANAGEMENT)
        rule = save_rule(caller, request.data, _find(caller.organisation, name))
        return Response(_describe(rule))

    @extend_schema(
        operation_id="alarm_rule_delete",
        summary="Delete a rule",
        tags=TAG,
        parameters=[NAME],
        responses={204: OpenApiResponse(description="Deleted."), **document_problems(403, 404, examples={})},
    )
    def delete(self, request: HttpRequest, name: str) -> Response:
        caller = find_caller(request)
        check_scope(caller, Scope.MANAGEMENT)
        _find(caller.organisation, name).delete()
        return Response(status=HTTPStatus.NO_CONTENT)


def _find(organisation: Organisation, name: str) -> AlarmRule:
    # A name with NUL would be an error of the database.
    rule = None if "\0" in name else list_rules(organisation).filter(name=name).first()
    if rule is None:
        raise NotFound("There is no rule of this name.")
    assert isinstance(rule, AlarmRule)
    return rule


def _describe(rule: AlarmRule) -> dict[str, Any]:
    names = ("name", "alarm_type", "message", "parameters", "priority", "most_per_hour", "only_verified")
    return {
        **{name: getattr(rule, name) for name in names},
        "enabled": rule.enabled,
        "last_sent_at": None if rule.last_sent_at is None else utc_text(rule.last_sent_at),
        "last_fault": rule.last_fault,
    }
