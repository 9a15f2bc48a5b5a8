"""The short id of an M-Bus device and the state of its key: attributes of an M-Bus client (class 72)."""

from enum import StrEnum
from typing import NamedTuple

from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.protocol_dlms import Data

IDENTIFICATION_DIGITS = 8
NO_IDENTIFICATION = "0" * IDENTIFICATION_DIGITS

_LETTERS, _LETTER_BITS = 3, 5
_ALPHABET = 26
_BEFORE_A = ord("A") - 1


class EncryptionKeyStatus(StrEnum):
    """The key with which an M-Bus device encrypts its readings. Numbered from 0 in this order.

    It is *set* in the electricity meter, *transferred* to the M-Bus device, and *in use* once the device has
    sent readings that it encrypted with it.
    """

    NO_ENCRYPTION_KEY = "NO_ENCRYPTION_KEY"
    ENCRYPTION_KEY_SET = "ENCRYPTION_KEY_SET"
    ENCRYPTION_KEY_TRANSFERRED = "ENCRYPTION_KEY_TRANSFERRED"
    ENCRYPTION_KEY_SET_AND_TRANSFERRED = "ENCRYPTION_KEY_SET_AND_TRANSFERRED"
    ENCRYPTION_KEY_IN_USE = "ENCRYPTION_KEY_IN_USE"


_KEY_STATUSES = tuple(EncryptionKeyStatus)


class MbusShortId(NamedTuple):
    """Identifies an M-Bus device: number of eight digits, three letters, version and device type 0..255.

    ``manufacturer`` is None on a channel without a device.
    """

    identification_number: str | None
    manufacturer: str | None
    version: int | None
    device_type: int | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is installed on the channel."""
        return self.identification_number in (None, NO_IDENTIFICATION) and not (
            self.manufacturer or self.version or self.device_type
        )


SHORT_ID_ATTRIBUTES = ("identification_number", "manufacturer_id", "version", "device_type")
"""The attributes that make up the short id."""


def parse_short_id(
    identification: Data, manufacturer_id: Data, version: Data, device_type: Data, class_version: int
) -> MbusShortId:
    """Return the short id from the values of ``SHORT_ID_ATTRIBUTES``. Raises Fault if one is invalid."""
    return MbusShortId(
        parse_identification_number(identification, class_version),
        parse_manufacturer(manufacturer_id),
        parse_octet(version, "version"),
        parse_octet(device_type, "device type"),
    )


def parse_identification_number(data: Data, class_version: int) -> str | None:
    """Return eight digits, from BCD in class version 0, else from a number; None for null-data.

    Raises Fault for anything else, for example 0xA2056731 in class version 0.
    """
    number = parse_whole_number(data, "the M-Bus identification number")
    if number is None:
        return None
    digits = f"{number:08X}" if class_version == 0 else f"{number:08d}"
    if number < 0 or len(digits) > IDENTIFICATION_DIGITS or not digits.isdecimal():
        form = "BCD number" if class_version == 0 else "number"
        raise make_illegal_response(
            f"The M-Bus identification number 0x{number:X} is not a {form} of eight digits."
        )
    return digits


def parse_manufacturer(data: Data) -> str | None:
    """Return the three letters of a 15-bit manufacturer id (EN 62056-21); None for null-data and 0.

    Raises Fault for anything else.
    """
    number = parse_whole_number(data, "the M-Bus manufacturer id")
    if not number:
        return None
    codes = [number >> shift & 0x1F for shift in (2 * _LETTER_BITS, _LETTER_BITS, 0)]
    if not 0 < number < 1 << 3 * _LETTER_BITS or not all(1 <= code <= _ALPHABET for code in codes):
        raise make_illegal_response(f"The M-Bus manufacturer id 0x{number:X} is not three letters.")
    return "".join(chr(_BEFORE_A + code) for code in codes)


def encode_manufacturer(letters: str) -> int:
    """Return the manufacturer id of three letters A to Z. Raises ValueError for anything else."""
    codes = [ord(letter) - _BEFORE_A for letter in letters]
    if len(codes) != _LETTERS or not all(1 <= code <= _ALPHABET for code in codes):
        raise ValueError(f"the M-Bus manufacturer {letters!r} is not three letters A to Z")
    return codes[0] << 2 * _LETTER_BITS | codes[1] << _LETTER_BITS | codes[2]


def parse_encryption_key_status(data: Data) -> EncryptionKeyStatus:
    """Return what attribute 14 of an M-Bus client means. Raises Fault for any other value."""
    number = parse_whole_number(data, "the M-Bus encryption key status")
    if number is None or not 0 <= number < len(_KEY_STATUSES):
        told = "is not told" if number is None else f"{number} is outside 0..{len(_KEY_STATUSES) - 1}"
        raise make_illegal_response(f"The M-Bus encryption key status {told}.")
    return _KEY_STATUSES[number]


def parse_octet(data: Data, name: str = "attribute") -> int | None:
    """Return a primary address, version or device type; None for null-data.

    Raises Fault unless it is a number from 0 to 255.
    """
    number = parse_whole_number(data, f"the M-Bus {name}")
    if number is not None and not 0 <= number <= 0xFF:
        raise make_illegal_response(f"The M-Bus {name} {number} is outside 0..255.")
    return number
