"""GET answers that are well protected and make no sense: broken meters, for tests of a head-end."""

from collections.abc import Callable

from osgp.catalogue.cosem import AttributeDescriptor

from .codec.axdr import Data, DataType, decode, encode, octet_string
from .faults import FaultKind
from .meter.meter import Meter

_BUFFER = (7, 2)
_CLOCK = (8, 2)
_SCALERS = ((3, 3), (4, 3))
_COMPOSITE = (DataType.ARRAY, DataType.STRUCTURE)

_FOUR_GIB = b"\x84\xff\xff\xff\xff"
_ABSURD = 127
_STRAY = b"\x00\x00"


def spoil(meter: Meter, descriptor: AttributeDescriptor, value: bytes) -> bytes:
    """The encoded value of an attribute as the meter sends it, with the faults that it has been told to
    have."""
    kind = meter.take_fault(*_list_applicable(descriptor, value))
    return value if kind is None else _SPOILERS[kind](value)


def _list_applicable(descriptor: AttributeDescriptor, value: bytes) -> list[FaultKind]:
    kinds = [FaultKind.HUGE_LENGTH]
    attribute = (descriptor.class_id, descriptor.attribute_id)
    rows = decode(value).value if attribute == _BUFFER else ()
    if attribute != _BUFFER or rows:
        kinds.append(FaultKind.WRONG_TYPES)
    if rows:
        kinds += [FaultKind.FEW_COLUMNS, FaultKind.DOUBLED_ROWS]
    if len(rows) > 1:
        kinds.append(FaultKind.UNORDERED_ROWS)
    if attribute in _SCALERS:
        kinds.append(FaultKind.ABSURD_SCALER)
    if attribute == _CLOCK:
        kinds.append(FaultKind.LONG_CLOCK)
    return kinds


def _announce_huge(value: bytes) -> bytes:
    # The tag stays what it is when that of a type with a length, or else turns into an octet-string's.
    tag = value[:1] if DataType(value[0]) in (*_COMPOSITE, DataType.OCTET_STRING) else b"\x09"
    return tag + _FOUR_GIB + value[1:]


def _make_row_change(change: Callable[[tuple[Data, ...]], tuple[Data, ...]]) -> Callable[[bytes], bytes]:
    def changed(value: bytes) -> bytes:
        return encode(Data(DataType.ARRAY, change(decode(value).value)))

    return changed


def _replace_by_text(data: Data) -> Data:
    """Text instead of the last simple value."""
    if data.type not in _COMPOSITE or not data.value:
        return Data(DataType.VISIBLE_STRING, "?")
    return Data(data.type, (*data.value[:-1], _replace_by_text(data.value[-1])))


def _spoil_types(value: bytes) -> bytes:
    data = decode(value)
    if data.type is DataType.ARRAY:
        return encode(Data(DataType.ARRAY, tuple(_replace_by_text(item) for item in data.value)))
    return encode(_replace_by_text(data))


def _spoil_scaler(value: bytes) -> bytes:
    _, unit = decode(value).value
    return encode(Data(DataType.STRUCTURE, (Data(DataType.INTEGER, _ABSURD), unit)))


_SPOILERS: dict[FaultKind, Callable[[bytes], bytes]] = {
    FaultKind.HUGE_LENGTH: _announce_huge,
    FaultKind.WRONG_TYPES: _spoil_types,
    FaultKind.FEW_COLUMNS: _make_row_change(
        lambda rows: tuple(Data(row.type, row.value[:-1]) for row in rows)
    ),
    FaultKind.DOUBLED_ROWS: _make_row_change(
        lambda rows: tuple(row for each in rows for row in (each, each))
    ),
    FaultKind.UNORDERED_ROWS: _make_row_change(lambda rows: rows[1::2] + rows[::2]),
    FaultKind.ABSURD_SCALER: _spoil_scaler,
    FaultKind.LONG_CLOCK: lambda value: octet_string(decode(value).value + _STRAY),
}
