"""New keys for M-Bus devices, encrypted under the default key of the device (companion standards, P2).

The electricity meter passes them on without being able to read them. There are two forms: AES-CBC of the key
alone, and AES-GCM of the key and what it is for. A key change counter makes each initialization vector of
AES-GCM another one.
"""

from datetime import datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from osgp.cosem.mbus import IDENTIFICATION_DIGITS, encode_manufacturer
from osgp.protocol_dlms import Data, DataType

KEY_OCTETS = 16

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 (wall clock)
_NO_VECTOR = bytes(16)
# The standard has the same version and device type in the vector, whatever those of the M-Bus device are.
_VERSION_AND_DEVICE_TYPE = bytes((0x50, 0x03))
_FULL_TAG_OCTETS, _TAG_OCTETS = 16, 8
# Of an M-Bus data record: variable length, and key exchange.
_DATA_INFORMATION_BLOCK = bytes((0x0D,))
_VALUE_INFORMATION_BLOCK = bytes((0xFD, 0x19))


class MbusKeyId(IntEnum):
    """What a key is for."""

    USER_KEY = 0
    """Encrypts readings on their way from the M-Bus device to the electricity meter (P2)."""
    FIRMWARE_UPDATE_AUTHENTICATION_KEY = 1
    OPTICAL_PORT_KEY = 2
    """Opens the optical port (P0). A key of zeros closes it."""


def count_seconds(moment: datetime, zone: ZoneInfo) -> int:
    """Return the key change counter of a moment: seconds since 2000-01-01 00:00 by the clocks of ``zone``.

    They go back by an hour in autumn, so it takes more to make a counter that rises.
    """
    return (moment.astimezone(zone).replace(tzinfo=None) - _EPOCH) // timedelta(seconds=1)


def wrap_with_cbc(default_key: bytes, key: bytes) -> bytes:
    """Return the 16 octets of a key in AES-128-CBC, without padding, initialization vector zero.

    Raises ValueError unless both keys have 16 octets.
    """
    _check_lengths(default_key, key)
    # One block, which is random: CBC and its constant vector change nothing about it.
    encryptor = Cipher(algorithms.AES128(default_key), modes.CBC(_NO_VECTOR)).encryptor()
    return encryptor.update(key) + encryptor.finalize()


def wrap_with_gcm(
    default_key: bytes,
    key: bytes,
    *,
    key_id: MbusKeyId,
    key_change_counter: int,
    identification_number: str,
    manufacturer: str,
) -> bytes:
    """Return 30 octets: the counter, then key id, length and key in AES-128-GCM, and a tag of 8 octets.

    ``key_change_counter`` is 0 to 2^32 - 1, and another one for each key of an M-Bus device.
    ``identification_number`` has 8 digits, ``manufacturer`` 3 letters. Raises ValueError for anything else,
    and unless both keys have 16 octets.
    """
    _check_lengths(default_key, key)
    if not 0 <= key_change_counter < 1 << 32:
        raise ValueError(f"the key change counter {key_change_counter} is no number of 32 bits")
    counter = key_change_counter.to_bytes(4, "big")
    vector = encode_device(identification_number, manufacturer) + counter
    plain = bytes((key_id, len(key))) + key
    sealed = AESGCM(default_key).encrypt(vector, plain, None)
    return counter + sealed[: _TAG_OCTETS - _FULL_TAG_OCTETS]


def encode_device(identification_number: str, manufacturer: str) -> bytes:
    """Return who a device is in the initialization vector of AES-GCM: eight octets.

    They are the BCD number and the manufacturer, lowest octet first, and a constant. Raises ValueError unless
    the number has 8 digits and the manufacturer 3 letters A to Z.
    """
    digits = identification_number
    if len(digits) != IDENTIFICATION_DIGITS or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"the M-Bus identification number {digits!r} is not 8 digits")
    number = bytes.fromhex(digits)[::-1]
    return number + encode_manufacturer(manufacturer).to_bytes(2, "little") + _VERSION_AND_DEVICE_TYPE


def encode_key_record(wrapped: bytes) -> Data:
    """Return the parameter of the method data_send that passes a wrapped key on to an M-Bus device."""
    blocks = (_DATA_INFORMATION_BLOCK, _VALUE_INFORMATION_BLOCK, wrapped)
    record = tuple(Data(DataType.OCTET_STRING, block) for block in blocks)
    return Data(DataType.ARRAY, (Data(DataType.STRUCTURE, record),))


def _check_lengths(*keys: bytes) -> None:
    if any(len(key) != KEY_OCTETS for key in keys):
        raise ValueError(f"a key has other than {KEY_OCTETS} octets")
