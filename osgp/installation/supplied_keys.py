"""The keys that come with AddDevice: decrypted, complete, and stored as ACTIVE."""

from collections.abc import Mapping
from typing import Any

from osgp.catalogue.communication import Security
from osgp.devices import invocation_counters, keystore, transport_keys
from osgp.devices.models import MBUS_DEVICE_TYPES, Device, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.installation.device_parameters import AddDeviceParameters

KEY_TYPES = {
    "master_key": KeyType.E_METER_MASTER_KEY,
    "authentication_key": KeyType.E_METER_AUTHENTICATION_KEY,
    "encryption_key": KeyType.E_METER_ENCRYPTION_KEY_UNICAST,
    "lls_password": KeyType.LLS_PASSWORD,
    "mbus_default_key": KeyType.G_METER_MASTER_KEY,
}

NEEDED = {
    Security.HLS5: ("master_key", "authentication_key", "encryption_key"),
    Security.LLS: ("lls_password",),
    Security.NONE: (),
}


def decrypt_keys(parameters: AddDeviceParameters) -> dict[KeyType, bytes]:
    """The secrets among the parameters, in the clear.

    Raises Fault 806 for a key that the security of an E-meter needs and that is missing, 804 for one that
    cannot be decrypted, and 802 for one of a wrong length; each names the field.
    """
    given: Mapping[str, Any] = parameters
    if parameters["device_type"] not in MBUS_DEVICE_TYPES:
        for name in NEEDED[parameters["security"]]:
            if name not in given:
                raise Fault(
                    FaultCode.KEY_NOT_PRESENT,
                    f"An electricity meter with security {parameters['security']} needs its {name}.",
                    component=Component.SECRET_MANAGEMENT,
                    pointer=f"/{name}",
                )
    return {
        key_type: transport_keys.decrypt(given[name], f"/{name}", key_type)
        for name, key_type in KEY_TYPES.items()
        if name in given
    }


def store_keys(device: Device, secrets: Mapping[KeyType, bytes]) -> None:
    """Make the secrets the ACTIVE ones; those that are so already get no new version.

    A meter whose encryption key is another than ever before begins its invocation counter anew: it is
    unknown until read from the meter. With a key that it may have had it goes on, or values would repeat.
    """
    known = _find_active_keys(device, secrets)
    changed = {key_type: secret for key_type, secret in secrets.items() if known.get(key_type) != secret}
    encryption_key = changed.get(KeyType.E_METER_ENCRYPTION_KEY_UNICAST)
    if encryption_key is not None and not _may_have_had(device, encryption_key):
        invocation_counters.reset_after_key_change(device.pk, None)
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


def _may_have_had(device: Device, encryption_key: bytes) -> bool:
    try:
        return keystore.has_had(device, KeyType.E_METER_ENCRYPTION_KEY_UNICAST, encryption_key)
    except Fault as fault:
        if fault.code != FaultCode.READING_KEY_EXCEPTION:
            raise
        return True
