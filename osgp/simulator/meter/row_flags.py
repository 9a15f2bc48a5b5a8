"""What can have befallen a row of a buffer. The status of rows shows what the profile has bits for."""

from collections.abc import Callable, Mapping

from osgp.catalogue import Flags

CRITICAL_ERROR = 0x01
CLOCK_INVALID = 0x02
DATA_NOT_VALID = 0x04
DAYLIGHT_SAVING = 0x08
CLOCK_ADJUSTED = 0x10
RECOVERED_VALUE = 0x20
POWER_DOWN = 0x40

_ALL = 0x7F

_BY_NAME: Mapping[str, int] = {
    "CRITICAL_ERROR": CRITICAL_ERROR,
    "CLOCK_INVALID": CLOCK_INVALID,
    "DATA_NOT_VALID": DATA_NOT_VALID,
    "DAYLIGHT_SAVING": DAYLIGHT_SAVING,
    "CLOCK_ADJUSTED": CLOCK_ADJUSTED,
    "RECOVERED_VALUE": RECOVERED_VALUE,
    "POWER_DOWN": POWER_DOWN,
}


def are_of_rows(flags: Flags) -> bool:
    """Whether any of the flags can befall a row."""
    return any(name in _BY_NAME for name in flags.names.values())


def make_bit_mapping(flags: Flags) -> Callable[[int], int]:
    """What turns flags of a row into the value of a status with these bits."""
    bits = [(_BY_NAME[name], 1 << bit) for bit, name in flags.names.items() if name in _BY_NAME]
    values = tuple(sum(bit for flag, bit in bits if value & flag) for value in range(_ALL + 1))
    return values.__getitem__
