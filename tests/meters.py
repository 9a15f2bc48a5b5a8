"""Simulated meters that the platform knows, for tests that go all the way to a meter and back."""

import uuid
from typing import Any

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.requests import states
from osgp.requests.models import MeterSession
from osgp.simulator import SimulatorThread
from osgp.visits.visit import visit_meter
from tests import factories

KEY_TYPES = {
    "master_key": KeyType.E_METER_MASTER_KEY,
    "authentication_key": KeyType.E_METER_AUTHENTICATION_KEY,
    "encryption_key": KeyType.E_METER_ENCRYPTION_KEY_UNICAST,
    "mbus_default_key": KeyType.G_METER_MASTER_KEY,
    "mbus_user_key": KeyType.G_METER_ENCRYPTION_KEY,
    "mbus_firmware_update_authentication_key": KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY,
    "mbus_p0_key": KeyType.G_METER_OPTICAL_PORT_KEY,
}


def add_meters(
    organisation: Organisation, simulator: SimulatorThread, *, prefix: str = ""
) -> dict[str, Device]:
    """A device row with its keys for each meter of the simulator, in its order.

    With a prefix of their identifications, the same meters are registered once more.
    """
    devices: dict[str, Device] = {}
    for described in simulator.fleet.describe():
        fields: dict[str, Any] = dict(described["add_device"])
        identification = prefix + fields.pop("device_identification")
        fields["time_zone"] = fields.pop("timezone")
        if "transport" in fields:
            fields["framing"] = fields.pop("transport")
        if "gateway" in fields:
            fields["gateway"] = devices[prefix + fields["gateway"]]
        device = factories.make_device(identification, owner=organisation, **{"network_address": ""} | fields)
        keys = {
            KEY_TYPES[name]: bytes.fromhex(value)
            for name, value in described["keys"].items()
            if name in KEY_TYPES
        }
        if password := described["keys"].get("lls_password"):
            keys[KeyType.LLS_PASSWORD] = password.encode()
        keystore.store_new(device, keys)
        keystore.activate(device, list(keys))
        devices[identification] = device
    return devices


def open_session(meter: Device) -> MeterSession:
    """What the dispatcher does for a meter with due work."""
    [session] = [session for session in states.open_sessions(100).sessions if session.meter_id == meter.pk]
    return session


def visit(meter: Device) -> uuid.UUID:
    """Dispatch and carry out what is due for one meter; returns the session's id."""
    session = open_session(meter)
    assert visit_meter(session.pk, session.token, worker="test")
    return session.pk
