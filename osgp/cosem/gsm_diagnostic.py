"""GSM diagnostic (class 47): what a modem reports about its network."""

from collections.abc import Sequence
from typing import NamedTuple

from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.cosem.signal_quality import find_signal_quality
from osgp.protocol_dlms import Data

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


def parse_cell_info(data: Data) -> CellInfo | None:
    """Return attribute 6, a structure of seven members (four in class version 0); None for null-data.

    Raises Fault for anything else.
    """
    if data.value is None:
        return None
    members = data.value
    if not isinstance(members, tuple) or len(members) not in (4, 7):
        raise make_illegal_response("The cell information is not a structure of seven.")
    cell_id, location_id, quality, bit_error_rate, *network = members
    country, operator_code, channel = network or (None, None, None)
    return CellInfo(
        _parse_number(cell_id, "cell id"),
        _parse_number(location_id, "location id"),
        _parse_signal_quality(quality),
        _parse_number(bit_error_rate, "bit error rate"),
        _parse_number(country, "mobile country code"),
        _parse_number(operator_code, "mobile network code"),
        _parse_number(channel, "channel number"),
    )


def parse_adjacent_cells(data: Data) -> list[AdjacentCell]:
    """Return attribute 7; an empty list for null-data. Raises Fault for anything else."""
    if data.value is None:
        return []
    if not isinstance(data.value, tuple) or len(data.value) > MOST_ADJACENT_CELLS:
        raise make_illegal_response(f"The adjacent cells are not an array of at most {MOST_ADJACENT_CELLS}.")
    cells = []
    for cell in data.value:
        if not isinstance(cell.value, tuple) or len(cell.value) != 2:
            raise make_illegal_response("An adjacent cell is not a structure of two.")
        cell_id, quality = cell.value
        cells.append(AdjacentCell(_parse_number(cell_id, "cell id"), _parse_signal_quality(quality)))
    return cells


def _parse_number(data: Data | None, name: str) -> int | None:
    number = None if data is None else parse_whole_number(data, f"the {name}")
    if number is not None and number < 0:
        raise make_illegal_response(f"The {name} is negative.")
    return number


def _parse_signal_quality(data: Data) -> str | None:
    index = parse_whole_number(data, "the signal quality")
    if index is None:
        return None
    try:
        return find_signal_quality(index)
    except ValueError:
        raise make_illegal_response(
            f"The signal quality has the index {index}, which stands for none."
        ) from None
