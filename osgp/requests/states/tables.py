"""Names that the written-out statements of this package share."""

from osgp.devices.models import Device
from osgp.requests.models import Action, MeterSession, Request, SessionState

SESSIONS, REQUESTS, ACTIONS, DEVICES = (
    model._meta.db_table for model in (MeterSession, Request, Action, Device)
)

LIVE = (SessionState.OPENED, SessionState.CLAIMED)
