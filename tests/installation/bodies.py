"""AddDevice parameters as a caller sends them."""

from typing import Any

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.devices.transport_keys import encrypt_for_platform, export_public_key
from osgp.installation.add_device import AddDevice
from osgp.installation.device_parameters import MBUS_SECRETS
from osgp.installation.supplied_keys import KEY_TYPES
from osgp.messages.operation import Sender

IDENTIFICATION = "E0099999999999999"
MASTER, AUTHENTICATION, ENCRYPTION, OTHER = (bytes([value]) * 16 for value in (1, 2, 3, 4))
E_METER_KEYS = {"master_key": MASTER, "authentication_key": AUTHENTICATION, "encryption_key": ENCRYPTION}
MBUS_KEYS = {name: bytes([0xA0 + number]) * 16 for number, name in enumerate(MBUS_SECRETS)}
ACTIVE_E_METER_KEYS = {KEY_TYPES[name]: secret for name, secret in E_METER_KEYS.items()}


def encrypted(secrets: dict[str, bytes]) -> dict[str, str]:
    """Keys by their field names, under the platform's public key."""
    pem = export_public_key()
    return {name: encrypt_for_platform(pem, secret) for name, secret in secrets.items()}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def e_meter(keys: dict[str, bytes] | None = None, **changes: Any) -> dict[str, Any]:
    """An HLS5 electricity meter with the keys above."""
    return {
        "device_type": "SMART_METER_E",
        "protocol_name": "SMR",
        "protocol_version": "5.1",
        "communication_method": "LTE",
        "network_address": "10.0.0.1",
        "transport": "WRAPPER",
        "security": "HLS5",
        **encrypted(E_METER_KEYS if keys is None else keys),
        **changes,
    }


def gas_meter(**changes: Any) -> dict[str, Any]:
    """A gas meter that is not coupled."""
    return {
        "device_type": "SMART_METER_G",
        "protocol_name": "SMR",
        "protocol_version": "5.1",
        "mbus_identification_number": "12056731",
        "mbus_manufacturer": "LGB",
        "mbus_version": 66,
        "mbus_device_type": 3,
        **changes,
    }


def check(organisation: Organisation, body: dict[str, Any], identification: str = IDENTIFICATION) -> None:
    """What submitting does before anything is stored."""
    operation = AddDevice()
    device = Device.objects.filter(identification=identification).first()
    operation.check(Sender(organisation, "portal"), device, operation.parse(body))


def add(
    organisation: Organisation, body: dict[str, Any], identification: str = IDENTIFICATION
) -> tuple[Device, bool]:
    """Carry it out as it is stored; the device and whether it was created."""
    operation = AddDevice()
    stored = operation.represent_parameters(operation.parse(body))
    device, result = operation.perform(
        Sender(organisation, "portal"), identification, operation.parse(stored)
    )
    shown = operation.represent_result(result)
    assert shown["device_identification"] == identification
    return Device.objects.get(pk=device.pk), shown["created"]
