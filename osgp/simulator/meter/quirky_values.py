"""Values of attributes as meters with quirks give them, when they are read and in the rows of buffers.

What a meter measures stays the same: a register that counts in another power of ten says so in its
scaler_unit, so that value times scaler is as before.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol
from zlib import crc32

from ..codec.axdr import (
    FIXED,
    FIXED_OCTETS,
    NULL_DATA,
    Data,
    DataType,
    bit_string,
    decode,
    encode,
    octet_string,
)
from ..quirks import Quirk
from . import quirky_times
from .state import LivingMeter

Change = Callable[[bytes], bytes]
"""From encoded data to encoded data."""

REGISTERS = (3, 4)
"""The classes register and extended register, of which attribute 2 is the value and 3 the scaler_unit."""
VALUE, SCALER_UNIT = 2, 3
SIGNAL_QUALITY = 3
"""Which element of cell_info it is."""
_MODEM = 47
_CELL_INFO, _ADJACENT_CELLS = "cell_info", "adjacent_cells"
_TIMES = frozenset(("time", "capture_time"))
"""The attributes, of whatever class, that hold date-times of what was measured."""
_ODD_SIGNAL_QUALITY = 32

_SIGNED = (DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG, DataType.LONG64)
_UNSIGNED = (
    DataType.UNSIGNED,
    DataType.LONG_UNSIGNED,
    DataType.DOUBLE_LONG_UNSIGNED,
    DataType.LONG64_UNSIGNED,
)
_KINDS = {each: kind for kind in (_SIGNED, _UNSIGNED) for each in kind}


def is_register_value(class_id: int, attribute_id: int) -> bool:
    """Whether an attribute is the value of a register."""
    return class_id in REGISTERS and attribute_id == VALUE


def find_digits(tag: str) -> int:
    """How many more decimal digits the register ``tag`` counts in with other scalers: 1 or 2, so that the
    scaler of one register is not that of another."""
    return 1 + crc32(tag.encode()) % 2


def find_change(
    quirks: frozenset[Quirk],
    *,
    tag: str,
    class_id: int,
    attribute_id: int,
    name: str,
    data_index: int = 0,
    is_status: bool = False,
) -> Change | None:
    """What the quirks make of an attribute, called ``name`` in its class, or of the element ``data_index`` of
    it; None: nothing. ``is_status`` says that it belongs to an AMR profile status."""
    changes: list[Change] = []
    if is_register_value(class_id, attribute_id):
        changes = _list_of_register(quirks, tag)
    elif class_id in REGISTERS and attribute_id == SCALER_UNIT and Quirk.OTHER_SCALERS in quirks:
        changes.append(partial(_lower_scaler, find_digits(tag)))
    elif is_status and attribute_id == VALUE and Quirk.STATUS_BIT_STRING in quirks:
        changes.append(_show_bits)
    elif class_id == _MODEM and Quirk.ODD_SIGNAL_QUALITY in quirks and name in (_CELL_INFO, _ADJACENT_CELLS):
        if not data_index:
            changes.append(_lose_signals if name == _ADJACENT_CELLS else _lose_signal)
        elif (name, data_index) == (_CELL_INFO, SIGNAL_QUALITY):
            changes.append(_lose_level)
    if name in _TIMES:
        if class_id in REGISTERS and Quirk.ABSURD_CAPTURE_TIMES in quirks:
            changes.append(_forget_time)
        if not quirky_times.CHANGING.isdisjoint(quirks):
            changes.append(partial(quirky_times.tell_all, quirks))
    if not changes:
        return None
    return changes[0] if len(changes) == 1 else partial(_apply, tuple(changes))


class GivenObject(Protocol):
    """The object that an attribute belongs to."""

    tag: str
    class_id: int
    channel: int | None


class GivenAttribute(Protocol):
    """The attribute that is read."""

    attribute_id: int
    name: str


def give(
    quirks: frozenset[Quirk],
    meter: LivingMeter,
    entry: GivenObject,
    attribute: GivenAttribute,
    encoded: bytes,
) -> bytes:
    """The value of an attribute that is read, as the meter gives it."""
    if (
        Quirk.TRAILING_NULLS in quirks
        and attribute.attribute_id == VALUE
        and entry.class_id in REGISTERS
        and entry.channel is not None
        and meter.gas_meter(entry.channel) is None
    ):
        return NULL_DATA
    change = find_change(
        quirks,
        tag=entry.tag,
        class_id=entry.class_id,
        attribute_id=attribute.attribute_id,
        name=attribute.name,
        is_status=entry.tag in meter.type.statuses,
    )
    return encoded if change is None else change(encoded)


def _apply(changes: tuple[Change, ...], encoded: bytes) -> bytes:
    for change in changes:
        encoded = change(encoded)
    return encoded


# Registers


def _list_of_register(quirks: frozenset[Quirk], tag: str) -> list[Change]:
    changes: list[Change] = []
    if Quirk.OTHER_SCALERS in quirks:
        changes.append(partial(_add_digits, find_digits(tag)))
    if Quirk.FLOATS in quirks:
        changes.append(_make_float)
    elif Quirk.LONG64 in quirks:
        changes.append(_make_long)
    return changes


def _add_digits(digits: int, encoded: bytes) -> bytes:
    """The number times a power of ten, in a wider type if need be."""
    data = decode(encoded)
    if data.type not in _KINDS:
        return encoded
    number = data.value * 10**digits
    kind = _KINDS[data.type]
    wide_enough = (each for each in kind[kind.index(data.type) :] if _fits(each, number))
    return encode(Data(next(wide_enough), number))


def _fits(data_type: DataType, number: int) -> bool:
    bits = 8 * FIXED[data_type].size
    return -(1 << bits - 1) <= number < 1 << bits - 1 if data_type in _SIGNED else 0 <= number < 1 << bits


def _lower_scaler(digits: int, encoded: bytes) -> bytes:
    scaler, unit = decode(encoded).value
    return encode(Data(DataType.STRUCTURE, (Data(DataType.INTEGER, scaler.value - digits), unit)))


def _make_float(encoded: bytes) -> bytes:
    data = decode(encoded)
    return encode(Data(DataType.FLOAT64, float(data.value))) if data.type in _KINDS else encoded


def _make_long(encoded: bytes) -> bytes:
    """long64-unsigned; a negative number is a long64."""
    data = decode(encoded)
    if data.type not in _KINDS:
        return encoded
    return encode(Data(DataType.LONG64 if data.value < 0 else DataType.LONG64_UNSIGNED, data.value))


# Others


def _show_bits(encoded: bytes) -> bytes:
    """The bits of a number as a bit-string, the most significant first, as octets are written."""
    data = decode(encoded)
    if data.type not in _UNSIGNED:
        return encoded
    return bit_string(f"{data.value:0{8 * FIXED[data.type].size}b}")


def _lose_level(encoded: bytes) -> bytes:
    """A signal quality that means nothing: 0 to 31 are levels, 99 is unknown (Blue Book, GSM diagnostic)."""
    data = decode(encoded)
    return encode(Data(data.type, _ODD_SIGNAL_QUALITY)) if data.type in _KINDS else encoded


def _lose_signal(encoded: bytes) -> bytes:
    cell = decode(encoded)
    elements = list(cell.value)
    elements[SIGNAL_QUALITY - 1] = Data(elements[SIGNAL_QUALITY - 1].type, _ODD_SIGNAL_QUALITY)
    return encode(Data(cell.type, tuple(elements)))


def _lose_signals(encoded: bytes) -> bytes:
    cells = decode(encoded)
    lost = (
        Data(cell.type, (*cell.value[:-1], Data(cell.value[-1].type, _ODD_SIGNAL_QUALITY)))
        for cell in cells.value
    )
    return encode(Data(cells.type, tuple(lost)))


def _forget_time(encoded: bytes) -> bytes:
    """1970 instead of a date-time."""
    data = decode(encoded)
    if data.type is DataType.DATE_TIME:
        return bytes((DataType.DATE_TIME,)) + quirky_times.EPOCH
    is_told = data.type is DataType.OCTET_STRING and len(data.value) == FIXED_OCTETS[DataType.DATE_TIME]
    return octet_string(quirky_times.EPOCH) if is_told else encoded
