"""The keys that come with AddDevice: decrypted, complete, and stored as ACTIVE."""

from collections.abc import Mapping
from typing import Any

from osgp.catalogue.communication import Security
from osgp.devices import keystore, transport_keys
from osgp.devices.models import MBUS_DEVICE_TYPES, Device, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.installation.device_parameters import MBUS_SECRETS, AddDeviceParameters
from osgp.requests import key_locks

KEY_TYPES = {
    "master_key": KeyType.E_METER_MASTER_KEY,
    "authentication_key": KeyType.E_METER_AUTHENTICATION_KEY,
    "encryption_key": KeyType.E_METER_ENCRYPTION_KEY_UNICAST,
    "lls_password": KeyType.LLS_PASSWORD,
    "mbus_default_key": KeyType.G_METER_MASTER_KEY,
    "mbus_user_key": KeyType.G_METER_ENCRYPTION_KEY,
    "mbus_firmware_update_authentication_key": KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY,
    "mbus_p0_key": KeyType.G_METER_OPTICAL_PORT_KEY,
}

NEEDED = {
    Security.HLS5: ("master_key", "authentication_key", "encryption_key"),
    Security.LLS: ("lls_password",),
    Security.NONE: (),
}


def check_keys(parameters: AddDeviceParameters) -> None:
    """Check the keys before the request is accepted, as far as this process can (transport_keys.check).

    Raises the faults of :func:`decrypt_keys`.
    """
    _require_needed(parameters)
    for name, text in _list_given(parameters):
        transport_keys.check(text, f"/{name}", KEY_TYPES[name])


def decrypt_keys(parameters: AddDeviceParameters) -> dict[KeyType, bytes]:
    """The secrets among the parameters, in the clear.

    Raises Fault 806 for a key that is needed and missing, 804 for one that cannot be decrypted, and 802 for
    one of a wrong length; each names the field. An E-meter needs the keys of its security; an M-Bus device
    needs all of its keys or none, as it may get them later.
    """
    _require_needed(parameters)
    return {
        KEY_TYPES[name]: transport_keys.decrypt(text, f"/{name}", KEY_TYPES[name])
        for name, text in _list_given(parameters)
    }


def _list_given(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, parameters[name]) for name in KEY_TYPES if name in parameters]


def _require_needed(parameters: AddDeviceParameters) -> None:
    needed: tuple[str, ...]
    if parameters["device_type"] in MBUS_DEVICE_TYPES:
        needed = MBUS_SECRETS if any(name in parameters for name in MBUS_SECRETS) else ()
        needs = "An M-Bus device with keys needs its"
    else:
        needed = NEEDED[parameters["security"]]
        needs = f"An electricity meter with security {parameters['security']} needs its"
    for name in needed:
        if name not in parameters:
            raise Fault(
                FaultCode.KEY_NOT_PRESENT,
                f"{needs} {name}.",
                component=Component.SECRET_MANAGEMENT,
                pointer=f"/{name}",
            )


def store_keys(device: Device, secrets: Mapping[KeyType, bytes]) -> None:
    """Make the secrets the ACTIVE ones; those that are so already get no new version.

    The invocation counter of an encryption key that is new to the platform is unknown until read from the
    meter; a key that was there before goes on where it was. Raises a retryable Fault while a visit changes
    keys of the device.
    """
    known = _find_active_keys(device, secrets)
    changed = {key_type: secret for key_type, secret in secrets.items() if known.get(key_type) != secret}
    if changed:
        key_locks.require_free(device.pk)
    keystore.store_new(device, changed)
    keystore.activate(device, list(changed))


def _find_active_keys(device: Device, key_types: Mapping[KeyType, bytes]) -> dict[KeyType, bytes]:
    try:
        return keystore.read_active_keys(device, list(key_types))
    except Fault as fault:
        # Registering a device anew is the way out when its stored keys cannot be read any more.
        if fault.code != FaultCode.READING_KEY_EXCEPTION:
            raise
        return {}
