"""What can be told from the shape of a single value in a push.

Lengths alone tell nothing: there are identifications as long as a date-time, or as a logical name. So these
functions look at the content too, and their callers at the position.
"""

from osgp.catalogue.units import ScalerUnit, Unit
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.protocol_dlms.cosem_time import LENGTH

LONGEST_TEXT = 128
"""Characters of a name or identification; those of COSEM have 16 or 17."""

_TEXTS = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)
_LARGEST_MEDIUM = 15  # value group A
_YEARS = range(1990, 2128)
_LARGEST_SCALER = 24


def get_elements(data: Data) -> tuple[Data, ...] | None:
    """Return the elements of an array or structure; None for anything else."""
    return data.value if isinstance(data.value, tuple) else None


def get_structure(data: Data) -> tuple[Data, ...] | None:
    """Return the members of a structure; None for anything else."""
    return get_elements(data) if data.type is DataType.STRUCTURE else None


def get_array(data: Data) -> tuple[Data, ...] | None:
    """Return the elements of an array; None for anything else."""
    return get_elements(data) if data.type is DataType.ARRAY else None


def get_logical_name(data: Data) -> bytes | None:
    """Return the six octets of a logical name.

    None for anything else, such as six digits in ASCII: their first octet is no value group A.
    """
    octets = data.value
    if data.type is not DataType.OCTET_STRING or not isinstance(octets, bytes) or len(octets) != 6:
        return None
    return octets if octets[0] <= _LARGEST_MEDIUM else None


def get_clock(data: Data) -> bytes | None:
    """Return the 12 octets of a date-time with a date; None for anything else, such as 12 digits."""
    octets = data.value
    if data.type not in (DataType.OCTET_STRING, DataType.DATE_TIME):
        return None
    if not isinstance(octets, bytes) or len(octets) != LENGTH:
        return None
    told = CosemDateTime.from_bytes(octets)
    plausible = (
        told.year in _YEARS
        and 1 <= told.month <= 12
        and 1 <= told.day <= 31
        and told.hour <= 23
        and told.minute <= 59
    )
    return octets if plausible else None


def get_text(data: Data) -> str | None:
    """Return a name or identification of printable ASCII, without blanks around it; None if it is none."""
    value = data.value
    if data.type not in _TEXTS:
        return None
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return None
    text = value.strip(" \0")
    return text if text and text.isascii() and text.isprintable() else None


def is_scaler_unit(data: Data) -> bool:
    """Return whether a value is a structure of scaler and unit, whatever they are."""
    members = get_structure(data)
    if members is None or len(members) != 2:
        return False
    return members[0].type is DataType.INTEGER and members[1].type is DataType.ENUM


def get_scaler_unit(data: Data) -> ScalerUnit | None:
    """Return scaler and unit; None if they are none, or the scaler or the unit does not exist."""
    if not is_scaler_unit(data):
        return None
    members = get_structure(data)
    assert members is not None
    scaler, unit = (member.value for member in members)
    if not isinstance(scaler, int) or not isinstance(unit, int) or abs(scaler) > _LARGEST_SCALER:
        return None
    try:
        return ScalerUnit(scaler, Unit(unit))  # type: ignore[call-arg]
    except ValueError:
        return None
