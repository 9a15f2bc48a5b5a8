"""What a head-end should have of a meter, whatever the meter's quirks make of it: rows, registers, times.

It comes from the history and the load curve of the meter, not from answers. Values of registers are exact
decimals in the unit without prefix (Wh, m³, V), in the resolution of the profile. What was written over an
attribute is not in it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from osgp.catalogue.units import ScalerUnit

from ..codec.axdr import DataType, decode
from ..codec.cosem_time import OCTETS, decode_date_time
from ..codec.errors import RemoteProtocolError
from .buffers import find_value_maker, list_columns_of_profile, list_rows
from .equipment import Column
from .load_curve import START
from .query import LogicalDevice, ObjectEntry, Query
from .registry import NUMBERS, VALUE, Count, Number
from .rows import Row, Wanted

_REGISTERS = ("register", "extended_register")
_COMPOSITE = (DataType.ARRAY, DataType.STRUCTURE)


class TrueRow(NamedTuple):
    """A row of a buffer: the time that its clock shows, the names of the flags of its status (None: it has
    none), and its values by :func:`name_column`, without clock and status."""

    time: datetime
    status: tuple[str, ...] | None
    values: Mapping[str, Any]


def name_column(meter: LogicalDevice, column: Column) -> str:
    """How a column is called: tag and channel (``MBUS_MASTER_VALUE/1``), the attribute unless it is the value
    (``MBUS_MASTER_VALUE/1.capture_time``), and the element if it is one (``LTE_DIAGNOSTIC.cell_info[3]``)."""
    entry = meter.type.objects[column.descriptor.logical_name]
    attribute = entry.attributes[column.descriptor.attribute_id].name
    channel = f"/{column.channel}" if column.channel is not None else ""
    element = f"[{column.data_index}]" if column.data_index else ""
    return f"{column.tag}{channel}{'' if attribute == VALUE else f'.{attribute}'}{element}"


def find_entry(meter: LogicalDevice, tag: str, channel: int | None = None) -> ObjectEntry:
    """The object of a tag, or that of a channel. LookupError if there is none."""
    for entry in meter.type.objects.values():
        if entry.tag == tag and entry.channel == channel:
            return entry
    raise LookupError(f"there is no {tag[:50]}" + (f" of channel {channel}" if channel is not None else ""))


def list_true_rows(
    meter: LogicalDevice, tag: str, begin: datetime, end: datetime, channel: int | None = None
) -> list[TrueRow]:
    """The rows that a buffer holds from ``begin`` to ``end``, both included, oldest first.

    LookupError if the meter has no such buffer.
    """
    entry = find_entry(meter, tag, channel)
    if "buffer" not in entry.descriptors:
        raise LookupError(f"{tag[:50]} is no buffer")
    query = Query(meter, meter.settings.clock(), entry)
    columns = list_columns_of_profile(meter, entry)
    wanted = Wanted(max(begin.timestamp(), START), end.timestamp())
    return [_make_row(query, columns, row) for row in list_rows(query, wanted)]


def _make_row(query: Query, columns: tuple[Column, ...], row: Row) -> TrueRow:
    meter = query.meter
    status: tuple[str, ...] | None = None
    values: dict[str, Any] = {}
    for column in columns:
        if column.descriptor == meter.type.clock:
            continue
        value = _find_cell(query, column, row)
        if column.tag in meter.type.statuses:
            flags = meter.type.profile[column.tag].flags
            status = flags.decode(value).names if flags is not None and value is not None else None
        else:
            values[name_column(meter, column)] = value
    return TrueRow(datetime.fromtimestamp(row.stamp, UTC), status, values)


def _find_cell(query: Query, column: Column, row: Row) -> Any:
    meter = query.meter
    if column.channel is not None and meter.gas_meter(column.channel, row.moment) is None:
        return None
    entry = meter.type.objects[column.descriptor.logical_name]
    if row.event is None and not column.data_index:
        asked = Query(meter, row.moment, entry, offset=row.offset, flags=row.flags)
        number = _find_number(asked, entry.attributes[column.descriptor.attribute_id].name)
        if number is not None:
            return number
    make, _ = find_value_maker(query, column)
    return _make_plain(meter, make(row))


def find_true_value(
    meter: LogicalDevice,
    tag: str,
    attribute: str = VALUE,
    channel: int | None = None,
    moment: float | None = None,
) -> Any:
    """What an attribute says at a moment of true time (UNIX), now if none is given: decimals of registers,
    UTC times, and other values as they are; None without a device on the channel.

    LookupError if the meter has no such attribute.
    """
    entry = find_entry(meter, tag, channel)
    now = meter.settings.clock() if moment is None else moment
    if channel is not None and meter.gas_meter(channel, now) is None:
        return None
    query = Query(meter, now, entry)
    number = _find_number(query, attribute)
    if number is not None:
        return number
    found = next((each for each in entry.attributes.values() if each.name == attribute), None)
    if found is None:
        raise LookupError(f"{tag[:50]} has no {attribute[:50]}")
    encoded = found.provider(query) if found.provider is not None else found.encoded
    assert encoded is not None
    return _make_plain(meter, encoded)


def _find_number(query: Query, attribute: str) -> Decimal | None:
    """The value of a register, with its scaler; None for what is none."""
    item = query.meter.type.profile[query.entry.tag]
    number = NUMBERS.get(query.entry.tag)
    if attribute != VALUE or number is None or item.interface_class.name not in _REGISTERS:
        return None
    stated = item["scaler_unit"].stated_scaler_unit if "scaler_unit" in item else None
    return _measure(number, query, stated or number.scaler_unit)


def _measure(number: Number | Count, query: Query, scaler_unit: ScalerUnit) -> Decimal:
    """Counts are cut off, other numbers rounded, to what a register of this scaler can show."""
    exponent = number.scaler_unit.scaler - scaler_unit.scaler
    if isinstance(number, Count):
        whole = number.measure(query) * 10 ** max(exponent, 0) // 10 ** max(-exponent, 0)
    else:
        whole = round(number.measure(query) * 10**exponent)
    return Decimal(whole).scaleb(scaler_unit.scaler)


def _make_plain(meter: LogicalDevice, encoded: bytes) -> Any:
    data = decode(encoded)
    if data.type in _COMPOSITE:
        return [item.value for item in data.value]
    if isinstance(data.value, bytes) and len(data.value) == OCTETS:
        try:
            return decode_date_time(data.value, meter.zone)
        except RemoteProtocolError:
            return None
    return data.value
