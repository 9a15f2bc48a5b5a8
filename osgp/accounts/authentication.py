"""Token authentication: ``Authorization: Bearer osgp_…``."""

import re
from datetime import datetime, timedelta

from django.db.models import Q
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from osgp import platform_time
from osgp.accounts.caller import Caller
from osgp.accounts.models import ApiToken
from osgp.audit.context import note_caller
from osgp.faults import Component, Fault, FaultCode

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""Resolution of ``last_used_at``: a busy application must not cost a write per call."""

_BEARER = re.compile(r"Bearer +(osgp_[A-Za-z0-9_-]{43})\Z", re.IGNORECASE | re.ASCII)
_REFUSAL = "The token is unknown, revoked or expired."


class TokenAuthentication(BaseAuthentication):
    """Finds the caller by the digest of its token, in one query.

    Without an Authorization header there is no caller, and views answer 401. They do the same when the header
    is malformed or the token unknown, revoked or expired; the answer does not say which.
    """

    def authenticate(self, request: Request) -> tuple[Caller, ApiToken] | None:
        """Return the caller and its token, or None without a header.

        Raises AuthenticationFailed, or Fault 104 for a disabled organisation.
        """
        header = request.META.get("HTTP_AUTHORIZATION")
        return authenticate_bearer(header) if header else None

    def authenticate_header(self, request: Request) -> str:
        """Return the WWW-Authenticate header of a 401 (RFC 6750 section 3)."""
        return "Bearer"


def authenticate_bearer(header: str) -> tuple[Caller, ApiToken]:
    """Return the caller whose token an Authorization header has, and the token.

    Raises AuthenticationFailed, or Fault 104 for a disabled organisation.
    """
    match = _BEARER.match(header)
    if match is None:
        raise AuthenticationFailed("The Authorization header must be 'Bearer' and an API token.")
    asked = platform_time.read_uptime()
    token = (
        ApiToken.objects.select_related("organisation")
        .filter(digest=ApiToken.compute_digest(match[1]))
        .annotate(database_now=Now())
        .first()
    )
    if token is None:
        raise AuthenticationFailed(_REFUSAL)
    # In passing: no web process needs a statement of its own to know the platform's time.
    platform_time.note(asked, token.database_now, platform_time.read_uptime())
    now = platform_time.now()
    if not token.is_valid(now):
        raise AuthenticationFailed(_REFUSAL)
    organisation = token.organisation
    if not organisation.enabled:
        raise Fault(
            FaultCode.DISABLED_ORGANISATION,
            f"Organisation {organisation.identification} is disabled.",
            component=Component.WEB_SERVICE,
        )
    _note_use(token, now)
    note_caller(token.application, organisation.identification)
    return Caller(organisation, token.application, frozenset(token.scopes)), token


def _note_use(token: ApiToken, now: datetime) -> None:
    stale = now - LAST_USED_RESOLUTION
    if token.last_used_at is not None and token.last_used_at > stale:
        return
    ApiToken.objects.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale), pk=token.pk).update(
        last_used_at=now
    )
