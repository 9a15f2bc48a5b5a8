"""Reading keys that are not ACTIVE yet."""

from collections.abc import Collection

from osgp.devices import keystore
from osgp.devices.models import Device, KeyState, KeyType


def read_new_keys(device: Device, key_types: Collection[KeyType]) -> dict[KeyType, bytes]:
    """Return the NEW secrets of these types. Raises Fault 805 when one cannot be decrypted."""
    return keystore.unseal(device.pk, keystore.read_sealed_keys(device.pk), key_types, KeyState.NEW)
