"""Keys for M-Bus devices as a head-end wraps them, with the device's default key.

DSMR 4 wraps with AES-128-CBC, which protects nothing against changes; SMR 5 with AES-128-GCM, where a key
change counter (KCC) takes the place of the invocation counter.
"""

from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .ciphering import KEY_OCTETS
from .errors import DecipheringError

COUNTER_OCTETS = 4
TAG_OCTETS = 8
_PLAIN_OCTETS = 2 + KEY_OCTETS
_WRAPPED_OCTETS = COUNTER_OCTETS + _PLAIN_OCTETS + TAG_OCTETS
_ZERO_VECTOR = bytes(16)
_VERSION_AND_MEDIUM = b"\x50\x03"
"""The same in all keys, whatever the device has."""


class WrappedKey(NamedTuple):
    """What a wrapped key holds: 0 user key, 1 firmware update authentication key, 2 key of the optical port;
    its 16 octets; and the key change counter."""

    key_id: int
    key: bytes
    key_change_counter: int


def unwrap_cbc(default_key: bytes, wrapped: bytes) -> bytes:
    """The 16 octets of a key in 16 octets; DecipheringError when there are more or fewer."""
    if len(wrapped) != KEY_OCTETS:
        raise DecipheringError(f"a wrapped key of {len(wrapped)} octets")
    decryptor = Cipher(algorithms.AES(default_key), modes.CBC(_ZERO_VECTOR)).decryptor()
    return decryptor.update(wrapped) + decryptor.finalize()


def make_fixed_field(identification_number: str, manufacturer_id: int) -> bytes:
    """The first 8 octets of the initialization vector: the device's 8 digits as BCD and its manufacturer, the
    least significant octet of each first, then what is the same for all."""
    digits = bytes.fromhex(identification_number)[::-1]
    return digits + manufacturer_id.to_bytes(2, "little") + _VERSION_AND_MEDIUM


def unwrap_gcm(default_key: bytes, fixed_field: bytes, wrapped: bytes) -> WrappedKey:
    """The key in 30 octets: KCC, then key id, length and key encrypted, then the tag of 8 octets.

    DecipheringError when the size or the tag is wrong, or what is inside is no key of 16 octets.
    """
    if len(wrapped) != _WRAPPED_OCTETS:
        raise DecipheringError(f"a wrapped key of {len(wrapped)} octets")
    counter, sealed, tag = (
        wrapped[:COUNTER_OCTETS],
        wrapped[COUNTER_OCTETS:-TAG_OCTETS],
        wrapped[-TAG_OCTETS:],
    )
    mode = modes.GCM(fixed_field + counter, tag, min_tag_length=TAG_OCTETS)
    decryptor = Cipher(algorithms.AES(default_key), mode).decryptor()
    try:
        plain = decryptor.update(sealed) + decryptor.finalize()
    except InvalidTag as error:
        raise DecipheringError("the authentication tag is wrong") from error
    key_id, length = plain[:2]
    if length != KEY_OCTETS:
        raise DecipheringError(f"a key of {length} octets")
    return WrappedKey(key_id, plain[2:], int.from_bytes(counter, "big"))
