"""Keys, titles and numbers of simulated meters, all derived from the seed of the fleet and the
identification.

They are made up and meant to be shown: a simulated meter has nothing to protect.
"""

from enum import StrEnum
from hashlib import blake2b

MANUFACTURER = "SIM"


class KeyName(StrEnum):
    """The secrets of a meter or an M-Bus device, named as the fields with which devices are added."""

    MASTER = "master_key"
    AUTHENTICATION = "authentication_key"
    ENCRYPTION = "encryption_key"
    MBUS_DEFAULT = "mbus_default_key"
    MBUS_USER = "mbus_user_key"
    MBUS_FIRMWARE_UPDATE_AUTHENTICATION = "mbus_firmware_update_authentication_key"
    MBUS_P0 = "mbus_p0_key"


METER_KEYS = (KeyName.MASTER, KeyName.AUTHENTICATION, KeyName.ENCRYPTION)
"""Those of electricity meters."""

MBUS_KEYS = tuple(name for name in KeyName if name not in METER_KEYS)
"""Those of M-Bus devices."""


def derive(seed: int, identification: str, label: str, size: int = 16) -> bytes:
    """Octets that belong to one meter and one purpose."""
    return blake2b(
        f"{label}:{identification}".encode(), key=str(seed).encode()[:64], digest_size=size
    ).digest()


def lls_password(seed: int, identification: str) -> str:
    """The password for low level security: 8 digits."""
    return f"{int.from_bytes(derive(seed, identification, 'lls_password', 8), 'big') % 10**8:08d}"


def system_title(number: int) -> bytes:
    """8 octets: three letters for the manufacturer and the meter's number."""
    return MANUFACTURER.encode() + number.to_bytes(5, "big")


def manufacturer_id(letters: str) -> int:
    """The M-Bus form of three letters A-Z (EN 13757-3): five bits for each."""
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third
