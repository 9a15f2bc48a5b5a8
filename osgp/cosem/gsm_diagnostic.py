"""GSM diagnostic (class 47): what a modem reports about its network."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import NamedTuple, TypeVar

from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.cosem.signal_quality import find_signal_quality
from osgp.faults import Fault
from osgp.protocol_dlms import Data

Faults = MutableMapping[str, Fault]
"""By name, of members of a value that make no sense."""
Read = TypeVar("Read")

RESERVED = "RESERVED"
MOST_ADJACENT_CELLS = 100
LONGEST_OPERATOR = 255


class Status(NamedTuple):
    """An enumerated status, 0..255; ``name`` is RESERVED for codes without a meaning."""

    code: int
    name: str


class CellInfo(NamedTuple):
    """The cell in which the modem is. Members that an older class version lacks are None."""

    cell_id: int | None
    location_id: int | None
    signal_quality: str | None
    bit_error_rate: int | None
    mobile_country_code: int | None
    mobile_network_code: int | None
    channel_number: int | None


class AdjacentCell(NamedTuple):
    """A cell that the modem also receives."""

    cell_id: int | None
    signal_quality: str | None


def parse_status(data: Data, names: Sequence[str], name: str) -> Status | None:
    """Return an enumerated value with its name, one of ``names``; None for null-data.

    Raises Fault unless it is a number from 0 to 255.
    """
    code = parse_whole_number(data, name)
    if code is None:
        return None
    if not 0 <= code <= 0xFF:
        raise make_illegal_response(f"{name} has the value {code}, which is outside 0..255.")
    return Status(code, names[code] if code < len(names) else RESERVED)


def parse_operator(data: Data) -> str | None:
    """Return the name of the network operator; None for null-data. Raises Fault unless it is text."""
    if data.value is None:
        return None
    text = data.value.decode("ascii", errors="replace") if isinstance(data.value, bytes) else data.value
    if not isinstance(text, str):
        raise make_illegal_response("The operator's name is not text.")
    return "".join(character for character in text if character.isprintable())[:LONGEST_OPERATOR].strip()


def parse_cell_info(data: Data, faults: Faults) -> CellInfo | None:
    """Return attribute 6, a structure of seven members (four in class version 0); None for null-data.

    A member that makes no sense is None, and its fault is added to ``faults`` by its name. Raises Fault for
    anything but such a structure.
    """
    if data.value is None:
        return None
    members = data.value
    if not isinstance(members, tuple) or len(members) not in (4, 7):
        raise make_illegal_response("The cell information is not a structure of seven.")
    cell_id, location_id, quality, bit_error_rate, *network = members
    country, operator_code, channel = network or (None, None, None)
    return CellInfo(
        _read(_parse_number, cell_id, "cell_id", faults),
        _read(_parse_number, location_id, "location_id", faults),
        _read(_parse_signal_quality, quality, "signal_quality", faults),
        _read(_parse_number, bit_error_rate, "bit_error_rate", faults),
        _read(_parse_number, country, "mobile_country_code", faults),
        _read(_parse_number, operator_code, "mobile_network_code", faults),
        _read(_parse_number, channel, "channel_number", faults),
    )


def parse_adjacent_cells(data: Data, faults: Faults) -> list[AdjacentCell]:
    """Return attribute 7; an empty list for null-data. Raises Fault for anything but an array.

    Of a cell that makes no sense all is None; its fault is added to ``faults`` by its place, counted from 0,
    and that of a single member as ``0.signal_quality``.
    """
    if data.value is None:
        return []
    if not isinstance(data.value, tuple) or len(data.value) > MOST_ADJACENT_CELLS:
        raise make_illegal_response(f"The adjacent cells are not an array of at most {MOST_ADJACENT_CELLS}.")
    cells = []
    for place, cell in enumerate(data.value):
        cell_id = quality = None
        if isinstance(cell.value, tuple) and len(cell.value) == 2:
            cell_id, quality = cell.value
        else:
            faults[str(place)] = make_illegal_response("An adjacent cell is not a structure of two.")
        cells.append(
            AdjacentCell(
                _read(_parse_number, cell_id, f"{place}.cell_id", faults),
                _read(_parse_signal_quality, quality, f"{place}.signal_quality", faults),
            )
        )
    return cells


def _read(
    parse: Callable[[Data, str], Read | None], data: Data | None, name: str, faults: Faults
) -> Read | None:
    """The value of a member, None if it makes no sense, or the class version does not have it."""
    if data is None:
        return None
    try:
        return parse(data, name.rpartition(".")[2].replace("_", " "))
    except Fault as fault:
        faults[name] = fault
        return None


def _parse_number(data: Data, name: str) -> int | None:
    number = parse_whole_number(data, f"the {name}")
    if number is not None and number < 0:
        raise make_illegal_response(f"The {name} is negative.")
    return number


def _parse_signal_quality(data: Data, name: str) -> str | None:
    index = parse_whole_number(data, f"the {name}")
    if index is None:
        return None
    try:
        return find_signal_quality(index)
    except ValueError:
        raise make_illegal_response(f"The {name} has the index {index}, which stands for none.") from None
