"""Giving an M-Bus device a new key: what the messages that do so have in common.

The key is stored before the meter gets it, and becomes the active one when the meter has taken it. After a
failure in between, the next attempt makes another key, so that the stored one is never used.
"""

import secrets
from collections.abc import Callable

from osgp.catalogue import MbusKeyWrapping
from osgp.cosem.mbus_key_wrapping import (
    KEY_OCTETS,
    MbusKeyId,
    count_seconds,
    encode_device,
    encode_key_record,
    wrap_with_cbc,
    wrap_with_gcm,
)
from osgp.devices.models import KeyType
from osgp.faults import Fault, FaultCode
from osgp.messages.device_keys import DeviceKeys
from osgp.messages.needs import KeyWrapping, key_wrapping
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType

TAG = "MBUS_CLIENT_SETUP"
USER_KEY = KeyType.G_METER_ENCRYPTION_KEY
OPTICAL_PORT_KEY = KeyType.G_METER_OPTICAL_PORT_KEY
FORMS: dict[KeyType, KeyWrapping] = {
    USER_KEY: key_wrapping(MbusKeyWrapping.CBC, MbusKeyWrapping.GCM),
    KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY: key_wrapping(MbusKeyWrapping.GCM),
    OPTICAL_PORT_KEY: key_wrapping(MbusKeyWrapping.GCM),
}
"""The keys that can be given, and what profiles need for them. AES-CBC does not tell which key it is."""

_KEY_IDS = {
    USER_KEY: MbusKeyId.USER_KEY,
    KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY: MbusKeyId.FIRMWARE_UPDATE_AUTHENTICATION_KEY,
    OPTICAL_PORT_KEY: MbusKeyId.OPTICAL_PORT_KEY,
}
_CLOSING_KEY = bytes(KEY_OCTETS)

_Wrap = Callable[[bytes], bytes]


def replace_key(meter: VisitedMeter, keys: DeviceKeys, key_type: KeyType, channel: int | None = None) -> None:
    """Give an M-Bus device a new, random key of one of the types in ``FORMS``; the profile has the form.

    ``keys`` are those of the M-Bus device; ``channel`` is 1..4, by default that of the visited device. Raises
    Fault 806 without a default key and 401 for an unknown device, both before anything is stored.
    """
    wrap = _prepare_wrapping(meter, keys, key_type)
    key = secrets.token_bytes(KEY_OCTETS)
    keys.store_new({key_type: key})
    wrapped = wrap(key)
    if key_type == USER_KEY:
        # The electricity meter passes the wrapped key on, and needs the plain one to read what it is sent.
        meter.action(TAG, "transfer_key", Data(DataType.OCTET_STRING, wrapped), channel)
        meter.action(TAG, "set_encryption_key", Data(DataType.OCTET_STRING, key), channel)
    else:
        meter.action(TAG, "data_send", encode_key_record(wrapped), channel)
    keys.activate(key_type)


def close_optical_port(meter: VisitedMeter, keys: DeviceKeys) -> None:
    """Give the visited M-Bus device an optical port key of zeros. No stored key changes.

    Raises as :func:`replace_key` does.
    """
    wrapped = _prepare_wrapping(meter, keys, OPTICAL_PORT_KEY)(_CLOSING_KEY)
    meter.action(TAG, "data_send", encode_key_record(wrapped))


def check_mbus_name(identification: str, identification_number: str, manufacturer: str) -> None:
    """Raise Fault 401 for a device whose M-Bus identification number or manufacturer is unknown, or none."""
    try:
        encode_device(identification_number, manufacturer)
    except ValueError as error:
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"Keys cannot be encrypted for {identification}, as the platform has it: {error}.",
        ) from None


def _prepare_wrapping(meter: VisitedMeter, keys: DeviceKeys, key_type: KeyType) -> _Wrap:
    """Return what encrypts one key under the default key, after all that can fail without one."""
    default_key = keys.read_active(KeyType.G_METER_MASTER_KEY)[KeyType.G_METER_MASTER_KEY]
    if meter.profile.mbus_key_wrapping is MbusKeyWrapping.CBC:
        return lambda key: wrap_with_cbc(default_key, key)
    number, manufacturer = keys.mbus_identification_number, keys.mbus_manufacturer
    check_mbus_name(keys.identification, number, manufacturer)
    # Kept before it is used: a counter that another key had must not come again, whatever happens.
    counter = keys.advance_key_change_counter(count_seconds(meter.read_platform_time(), meter.time_zone))
    return lambda key: wrap_with_gcm(
        default_key,
        key,
        key_id=_KEY_IDS[key_type],
        key_change_counter=counter,
        identification_number=number,
        manufacturer=manufacturer,
    )
