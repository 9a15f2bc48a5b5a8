"""Scopes that views need beside a valid token."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request as HttpRequest
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.requests.submission import check_scope


class MayRead(BasePermission):
    """GET needs the scope ``read``. Views check the scopes of other methods themselves."""

    def has_permission(self, request: HttpRequest, view: APIView) -> bool:
        """Raise Fault 301 if the scope is missing."""
        if request.method in ("GET", "HEAD"):
            check_scope(find_caller(request), Scope.READ)
        return True


def find_caller(request: HttpRequest) -> Caller:
    """Return the caller of a view that requires authentication."""
    assert isinstance(request.user, Caller)
    return request.user


def find_scope(message: str) -> str:
    """Return the scope to send a message, which also serves to cancel it.

    For a message that this release does not know, it is that of bundles.
    """
    try:
        return find_operation(message).service
    except UnknownMessage:
        return Scope.BUNDLE
