"""Keys as a head-end sends them, wrapped by the tests themselves, and the methods that take them."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from osgp.catalogue.cosem import MethodDescriptor
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter.identity import KeyName
from osgp.simulator.meter.meter import Meter

from .client import RawClient

TRANSFER = MethodDescriptor(64, bytes((0, 0, 43, 0, 0, 255)), 2)
KEY_IDS = {KeyName.ENCRYPTION: 0, KeyName.AUTHENTICATION: 2}
KEY_EXCHANGE = (b"\x0d", b"\xfd\x19")


def transferred(meter: Meter, *keys: tuple[KeyName, bytes]) -> Data:
    """The parameter of global_key_transfer."""
    items = []
    for name, key in keys:
        wrapped = Data(DataType.OCTET_STRING, aes_key_wrap(meter.key(KeyName.MASTER), key))
        items.append(Data(DataType.STRUCTURE, (Data(DataType.ENUM, KEY_IDS[name]), wrapped)))
    return Data(DataType.ARRAY, tuple(items))


def transfer(client: RawClient, name: KeyName, key: bytes) -> int:
    """Transfer one key of the meter: the Action-Result. The client goes on as before."""
    return client.action(TRANSFER, transferred(client.meter, (name, key)))


def mbus_method(meter: Meter, method_id: int, channel: int = 1) -> MethodDescriptor:
    """6 data_send, 7 set_encryption_key, 8 transfer_key."""
    return MethodDescriptor(72, meter.type.profile["MBUS_CLIENT_SETUP"].get_logical_name(channel), method_id)


def sent_data(wrapped: bytes, kind: tuple[bytes, bytes] = KEY_EXCHANGE) -> Data:
    """The parameter of data_send."""
    parts = tuple(Data(DataType.OCTET_STRING, octets) for octets in (*kind, wrapped))
    return Data(DataType.ARRAY, (Data(DataType.STRUCTURE, parts),))


def wrap_cbc(default_key: bytes, key: bytes) -> bytes:
    """As DSMR 4.2.2 has it."""
    encryptor = Cipher(algorithms.AES(default_key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(key) + encryptor.finalize()


def wrap_gcm(
    default_key: bytes, vector: bytes, counter: int, key_id: int, key: bytes, size: int = 16
) -> bytes:
    """As SMR 5 has it; ``vector`` is the initialization vector without the key change counter."""
    octets = counter.to_bytes(4, "big")
    encryptor = Cipher(algorithms.AES(default_key), modes.GCM(vector + octets)).encryptor()
    sealed = encryptor.update(bytes((key_id, size)) + key) + encryptor.finalize()
    return octets + sealed + encryptor.tag[:8]
