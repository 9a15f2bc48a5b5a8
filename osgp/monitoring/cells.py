"""Cells of buffers, column by column. A cell that makes no sense costs its value, not its row."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from osgp.catalogue import CaptureColumn, InterfaceClass
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.numbers import name_kind, to_bits, to_number
from osgp.cosem.plausible_times import is_plausible
from osgp.cosem.quantities import format_decimal
from osgp.cosem.signal_quality import find_signal_quality
from osgp.messages.buffer_rows import CellsReader, ReadCells
from osgp.messages.serializers import make_storable
from osgp.protocol_dlms.data import Delta

LONGEST = 64
"""Octets, characters or elements in a cell."""

_SIGNAL_QUALITY = 3
"""Which element of a modem's cell_info it is."""
_PLAIN, _PLAIN_OR_NULL = {int}, {int, type(None)}


def read_each(cells: Sequence[object], read: Callable[[object], Any]) -> ReadCells:
    """Read cell by cell; ``read`` raises ValueError for one that makes no sense. None stays None."""
    values: list[Any] = []
    reasons: dict[int, str] = {}
    for place, cell in enumerate(cells):
        value = None
        if cell is not None:
            try:
                if type(cell) is Delta:
                    raise ValueError("a difference from a value that is not known")
                value = read(cell)
            except ValueError as error:
                reasons[place] = str(error)
        values.append(value)
    return ReadCells(values, reasons)


def read_totals(cells: Sequence[object]) -> ReadCells:
    """Numbers of a register that only counts up: integers, or Decimals where the meter has fractions."""
    kinds = set(map(type, cells))
    if kinds == _PLAIN and min(cells) >= 0:  # type: ignore[type-var,operator]
        return ReadCells(cells, {})
    if kinds == _PLAIN_OR_NULL and min(cell for cell in cells if cell is not None) >= 0:  # type: ignore[type-var,operator]
        return ReadCells(cells, {})
    return read_each(cells, _read_total)


def _read_total(cell: object) -> Any:
    number = to_number(cell)
    if number is not None and number < 0:
        raise ValueError("a negative number")
    return number


def make_status_reader(largest: int) -> CellsReader:
    """What reads an AMR profile status of 0 to ``largest``: a number, or a bit-string."""

    def read(cells: Sequence[object]) -> ReadCells:
        if set(map(type, cells)) == _PLAIN and min(cells) >= 0 and max(cells) <= largest:  # type: ignore[type-var,operator]
            return ReadCells(cells, {})
        return read_each(cells, lambda cell: to_bits(cell, largest))

    return read


def make_capture_time_reader(now: datetime) -> CellsReader:
    """What reads times at which a gateway read an M-Bus meter; ``now`` is the platform's time."""

    def read_one(moment: object) -> datetime:
        assert isinstance(moment, datetime)
        if not is_plausible(moment, now):
            raise ValueError("a time that cannot be right")
        return moment

    return lambda moments: read_each(moments, read_one)


def make_cells_reader(
    interface_class: InterfaceClass, column: CaptureColumn, scale: ScalerUnit | None
) -> CellsReader:
    """What reads a column that clients may choose, as JSON that tells it exactly.

    ``scale`` if it is the value of a register.
    """
    attribute = interface_class.find_attribute_name(column.descriptor.attribute_id)
    place = (interface_class.name, attribute, column.data_index)
    if place == ("gsm_diagnostic", "cell_info", _SIGNAL_QUALITY):
        read: Callable[[object], Any] = _read_signal_quality
    elif scale is None:
        read = read_plain
    else:
        read = _make_scaled_reader(scale)
    return lambda cells: read_each(cells, read)


def _make_scaled_reader(scale: ScalerUnit) -> Callable[[object], str | int | None]:
    """Decimal digits; numbers as they are if they only count."""
    scaler, unit = scale
    counts = unit is Unit.COUNT and scaler == 0

    def read(cell: object) -> str | int | None:
        raw = to_number(cell)
        if raw is None:
            return None
        if isinstance(raw, int):
            return raw if counts else format_decimal(raw, scaler)
        return format(raw.scaleb(scaler), "f")

    return read


def _read_signal_quality(cell: object) -> str:
    index = to_number(cell)
    if not isinstance(index, int):
        raise ValueError("a fraction instead of a signal quality")
    return find_signal_quality(index)


def read_plain(cell: object) -> Any:
    """Numbers, texts and truth values as they are, octets in hexadecimal, structures as lists."""
    if cell is None or isinstance(cell, int):
        return cell
    if isinstance(cell, float):
        return str(cell)
    if isinstance(cell, bytes | str | tuple):
        if len(cell) > LONGEST:
            raise ValueError(f"more than {LONGEST} octets, characters or elements")
        if isinstance(cell, bytes):
            return cell.hex()
        return [read_plain(element) for element in cell] if isinstance(cell, tuple) else make_storable(cell)
    raise ValueError(f"{name_kind(cell)} instead of a value")
