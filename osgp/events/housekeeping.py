"""How long events are kept: as long as readers of the live stream may resume."""

from osgp.events.models import Event
from osgp.processes import retention


def register() -> None:
    """Register what is deleted; called at start-up."""
    retention.register(retention.make_kind("events", Event, "created_at", "EVENT_RETENTION"))
