"""When a meter attaches to the network after a power failure.

Object 0-1:94.31.12.255 of the Dutch companion standards.
"""

from typing import NamedTuple

from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data, DataType

TAG = "RANDOMISATION_SETTINGS"

_TYPES = (DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG_UNSIGNED, DataType.LONG_UNSIGNED)
_WIDEST = (32, 16, 16)


class RandomisationSettings(NamedTuple):
    """The random moment lies in a window, which grows by a factor for each of the attempts that follow."""

    randomisation_start_window: int
    """Seconds."""
    multiplication_factor: int
    number_of_retries: int

    def encode(self) -> Data:
        """Return the value as the meter takes it."""
        return Data(DataType.STRUCTURE, tuple(map(Data, _TYPES, self)))


def parse(data: Data) -> RandomisationSettings:
    """Return the settings that a value means. Raises Fault unless it is a structure of three numbers."""
    parts = data.value
    if data.type is not DataType.STRUCTURE or not isinstance(parts, tuple) or len(parts) != len(_WIDEST):
        raise make_illegal_response("The randomisation settings are no structure of three.")
    numbers = [part.value for part in parts]
    for number, bits in zip(numbers, _WIDEST, strict=True):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << bits:
            raise make_illegal_response("The randomisation settings are not three unsigned numbers.")
    return RandomisationSettings(*numbers)
