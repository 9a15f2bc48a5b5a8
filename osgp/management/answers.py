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
    body["firmware_versions"] = [
        {
            "firmware_module_type": row.module_type,
            "version": row.version,
            "since": utc_text(row.since),
            "last_seen": utc_text(row.last_seen),
        }
        for row in device.firmware_versions
    ]
    return body
