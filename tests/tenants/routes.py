"""All URLs that the platform serves, from the URL table and from the routes of the stream."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

from osgp.messages.registry import list_operations
from osgp.requests.answers import build_route_name
from osgp.stream.application import make_application
from osgp.stream.hub import Hub

API = "api/v1/"
ADMIN = "admin/"
METHODS = ("get", "post", "put", "patch", "delete")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class Route(NamedTuple):
    """A pattern of the URL table, and the methods that its view has."""

    pattern: str
    methods: tuple[str, ...]
    name: str | None

    @property
    def parameters(self) -> list[str]:
        """The names of what is to be filled in."""
        return _PARAMETER.findall(self.pattern)

    def fill_in(self, values: dict[str, str]) -> str:
        """Return the path with these values."""
        return "/" + _PARAMETER.sub(lambda found: values[found[1]], self.pattern)


def list_routes() -> list[Route]:
    """All routes of the web processes."""
    return list(_walk(get_resolver().url_patterns, ""))


def list_message_patterns() -> dict[str, Any]:
    """The patterns of messages and of their outcomes, with the operation of each."""
    found = {}
    for operation in list_operations():
        name = build_route_name(operation)
        found[f"{API}{name}/"] = operation
        found[f"{API}{name}/<str:correlation_uid>/"] = operation
    return found


def list_stream_routes() -> list[Route]:
    """The routes of the process of the stream."""
    hub = Hub()
    try:
        return [
            Route(route.path, tuple(sorted(method.lower() for method in route.methods or ())), None)  # type: ignore[attr-defined]
            for route in make_application(hub).routes
        ]
    finally:
        hub.close()


def _walk(patterns: Sequence[URLPattern | URLResolver], begin: str) -> Iterator[Route]:
    for pattern in patterns:
        path = begin + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield Route(path, _find_methods(pattern.callback), pattern.name)


def _find_methods(view: Any) -> tuple[str, ...]:
    """Those that a class has; a function takes GET at least, and is asked with POST as well in the admin."""
    view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if view_class is None:
        return ("get",)
    return tuple(method for method in METHODS if hasattr(view_class, method))
