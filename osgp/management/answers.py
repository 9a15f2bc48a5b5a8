"""Devices as JSON, for the REST API and the command line."""

from typing import Any

from osgp.device_groups.listing import ListedDevice
from osgp.messages.serializers import utc_text


def describe_device(device: ListedDevice) -> dict[str, Any]:
    """Return a device as API and command line show it."""
    body: dict[str, Any] = device._asdict()
    as_of = body.pop("relay_status_as_of")
    if device.relay_status:
        body["relay_status"] = {"status": device.relay_status, "as_of": utc_text(as_of) if as_of else None}
    else:
        body["relay_status"] = None
    return body
