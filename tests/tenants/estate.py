"""What an organisation has, and how callers of the API name it (making.py makes it).

Each text of it has ``aquarius`` in it, and its readings begin with ``READ``: that is how an answer to others
is searched for it (traces.py).
"""

from dataclasses import dataclass, field
from typing import Any

from osgp import catalogue
from osgp.accounts.models import Organisation, User
from osgp.devices.models import Device, DeviceType
from osgp.faults import FaultCode
from osgp.messages.operation import Operation

NAME = "aquarius"
READ = "741296."
"""How its readings begin, in kWh."""
APPLICATION = "aquarius-app"
KEY = "aquarius-key"
"""An Idempotency-Key that it has used."""
PROFILE = "SMR-5.1"
"""Of its first meter."""
HIGH = 770001
"""A primary key that no other row of a test has."""
FAULT = {
    "code": int(FaultCode.CONNECTION_TIMED_OUT),
    "name": FaultCode.CONNECTION_TIMED_OUT.name,
    "message": f"{NAME} does not answer",
    "component": "PROTOCOL_DLMS",
    "retryable": True,
}


@dataclass
class Estate:
    """Organisation, devices and rows; ``names`` has by what callers of the API ask for them."""

    organisation: Organisation
    meter: Device
    gas_meter: Device
    user: User
    meters: dict[str, Device] = field(default_factory=dict)
    """A meter for each profile."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """The correlation UID of a request of each message that has succeeded."""
    names: dict[str, str] = field(default_factory=dict)

    def find_device(self, operation: Operation[Any, Any]) -> Device:
        """A device that a message is for, and that has what it needs."""
        if DeviceType.SMART_METER_E not in operation.device_types:
            return self.gas_meter
        return self.meters[choose_profile(operation).key]


def choose_profile(operation: Operation[Any, Any]) -> catalogue.Profile:
    """That of the first meter of the estate, unless it lacks what a message needs."""
    profiles = sorted(catalogue.list_profiles(), key=lambda profile: profile.key != PROFILE)
    return next(profile for profile in profiles if operation.supports(profile))
