"""What became of one push."""

from dataclasses import dataclass, field
from typing import Any

from osgp.alarms.models import PushOutcome, ReceivedPush
from osgp.devices.models import Device
from osgp.protocol_dlms.push.errors import PushError


@dataclass
class Finding:
    """``outcome`` is a PushOutcome, or the name of a PushFault. ``details`` is JSON for operators."""

    push: ReceivedPush
    outcome: str = PushOutcome.WAITING
    device: Device | None = None
    is_verified: bool = False
    is_counted: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def fail(self, error: PushError) -> None:
        """It could not be used."""
        self.outcome = error.kind.name
        self.details["reason"] = error.text
