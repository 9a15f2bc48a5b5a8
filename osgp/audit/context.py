"""On whose behalf this thread works: who did something, and from where, for the audit trail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase

from osgp.web_addresses import client_address

LONGEST_ACTOR = 160
COMMAND_LINE = "command line"


@dataclass
class Actor:
    """Who acts. ``name`` is the application, ``admin/`` and a user, or the command line.

    ``details`` is told with every entry. Of a call over the web nothing is known until it is authenticated:
    a signed-in user is looked up when the first entry is made.
    """

    name: str = ""
    organisation: str = ""
    address: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    correlation_uid: UUID | None = None
    request: HttpRequest | None = None

    def resolve(self) -> None:
        """Find out who is signed in, if it is a call of which that is not known yet."""
        if self.name or self.request is None:
            return
        user: Any = getattr(self.request, "user", None)
        if user is not None and user.is_authenticated:
            organisation = user.organisation
            self.name = name_person(user.get_username())
            self.organisation = organisation.identification if organisation else ""


_actor: ContextVar[Actor | None] = ContextVar("audit_actor", default=None)


def name_person(username: str) -> str:
    """Return how entries call a person who is signed in."""
    return f"admin/{username}"[:LONGEST_ACTOR]


def find_actor() -> Actor | None:
    """Return on whose behalf this thread works; None: the platform's own."""
    actor = _actor.get()
    if actor is not None:
        actor.resolve()
    return actor


def note_caller(application: str, organisation: str) -> None:
    """Say whose token the call has that is being answered. Outside of calls it says nothing."""
    actor = _actor.get()
    if actor is not None and actor.request is not None:
        actor.name, actor.organisation = application, organisation


@contextmanager
def acting(actor: Actor) -> Iterator[Actor]:
    """Within the block, this thread works on behalf of ``actor``."""
    token = _actor.set(actor)
    try:
        yield actor
    finally:
        _actor.reset(token)


@contextmanager
def acting_for_nobody() -> Iterator[None]:
    """Within the block, changes are the platform's own, or told of by the caller as a whole."""
    token = _actor.set(None)
    try:
        yield
    finally:
        _actor.reset(token)


class AuditMiddleware:
    """Binds the caller of each call over the web; anywhere before the views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        with acting(Actor(address=client_address(request), request=request)):
            return self._get_response(request)
