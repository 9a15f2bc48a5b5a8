"""The commands that make organisations and tokens."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from osgp.accounts.functions import Scope
from osgp.accounts.models import ApiToken, Organisation


def run(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command."""
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


@pytest.mark.django_db
def test_create_organisation() -> None:
    out, err = run("create_organisation", "UTILITY", "--name", "The Utility")
    organisation = Organisation.objects.get()
    assert (organisation.identification, organisation.name) == ("UTILITY", "The Utility")
    assert organisation.enabled
    assert out == ""
    assert "UTILITY" in err


@pytest.mark.django_db
def test_an_organisation_without_a_name_is_called_by_its_identification() -> None:
    run("create_organisation", "LAB")
    assert Organisation.objects.get().name == "LAB"


@pytest.mark.django_db
@pytest.mark.parametrize("identification", ["", "two words", "X" * 41, "tab\there"])
def test_create_organisation_refuses_bad_identifications(identification: str) -> None:
    with pytest.raises(CommandError, match="identification:"):
        run("create_organisation", identification, "--name", "x")
    assert not Organisation.objects.exists()


def test_create_organisation_refuses_a_second_one(organisation: Organisation) -> None:
    with pytest.raises(CommandError, match="already exists"):
        run("create_organisation", organisation.identification, "--name", "Another")


def test_create_token_prints_the_token_and_nothing_else(organisation: Organisation) -> None:
    out, err = run("create_token", organisation.identification, "--application", "portal")
    secret = out.removesuffix("\n")
    token = ApiToken.objects.get(digest=ApiToken.compute_digest(secret))
    assert token.organisation == organisation
    assert token.application == "portal"
    assert set(token.scopes) == set(Scope.values) - {"admin"}
    assert token.expires_at is None
    assert secret not in err


def test_create_token_with_scopes_and_expiry(organisation: Organisation) -> None:
    arguments = ["--scope", "read", "--scope", "monitoring", "--scope", "read", "--expires-in", "90d"]
    before = timezone.now()
    run("create_token", organisation.identification, "--application", "portal", *arguments)
    token = ApiToken.objects.get()
    assert token.scopes == ["read", "monitoring"]
    assert token.expires_at is not None
    assert before <= token.expires_at - timedelta(days=90) <= timezone.now()


def test_create_token_warns_about_a_disabled_organisation(organisation: Organisation) -> None:
    Organisation.objects.update(enabled=False)
    _, err = run("create_token", organisation.identification, "--application", "portal")
    assert "is disabled" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["NOBODY", "--application", "portal"], "There is no organisation NOBODY"),
        (["UTILITY", "--application", ""], "--application"),
        (["UTILITY", "--application", "x" * 41], "--application"),
        (["UTILITY"], "--application"),
        (["UTILITY", "--application", "portal", "--scope", "everything"], "invalid choice"),
        (["UTILITY", "--application", "portal", "--expires-in", "soon"], "not a duration"),
        (["UTILITY", "--application", "portal", "--expires-in", "0d"], "not between"),
        (["UTILITY", "--application", "portal", "--expires-in", "9999999w"], "not between"),
        (["UTILITY", "--application", "portal", "--expires-in", "-1d"], "expected one argument"),
    ],
)
def test_create_token_says_what_is_wrong(
    organisation: Organisation, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("create_token", *arguments)
    assert not ApiToken.objects.exists()
