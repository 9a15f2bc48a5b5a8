"""Pushes as the listener stores them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from osgp.accounts.models import Organisation
from osgp.alarms.models import ReceivedPush, Transport
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.protocol_dlms.push.protection import GENERAL_GLO_CIPHERING
from tests.factories import make_device

RECEIVED_AT = datetime(2026, 7, 16, 12, 30, 40, tzinfo=UTC)
SOURCE = "192.0.2.7"
TITLE = bytes.fromhex("4D4D4D0000BC614E")
"""Title and keys of the ciphered examples."""
ENCRYPTION_KEY = bytes(range(16))
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
NAME = "E0000000123456789"


def receive(octets: bytes, *, transport: Transport = Transport.TCP, **fields: Any) -> ReceivedPush:
    """A push that waits to be decoded."""
    return ReceivedPush.objects.create(
        **{
            "received_at": RECEIVED_AT,
            "transport": transport,
            "source_address": SOURCE,
            "source_port": 4059,
            "octets": octets,
        }
        | fields
    )


def receive_again(octets: bytes, *, minutes: int = 5, **fields: Any) -> ReceivedPush:
    """The same, later."""
    return receive(octets, received_at=RECEIVED_AT + timedelta(minutes=minutes), **fields)


def add_meter(owner: Organisation, identification: str = NAME, **fields: Any) -> Device:
    """A meter with the keys and the system title of the examples."""
    device = make_device(identification, owner=owner, **{"system_title": TITLE.hex().upper()} | fields)
    keys = {
        KeyType.E_METER_ENCRYPTION_KEY_UNICAST: ENCRYPTION_KEY,
        KeyType.E_METER_AUTHENTICATION_KEY: AUTHENTICATION_KEY,
    }
    keystore.store_new(device, keys)
    keystore.activate(device, list(keys))
    return device


def make_alarm(register: int, *further: int, name: str = NAME, push_object: str = "0001190900ff") -> bytes:
    """The APDU of an SMR 5 alarm with the values of its registers."""
    registers = (register, *further)
    return (
        bytes.fromhex("0f0000000000")
        + bytes((2, 2 + len(registers), 9, 17))
        + name.encode()
        + bytes((9, 6))
        + bytes.fromhex(push_object)
        + b"".join(b"\x06" + value.to_bytes(4, "big") for value in registers)
    )


def frame(apdu: bytes) -> bytes:
    """An APDU in a wrapper frame of a Dutch meter."""
    return bytes.fromhex("000100670066") + len(apdu).to_bytes(2, "big") + apdu


def cipher(
    apdu: bytes,
    counter: int,
    *,
    title: bytes = TITLE,
    encryption_key: bytes = ENCRYPTION_KEY,
    authentication_key: bytes = AUTHENTICATION_KEY,
    has_tag: bool = True,
) -> bytes:
    """An APDU as general-glo-ciphering, authenticated and encrypted; only encrypted without a tag."""
    control, number = b"\x30" if has_tag else b"\x20", counter.to_bytes(4, "big")
    sealed = AESGCM(encryption_key).encrypt(title + number, apdu, control + authentication_key)
    sealed = sealed[: len(apdu) + 12 * has_tag]
    content = control + number + sealed
    length = bytes((len(content),)) if len(content) < 128 else bytes((0x81, len(content)))
    return bytes((GENERAL_GLO_CIPHERING, 8)) + title + length + content
