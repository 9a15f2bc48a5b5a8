"""The short id of an M-Bus device, as an M-Bus client (class 72) tells it."""

from typing import NamedTuple

from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.protocol_dlms import Data

IDENTIFICATION_DIGITS = 8
NO_IDENTIFICATION = "0" * IDENTIFICATION_DIGITS

_LETTER_BITS = 5
_ALPHABET = 26
_BEFORE_A = ord("A") - 1


class MbusShortId(NamedTuple):
    """What tells M-Bus devices apart: number of eight digits, three letters, version and device type 0..255.

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
    """The values of ``SHORT_ID_ATTRIBUTES``. Raises Fault for one that makes no sense."""
    return MbusShortId(
        parse_identification_number(identification, class_version),
        parse_manufacturer(manufacturer_id),
        parse_octet(version, "version"),
        parse_octet(device_type, "device type"),
    )


def parse_identification_number(data: Data, class_version: int) -> str | None:
    """Eight digits: BCD in version 0 of the class, a plain number from version 1. None for null-data.

    Raises Fault for what is neither, e.g. 0xA2056731 in version 0.
    """
    number = parse_whole_number(data, "the M-Bus identification number")
    if number is None:
        return None
    digits = f"{number:08X}" if class_version == 0 else f"{number:08d}"
    if number < 0 or len(digits) > IDENTIFICATION_DIGITS or not digits.isdecimal():
        form = "BCD number" if class_version == 0 else "number"
        raise make_illegal_response(
            f"The M-Bus identification number 0x{number:X} is no {form} of eight digits."
        )
    return digits


def parse_manufacturer(data: Data) -> str | None:
    """Three letters from 15 bits (EN 62056-21 flag id); None for null-data and 0. Raises Fault otherwise."""
    number = parse_whole_number(data, "the M-Bus manufacturer id")
    if not number:
        return None
    codes = [number >> shift & 0x1F for shift in (2 * _LETTER_BITS, _LETTER_BITS, 0)]
    if not 0 < number < 1 << 3 * _LETTER_BITS or not all(1 <= code <= _ALPHABET for code in codes):
        raise make_illegal_response(f"The M-Bus manufacturer id 0x{number:X} is no three letters.")
    return "".join(chr(_BEFORE_A + code) for code in codes)


def parse_octet(data: Data, name: str = "attribute") -> int | None:
    """Primary address, version or device type. Raises Fault for what is no number of 0 to 255."""
    number = parse_whole_number(data, f"the M-Bus {name}")
    if number is not None and not 0 <= number <= 0xFF:
        raise make_illegal_response(f"The M-Bus {name} {number} is outside 0..255.")
    return number
