"""Who may listen, and for how long."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.functions import Scope
from osgp.accounts.models import ApiToken, Organisation, User
from osgp.stream.access import Access
from tests import factories
from tests.stream.listening import Serving, tell


def sign_in(user: User) -> str:
    """The cookie of a user."""
    browser = Client()
    browser.force_login(user)
    return f"sessionid={browser.cookies['sessionid'].value}"


def make_user(organisation: Organisation | None = None, *, may_view: bool = True, **fields: bool) -> User:
    user = User.objects.create_user(
        "person", password="secret of a person", organisation=organisation, **{"is_staff": True} | fields
    )
    if may_view:
        user.user_permissions.add(Permission.objects.get(codename="view_request"))
    return user


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("", "A token in the Authorization header is needed, or the cookie of a user."),
        ("Basic dXNlcjpzZWNyZXQ=", "The Authorization header must be 'Bearer' and an API token."),
        ("Bearer osgp_" + "x" * 43, "The token is unknown, revoked or expired."),
    ],
    ids=["none", "other scheme", "unknown"],
)
def test_without_a_token_nobody_listens(stream: Serving, header: str, detail: str) -> None:
    with stream.listen(**({"Authorization": header} if header else {})) as listener:
        assert listener.status == 401
        assert listener.headers["WWW-Authenticate"] == "Bearer"
        assert listener.read_problem()["detail"] == detail


def test_tokens_that_are_not_enough(stream: Serving, organisation: Organisation) -> None:
    past = timezone.now() - timedelta(seconds=1)
    with stream.listen(factories.make_token(organisation, expires_at=past)) as listener:
        assert listener.status == 401
    with stream.listen(factories.make_token(organisation, scopes=[Scope.ADHOC])) as listener:
        assert listener.status == 403
        assert listener.read_problem()["code"] == 301
    token = factories.make_token(organisation)
    Organisation.objects.update(enabled=False)
    with stream.listen(token) as listener:
        assert listener.status == 403
        assert listener.read_problem()["code"] == 104


def _revoke() -> None:
    ApiToken.objects.filter(application="ended").update(revoked_at=timezone.now())


def _expire() -> None:
    ApiToken.objects.filter(application="ended").update(expires_at=timezone.now())


def _delete() -> None:
    ApiToken.objects.filter(application="ended").delete()


def _take_scope() -> None:
    ApiToken.objects.filter(application="ended").update(scopes=[Scope.ADHOC])


def _disable() -> None:
    Organisation.objects.filter(identification="ENDED").update(enabled=False)


@pytest.mark.usefixtures("quick_rechecks")
@pytest.mark.parametrize("end", [_revoke, _expire, _delete, _take_scope, _disable])
def test_a_token_that_ends_ends_the_stream(
    stream: Serving, organisation: Organisation, end: Callable[[], None]
) -> None:
    ended = factories.make_organisation("ENDED")
    token = factories.make_token(ended, application="ended")
    with (
        stream.listen(token) as listener,
        stream.listen(factories.make_token(organisation)) as other,
    ):
        number = tell(ended)
        assert listener.read_numbers(1) == [number]
        end()
        assert all("data" not in block.fields for block in listener.read_to_the_end())
        number = tell(organisation)
        assert other.read_numbers(1) == [number]
    with stream.listen(token) as listener:
        assert listener.status in (401, 403)


def test_users_see_the_events_of_their_organisation(
    stream: Serving, organisation: Organisation, other_organisation: Organisation
) -> None:
    cookie = sign_in(make_user(organisation))
    with stream.listen(Cookie=cookie) as listener:
        tell(other_organisation)
        number = tell(organisation)
        event = listener.read_event()
    assert event.number == number
    assert "organisation" not in event.body


def test_operators_see_all_events_and_whose_they_are(
    stream: Serving, organisation: Organisation, other_organisation: Organisation
) -> None:
    cookie = sign_in(make_user())
    with stream.listen(Cookie=cookie) as listener:
        numbers = [tell(organisation), tell(other_organisation)]
        events = [listener.read_event(), listener.read_event()]
    assert [event.number for event in events] == numbers
    assert [event.body["organisation"] for event in events] == ["UTILITY", "STRANGER"]
    with stream.listen(query="?last_event_id=0", Cookie=cookie) as again:
        assert again.read_numbers(2) == numbers


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"is_staff": False}, 403), ({"is_active": False}, 401), ({"may_view": False}, 403)],
    ids=["no staff", "not active", "no permission"],
)
def test_users_who_may_not_listen(
    stream: Serving, organisation: Organisation, fields: dict[str, bool], status: int
) -> None:
    cookie = sign_in(make_user(organisation, **fields))
    with stream.listen(Cookie=cookie) as listener:
        assert listener.status == status


def test_users_of_a_disabled_organisation_may_not_listen(stream: Serving, organisation: Organisation) -> None:
    cookie = sign_in(make_user(organisation))
    Organisation.objects.update(enabled=False)
    with stream.listen(Cookie=cookie) as listener:
        assert listener.status == 403
        assert listener.read_problem()["code"] == 104


def _deactivate(user: User, browser: Client) -> None:
    User.objects.update(is_active=False)


def _take_permission(user: User, browser: Client) -> None:
    user.user_permissions.clear()


def _change_password(user: User, browser: Client) -> None:
    user.set_password("another secret of a person")
    user.save()


def _sign_out(user: User, browser: Client) -> None:
    browser.logout()


def _move(user: User, browser: Client) -> None:
    User.objects.update(organisation=factories.make_organisation("OTHER"))


@pytest.mark.usefixtures("quick_rechecks")
@pytest.mark.parametrize("end", [_deactivate, _take_permission, _change_password, _sign_out, _move])
def test_a_session_that_ends_ends_the_stream(
    stream: Serving,
    organisation: Organisation,
    end: Callable[[User, Client], None],
) -> None:
    user, browser = make_user(organisation), Client()
    browser.force_login(user)
    with stream.listen(Cookie=f"sessionid={browser.cookies['sessionid'].value}") as listener:
        number = tell(organisation)
        assert listener.read_numbers(1) == [number]
        end(user, browser)
        listener.read_to_the_end()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "http://localhost:8000", "Host": "localhost:8000"}, 200),
        ({"Origin": "http://localhost:9000", "Host": "localhost:8000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://platform.example"}, 200),
        ({"Origin": "https://platform.example", "Sec_Fetch_Site": "cross-site"}, 403),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else str(value),
)
def test_cookies_count_in_calls_of_the_same_origin_only(
    stream: Serving, settings: Settings, organisation: Organisation, headers: dict[str, str], status: int
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://platform.example"]
    cookie = sign_in(make_user(organisation))
    with stream.listen(Cookie=cookie, **headers) as listener:
        assert listener.status == status
        assert listener.headers["Access-Control-Allow-Origin"] is None
    # A token is no cookie: no browser sends it unless a page has it.
    with stream.listen(factories.make_token(organisation), **headers) as listener:
        assert listener.status == 200


def test_other_host_names_are_refused(stream: Serving, token: str) -> None:
    with stream.listen(token, Host="evil.example") as listener:
        assert listener.status == 400
        assert listener.read_problem()["errors"][0]["pointer"] == "/Host"


def test_sessions_are_not_shown() -> None:
    assert "secret" not in repr(Access(1, session="secret"))
