"""The routes of the stream's own process, as others call them while an organisation is told of its events."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from osgp.accounts.functions import Scope
from osgp.accounts.models import ApiToken, User
from osgp.stream.application import PATH
from tests import factories
from tests.stream.listening import Serving, tell
from tests.stream.test_access import sign_in
from tests.tenants.routes import list_stream_routes

LINES = {
    (PATH, "get"): "events of the caller's organisation",
    ("/healthz", "get"): "says that the process lives",
    ("/healthz", "head"): "likewise",
    ("/readyz", "get"): "says whether the database answers",
    ("/readyz", "head"): "likewise",
}
DEVICE = "AQUARIUSMETER1"


def test_no_route_without_a_line() -> None:
    served = {(route.pattern, method) for route in list_stream_routes() for method in route.methods}
    assert served == LINES.keys()


@pytest.mark.parametrize("by", ["token", "cookie"])
def test_strangers(stream: Serving, by: str) -> None:
    """Whatever they ask for, they are told of their own only."""
    owner, other = factories.make_organisation("AQUARIUS"), factories.make_organisation("STRANGER")
    token, headers = factories.make_token(other), {}
    if by == "cookie":
        user = User.objects.create_user("stranger", is_staff=True, organisation=other)
        user.user_permissions.set(Permission.objects.all())
        token, headers = "", {"Cookie": sign_in(user)}
    tell(owner, device=DEVICE, by="aquarius")
    for query in (
        "?last_event_id=0",
        f"?last_event_id=0&device={DEVICE}",
        "?last_event_id=0&kind=system.event",
    ):
        with stream.listen(token, query, **headers) as listener:
            assert listener.status == 200
            tell(owner, device=DEVICE, by="aquarius")
            own = tell(other, device=DEVICE)
            numbers = []
            while own not in numbers:
                event = listener.read_event()
                assert "aquarius" not in str(event.body)
                assert "organisation" not in event.body
                numbers.append(event.number)


def test_tokens_that_are_not_enough(stream: Serving) -> None:
    owner = factories.make_organisation("AQUARIUS")
    tell(owner, device=DEVICE)
    expired = factories.make_token(owner, expires_at=timezone.now() - timedelta(seconds=1))
    revoked = factories.make_token(owner, application="revoked")
    ApiToken.objects.filter(application="revoked").update(revoked_at=timezone.now())
    refused = {
        "": (401, None),
        expired: (401, None),
        revoked: (401, None),
        factories.make_token(owner, scopes=[scope for scope in Scope if scope != Scope.READ]): (403, 301),
        factories.make_token(factories.make_organisation("DISABLED", enabled=False)): (403, 104),
    }
    for token, expected in refused.items():
        with stream.listen(token, "?last_event_id=0") as listener:
            problem = listener.read_problem()
            assert (listener.status, problem["code"]) == expected
            assert "AQUARIUS" not in str(problem)
