"""Scopes that steering batches and schedules needs."""

from osgp.accounts.caller import Caller
from osgp.batches.models import Scheduling
from osgp.requests.api.permissions import find_scope
from osgp.requests.submission import check_scope


def check_scopes(caller: Caller, row: Scheduling) -> None:
    """Raise Fault 301 unless the token has the scopes of a message and, if it is a bundle, of all actions."""
    for message in (row.message, *row.messages):
        check_scope(caller, find_scope(message))
