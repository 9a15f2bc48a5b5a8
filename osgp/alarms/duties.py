"""The duty of dispatchers for pushes that wait to be decoded."""

from osgp.alarms import tasks
from osgp.alarms.models import PushOutcome, ReceivedPush
from osgp.processes import duties

LOOK_EVERY = 0.5
"""Seconds."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("pushes", is_due, _decode, LOOK_EVERY))


def is_due() -> bool:
    """Return whether a push waits."""
    return ReceivedPush.objects.filter(outcome=PushOutcome.WAITING).order_by().exists()


def _decode() -> None:
    tasks.decode.apply_async(expires=duties.HINT_LIFETIME)
