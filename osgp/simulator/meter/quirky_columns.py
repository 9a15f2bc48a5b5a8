"""What buffers of meters with quirks capture: in another order, one column less or one more; and what makes
the cells of each column."""

from collections.abc import Callable
from zlib import crc32

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import NULL_DATA, double_long_unsigned, long_unsigned
from ..quirks import Quirk
from .equipment import Column
from .load_curve import START
from .null_compression import StampColumn
from .query import LogicalDevice, MeterType
from .quirky_cells import DeltaColumn, RepeatColumn
from .quirky_values import find_change, is_register_value
from .rows import Row

Maker = Callable[[Row], bytes]

EXTRA_TAG = "EXTRA"
"""The tag of columns that are in no profile."""

_CHANGING = frozenset((Quirk.COLUMNS_REORDERED, Quirk.COLUMNS_FEWER, Quirk.COLUMNS_MORE))
_REACTIVE_ENERGY = AttributeDescriptor(3, bytes((1, 0, 3, 8, 0, 255)), 2)
"""1-0:3.8.0, reactive energy import, in varh."""
_OWN_OBJECT = AttributeDescriptor(1, bytes((0, 0, 128, 96, 1, 255)), 2)
"""0-0:128.96.1: value group C from 128 on is the manufacturer's own."""


def change_columns(
    quirks: frozenset[Quirk], meter_type: MeterType, columns: tuple[Column, ...]
) -> tuple[Column, ...]:
    """The columns of a buffer as such a meter captures them, instead of those of its profile."""
    if _CHANGING.isdisjoint(quirks) or not columns:
        return columns
    registers = [
        place for place, column in enumerate(columns) if is_register_value(*_identify(column.descriptor))
    ]
    changed = list(columns)
    if Quirk.COLUMNS_FEWER in quirks and len(registers) > 1:
        del changed[registers[-1]]
    if Quirk.COLUMNS_MORE in quirks:
        known = _REACTIVE_ENERGY.logical_name in meter_type.objects
        is_electricity = any(columns[place].channel is None for place in registers)
        extra = _REACTIVE_ENERGY if is_electricity and not known else _OWN_OBJECT
        changed.insert(-1, Column(EXTRA_TAG, extra, 0, None))
    if Quirk.COLUMNS_REORDERED in quirks:
        changed.reverse()
    return tuple(changed)


def _identify(descriptor: AttributeDescriptor) -> tuple[int, int]:
    return descriptor.class_id, descriptor.attribute_id


def find_extra_maker(meter: LogicalDevice, column: Column) -> Maker:
    """What makes the values of a column that is in no profile."""
    if column.descriptor == _OWN_OBJECT:
        return lambda row: long_unsigned(crc32(f"{meter.identification}:{int(row.moment)}".encode()) & 0xFFFF)
    return lambda row: double_long_unsigned(int(max(row.moment - START, 0)) // 60)


def make_cells(
    meter: LogicalDevice, column: Column, make: Maker, *, is_stamp: bool, period: int | None
) -> Maker:
    """What makes the cells of a column, from what makes the values.

    ``is_stamp`` says that it is the clock or a capture time, ``period`` (seconds, 0: months) how far apart
    rows are; None: there is no period.
    """
    quirks = meter.quirks
    entry = meter.type.objects[column.descriptor.logical_name]
    is_status = column.tag in meter.type.statuses
    is_register = is_register_value(*_identify(column.descriptor)) and not column.data_index
    repeats = Quirk.NULL_REPEATS in quirks
    is_absurd = is_stamp and column.tag != "CLOCK" and Quirk.ABSURD_CAPTURE_TIMES in quirks
    if is_stamp and period is not None and not is_absurd and (repeats or meter.is_null_compressed):
        make = StampColumn(make, period, meter.zone)
    change = find_change(
        quirks,
        tag=column.tag,
        class_id=column.descriptor.class_id,
        attribute_id=column.descriptor.attribute_id,
        name=entry.attributes[column.descriptor.attribute_id].name,
        data_index=column.data_index,
        is_status=is_status,
    )
    if change is not None:
        make = _change_each(make, change)
    if is_register and Quirk.DELTAS in quirks:
        return DeltaColumn(make, leaves_out=repeats)
    return RepeatColumn(make) if repeats and not is_stamp else make


def _change_each(make: Maker, change: Callable[[bytes], bytes]) -> Maker:
    def changed(row: Row) -> bytes:
        encoded = make(row)
        return encoded if encoded == NULL_DATA else change(encoded)

    return changed
