"""Reading keys that are not ACTIVE yet, which the platform itself never does."""

from collections.abc import Collection

from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType

_COLUMNS = ("key_type", "key_encryption_key_id", "wrapped_data_key", "ciphertext")


def read_new_keys(device: Device, key_types: Collection[KeyType]) -> dict[KeyType, bytes]:
    """Return the NEW secrets of these types. Raises Fault 805 when one cannot be decrypted."""
    rows = DeviceKey.objects.filter(device=device, state=KeyState.NEW).values_list(*_COLUMNS)
    return keystore.unseal(device.pk, map(keystore.SealedKey.from_row, rows), key_types)
