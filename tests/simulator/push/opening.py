"""Opens ciphered pushes with ``cryptography`` alone, and finds what is in them."""

from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter

TAG_OCTETS = 12


class Opened(NamedTuple):
    """What general-glo-ciphering held."""

    title: bytes
    counter: int
    apdu: bytes


def unwrap(push: bytes) -> tuple[int, int, bytes]:
    """Source, destination and APDU of the one wrapper frame in a push."""
    version, source, destination, length = (int.from_bytes(push[at : at + 2], "big") for at in (0, 2, 4, 6))
    assert version == 1
    assert length == len(push) - 8
    return source, destination, push[8:]


def open_push(push: bytes, meter: Meter) -> Opened:
    """The content of a ciphered push in a wrapper frame; InvalidTag if its tag is wrong."""
    _, _, apdu = unwrap(push)
    assert apdu[0] == 0xDB
    assert apdu[1] == 8
    title, rest = apdu[2:10], apdu[10:]
    if rest[0] & 0x80:
        size = rest[0] & 0x7F
        length, sealed = int.from_bytes(rest[1 : 1 + size], "big"), rest[1 + size :]
    else:
        length, sealed = rest[0], rest[1:]
    assert length == len(sealed)
    assert sealed[0] == 0x30
    nonce = title + sealed[1:5]
    tag = sealed[-TAG_OCTETS:]
    key = algorithms.AES(meter.key(KeyName.ENCRYPTION))
    decryptor = Cipher(key, modes.GCM(nonce, tag, min_tag_length=TAG_OCTETS)).decryptor()
    decryptor.authenticate_additional_data(b"\x30" + meter.key(KeyName.AUTHENTICATION))
    plain = decryptor.update(sealed[5:-TAG_OCTETS]) + decryptor.finalize()
    return Opened(title, int.from_bytes(sealed[1:5], "big"), plain)
