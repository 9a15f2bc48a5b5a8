"""Names that the SQL statements of this package share."""

from osgp.devices.models import Device
from osgp.requests.models import Action, MeterSession, Request
from osgp.requests.states.transitions import SessionTransitions

SESSIONS, REQUESTS, ACTIONS, DEVICES = (
    model._meta.db_table for model in (MeterSession, Request, Action, Device)
)

LIVE = SessionTransitions.LOSE.sources
"""States of a meter session that keep other visits from its meter."""
