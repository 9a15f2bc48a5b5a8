"""What a token must be able to do, beside belonging to somebody."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request as HttpRequest
from rest_framework.views import APIView

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.requests.submission import check_scope


class MayRead(BasePermission):
    """GET needs the scope ``read``. Other methods are checked where it is known what they do."""

    def has_permission(self, request: HttpRequest, view: APIView) -> bool:
        """Raises Fault 301 when the scope is missing."""
        if request.method in ("GET", "HEAD"):
            check_scope(find_caller(request), Scope.READ)
        return True


def find_caller(request: HttpRequest) -> Caller:
    """The authenticated caller of a view that only lets such in."""
    assert isinstance(request.user, Caller)
    return request.user


def find_scope(message: str) -> str:
    """The scope that sends a message, which is also the one that takes it back.

    One that this release does not know may be taken back by whoever sends bundles.
    """
    try:
        return find_operation(message).service
    except UnknownMessage:
        return Scope.BUNDLE
