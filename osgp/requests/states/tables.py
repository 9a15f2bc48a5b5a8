"""Names that the written-out statements of this package share."""

from osgp.requests.models import Action, MeterSession, Request, SessionState

SESSIONS, REQUESTS, ACTIONS = (model._meta.db_table for model in (MeterSession, Request, Action))

LIVE = (SessionState.OPENED, SessionState.CLAIMED)
