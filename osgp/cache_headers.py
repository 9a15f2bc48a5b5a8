"""Who may keep answers: nobody, unless a view says otherwise. They hold what meters measured."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase


class NoStoreMiddleware:
    """Adds ``Cache-Control: no-store`` to answers that have none of their own; behind what serves files."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        response = self._get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
