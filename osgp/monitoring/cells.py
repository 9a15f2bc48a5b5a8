"""Cells of buffers whose columns a client may choose: what they hold, as JSON that tells it exactly."""

from collections.abc import Callable
from typing import Any

from osgp.catalogue import CaptureColumn, InterfaceClass
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import parse_number
from osgp.cosem.quantities import format_decimal
from osgp.cosem.signal_quality import find_signal_quality
from osgp.messages.serializers import make_storable

CellReader = Callable[[object], Any]
"""Converts a cell to JSON; raises UnusableRow if it is invalid."""

LONGEST = 64
"""Octets, characters or elements in a cell."""

_SIGNAL_QUALITY = 3
"""Which element of a modem's cell_info it is."""


def make_cell_reader(
    interface_class: InterfaceClass, column: CaptureColumn, scale: ScalerUnit | None
) -> CellReader:
    """What reads the cells of a column of an object; ``scale`` if it is the value of a register."""
    attribute = interface_class.find_attribute_name(column.descriptor.attribute_id)
    place = (interface_class.name, attribute, column.data_index)
    if place == ("gsm_diagnostic", "cell_info", _SIGNAL_QUALITY):
        return _read_signal_quality
    if scale is None:
        return read_plain
    return _make_scaled_reader(column.tag, scale)


def _make_scaled_reader(name: str, scale: ScalerUnit) -> CellReader:
    """Decimal digits; numbers as they are if they only count."""
    scaler, unit = scale
    counts = unit is Unit.COUNT and scaler == 0

    def read(cell: object) -> str | int | None:
        raw = parse_number(cell, name)
        return raw if raw is None or counts else format_decimal(raw, scaler)

    return read


def _read_signal_quality(cell: object) -> str | None:
    index = parse_number(cell, "The signal quality")
    try:
        return None if index is None else find_signal_quality(index)
    except ValueError as error:
        raise UnusableRow(f"{str(error).capitalize()}.") from None


def read_plain(cell: object) -> Any:
    """Numbers, texts and truth values as they are, octets in hexadecimal, structures as lists."""
    if cell is None or isinstance(cell, int):
        return cell
    if isinstance(cell, float):
        return str(cell)
    if isinstance(cell, bytes | str | tuple):
        if len(cell) > LONGEST:
            raise UnusableRow(f"A value is longer than {LONGEST} octets, characters or elements.")
        if isinstance(cell, bytes):
            return cell.hex()
        return [read_plain(element) for element in cell] if isinstance(cell, tuple) else make_storable(cell)
    raise UnusableRow(f"A value is a {type(cell).__name__}.")
