"""Publishing of many hints to visit meters at a time."""

from collections.abc import Sequence
from functools import partial

from kombu import Producer

from osgp.processes.publishing import BulkPublisher
from osgp.requests.models import MeterSession
from osgp.visits import tasks
from osgp.visits.hint_display import describe_hints


class Publisher(BulkPublisher):
    """The connection of a dispatcher to the broker."""

    def publish(self, sessions: Sequence[MeterSession]) -> None:
        """Send a hint for each meter session. Raises kombu's OperationalError unless all arrive."""
        shown = describe_hints(sessions)
        self.send_all(partial(_send, session, shown[session.pk]) for session in sessions)


def _send(session: MeterSession, shown: str, producer: Producer) -> None:
    tasks.visit_meter.apply_async(
        args=(str(session.pk), str(session.token)),
        argsrepr=shown,
        kwargsrepr="{}",
        priority=session.priority,
        producer=producer,
        retry=False,
    )
