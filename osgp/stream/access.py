"""Who may listen: applications with their token, and operators' pages with the cookie of a signed-in user.

Both are looked at again while they listen. A cookie goes with every call that a browser makes, whichever page
made it; so it counts only in calls that do not come from pages of another origin.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated

from osgp import platform_time
from osgp.accounts.authentication import authenticate_bearer
from osgp.accounts.functions import Scope
from osgp.accounts.models import ApiToken, User
from osgp.faults import Component, Fault, FaultCode
from osgp.requests.submission import check_scope
from osgp.sql import is_one_of

PERMISSION = "requests.view_request"
"""What a user needs to listen: events tell of requests."""
OWN_SITES = {"same-origin", "none"}
"""Values of Sec-Fetch-Site: a page of the same origin, and no page at all (an address that was typed)."""

_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
"""What Django takes for ALLOWED_HOSTS when it is empty and DEBUG is on."""


@dataclass(frozen=True)
class Access:
    """What was proved by a call. ``organisation``: None for operators of the platform, who see all.

    One of the last two says what to look at again: the key of a token, or that of a session. The latter is a
    secret, and is not shown.
    """

    organisation: int | None
    token: int | None = None
    session: str = ""

    def __repr__(self) -> str:
        return f"Access(organisation={self.organisation})"


def check_host(host: str) -> None:
    """Raise Fault 401 for a Host header that is not in ALLOWED_HOSTS."""
    allowed = settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else [])
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, allowed):
        raise Fault(FaultCode.VALIDATION_ERROR, "The Host header is none of the platform's.", pointer="/Host")


def authenticate(headers: Mapping[str, str], cookies: Mapping[str, str]) -> Access:
    """Return who is calling; names of ``headers`` are lower case. Uses the database.

    Raises NotAuthenticated, AuthenticationFailed, or a Fault: 104 for a disabled organisation, 301 where
    scope or permission is missing.
    """
    if header := headers.get("authorization"):
        caller, token = authenticate_bearer(header)
        check_scope(caller, Scope.READ)
        return Access(caller.organisation.pk, token=token.pk)
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    if not session:
        raise NotAuthenticated("A token in the Authorization header is needed, or the cookie of a user.")
    if not _is_same_origin(headers):
        raise _refuse("A page of another origin may not use the cookie of a signed-in user.")
    user = _find_user(session)
    if user is None:
        raise AuthenticationFailed("Nobody is signed in any more.")
    if not user.is_staff or not user.has_perm(PERMISSION):
        raise _refuse(f"The user does not have the permission {PERMISSION}.")
    if user.organisation is not None and not user.organisation.enabled:
        raise Fault(
            FaultCode.DISABLED_ORGANISATION,
            f"Organisation {user.organisation.identification} is disabled.",
            component=Component.WEB_SERVICE,
        )
    return Access(user.organisation_id, session=session)


def find_withdrawn(accesses: Collection[Access]) -> set[Access]:
    """Return those that would be refused by now. Uses the database: one query for all tokens, two or three
    for each session.
    """
    tokens = {access.token for access in accesses if access.token is not None}
    now = platform_time.now()
    valid = {
        token.pk
        for token in ApiToken.objects.select_related("organisation").filter(is_one_of("id", tokens))
        if token.is_valid(now) and token.organisation.enabled and Scope.READ in token.scopes
    }
    return {
        access
        for access in accesses
        if (access.token not in valid if access.token is not None else not _may_still_listen(access))
    }


def _may_still_listen(access: Access) -> bool:
    user = _find_user(access.session)
    return (
        user is not None
        and user.is_staff
        and user.has_perm(PERMISSION)
        and user.organisation_id == access.organisation
        and (user.organisation is None or user.organisation.enabled)
    )


def _find_user(session_key: str) -> User | None:
    """The active user of a session, as Django finds it."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return user if isinstance(user, User) and user.is_active else None


def _is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a call was not made by a page of another origin, as far as its browser tells.

    Browsers send Sec-Fetch-Site over HTTPS and to this machine, and Origin with calls to other origins.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in OWN_SITES:
        return False
    origin = headers.get("origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    return bool(origin) and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _refuse(reason: str) -> Fault:
    return Fault(FaultCode.UNAUTHORIZED, reason, component=Component.WEB_SERVICE)
