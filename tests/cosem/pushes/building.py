"""Short ways to write bodies of pushes, and to say what came of them."""

from osgp.cosem.pushes import Push, PushedValue, ValuesPush, decode
from osgp.protocol_dlms import Data, DataType, axdr

WINTER = bytes.fromhex("07ea0110050e1e0aff800000")
"""2026-01-16 14:30:10, without deviation."""
CLOCK = "0-0:1.0.0.255"


def structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def array(*elements: Data) -> Data:
    return Data(DataType.ARRAY, elements)


def octets(value: bytes) -> Data:
    return Data(DataType.OCTET_STRING, value)


def text(value: str) -> Data:
    return Data(DataType.VISIBLE_STRING, value)


def name(dotted: str) -> Data:
    """A logical name: ``1.0.1.8.0``, with 255 as the sixth group."""
    return octets(bytes([*map(int, dotted.split(".")), 255]))


def u16(value: int) -> Data:
    return Data(DataType.LONG_UNSIGNED, value)


def u32(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def scale(scaler: int, unit: int) -> Data:
    return structure(Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit))


def entry(class_id: int, dotted: str, attribute: int = 2, data_index: int = 0, *further: Data) -> Data:
    """An entry of push_object_list."""
    return structure(
        u16(class_id), name(dotted), Data(DataType.INTEGER, attribute), u16(data_index), *further
    )


def notify(body: Data, time: bytes = b"", *, tagged: bool = False) -> bytes:
    tag = b"\x09" if tagged else b""
    return bytes.fromhex("0f40000001") + tag + bytes((len(time),)) + time + axdr.encode(body)


def decode_values(body: Data, time: bytes = b"", *, tagged: bool = False) -> ValuesPush:
    """What a body without need of a zone says, which must be values."""
    push: Push = decode(notify(body, time, tagged=tagged))
    assert isinstance(push, ValuesPush), push
    return push


def say(value: PushedValue) -> tuple[str | None, str | int | None]:
    """The logical name, and the measured value with its unit, or the number or text as it came."""
    shown = value.value.value
    if value.quantity is not None:
        return value.obis, str(value.quantity).strip()
    if isinstance(shown, bytes):
        return value.obis, shown.decode() if shown.isalnum() or shown == b"KFM_001" else shown.hex()
    assert shown is None or isinstance(shown, str | int)
    return value.obis, shown
