"""Bearer tokens: who gets in, what is said to the others, and what it costs."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from osgp.accounts.authentication import LAST_USED_RESOLUTION, TokenAuthentication
from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.accounts.models import ApiToken, Organisation
from osgp.faults import Fault, FaultCode

Issue = Callable[..., str]


@pytest.fixture
def issue(organisation: Organisation) -> Issue:
    def make(**options: object) -> str:
        return ApiToken.issue(organisation, "portal", **options)[1]  # type: ignore[arg-type]

    return make


def request_with(header: str | None) -> Request:
    extra = {} if header is None else {"HTTP_AUTHORIZATION": header}
    return APIView().initialize_request(APIRequestFactory().get("/", **extra))  # type: ignore[arg-type]


def authenticate(header: str | None) -> Caller | None:
    answer = TokenAuthentication().authenticate(request_with(header))
    return None if answer is None else answer[0]


def test_a_token_tells_who_calls(issue: Issue, organisation: Organisation) -> None:
    caller = authenticate(f"Bearer {issue(scopes=['read', 'monitoring'])}")
    assert caller == Caller(organisation, "portal", frozenset({"read", "monitoring"}))
    assert caller.is_authenticated
    assert caller.has_scope(Scope.READ)
    assert not caller.has_scope(Scope.ADHOC)


def test_the_scheme_is_case_insensitive(issue: Issue) -> None:
    assert authenticate(f"bearer {issue()}") is not None


def test_it_costs_one_query_once_the_use_is_noted(
    issue: Issue, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    header = f"Bearer {issue()}"
    with django_assert_num_queries(2):
        authenticate(header)
    with django_assert_num_queries(1):
        authenticate(header)


def test_the_use_is_noted_at_most_once_a_minute(issue: Issue) -> None:
    header = f"Bearer {issue()}"
    authenticate(header)
    noted = ApiToken.objects.get().last_used_at
    assert noted is not None
    authenticate(header)
    assert ApiToken.objects.get().last_used_at == noted
    ApiToken.objects.update(last_used_at=noted - LAST_USED_RESOLUTION - timedelta(seconds=1))
    authenticate(header)
    assert ApiToken.objects.filter(last_used_at__gt=noted - timedelta(seconds=1)).exists()


def test_expired_revoked_and_unknown_tokens_get_the_same_answer(issue: Issue) -> None:
    expired = issue(expires_at=timezone.now() - timedelta(seconds=1))
    revoked = issue()
    ApiToken.objects.filter(digest=ApiToken.compute_digest(revoked)).update(revoked_at=timezone.now())
    answers = set()
    for secret in (expired, revoked, "osgp_" + "A" * 43):
        with pytest.raises(AuthenticationFailed) as refusal:
            authenticate(f"Bearer {secret}")
        assert secret not in str(refusal.value)
        answers.add(str(refusal.value))
    assert len(answers) == 1


def test_a_token_is_valid_until_it_expires(issue: Issue) -> None:
    assert authenticate(f"Bearer {issue(expires_at=timezone.now() + timedelta(minutes=1))}") is not None


def test_a_disabled_organisation_is_refused_with_104(issue: Issue, organisation: Organisation) -> None:
    secret = issue()
    organisation.enabled = False
    organisation.save()
    with pytest.raises(Fault) as refusal:
        authenticate(f"Bearer {secret}")
    assert refusal.value.code == FaultCode.DISABLED_ORGANISATION


@pytest.mark.parametrize("header", [None, ""])
def test_without_a_header_there_is_no_caller(header: str | None) -> None:
    assert authenticate(header) is None


@given(st.text(st.characters(max_codepoint=255), min_size=1, max_size=300))
def test_malformed_headers_are_refused_without_a_query(rest: str) -> None:
    # No database fixture: a query would fail this test.
    with pytest.raises(AuthenticationFailed):
        authenticate(f"Bearer {rest}")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Basic b3NncDpvc2dw",
        "Bearer osgp_" + "A" * 42,
        "Bearer osgp_" + "A" * 44,
        "Bearer osgp_" + "A" * 43 + "\n",
        "Bearer osgp_" + "A" * 43 + " osgp_" + "A" * 43,
        "Bearer osgp_" + "A" * 1_000_000,
        "Bearer" + " " * 1_000_000,
    ],
)
def test_more_malformed_headers(header: str) -> None:
    with pytest.raises(AuthenticationFailed):
        authenticate(header)


def test_refusals_carry_www_authenticate() -> None:
    assert TokenAuthentication().authenticate_header(request_with(None)) == "Bearer"
