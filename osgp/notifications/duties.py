"""The duty of dispatchers for notifications: that a notifier attends to them."""

from osgp.events.models import Event
from osgp.notifications import attending, fanout, tasks
from osgp.notifications.models import Endpoint
from osgp.processes import duties

LOOK_EVERY = 1.0
"""Seconds."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("notifications", is_due, _attend, LOOK_EVERY))


def is_due() -> bool:
    """Return whether nobody attends to notifications although somebody may want them.

    With an endpoint there is always an attendant, so that events do not wait for one.
    """
    return not attending.is_attended() and (Endpoint.objects.exists() or _has_news())


def _has_news() -> bool:
    unnumbered = Event.objects.filter(position__isnull=True).order_by()
    return unnumbered.exists() or Event.objects.filter(position__gt=fanout.find_position()).exists()


def _attend() -> None:
    tasks.attend.apply_async(expires=duties.HINT_LIFETIME)
