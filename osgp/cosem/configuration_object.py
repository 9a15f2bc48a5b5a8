"""The configuration object of a meter: its flags and, in older meters, the GPRS operation mode.

Object 0-1:94.31.3.255 of the Dutch companion standards. DSMR 4.2.2 and SMR 4.3 have a structure of the mode
(enum) and the flags (bit-string of 16), SMR 5 the flags alone. The names of the flags are data of the
profile.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from osgp import catalogue
from osgp.catalogue import Flags, Profile
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.protocol_dlms import Data, DataType

TAG = "CONFIGURATION_OBJECT"
DIRECT_ATTACH = "DIRECT_ATTACH_AT_POWER_ON"
"""The flag with which a meter attaches to the network without waiting for its random moment."""

_NO_FLAGS = Flags(16, {})


class GprsOperationMode(StrEnum):
    """Whether the meter keeps its connection, or opens it when it is called. Numbered from 1 in order."""

    ALWAYS_ON = "ALWAYS_ON"
    TRIGGERED = "TRIGGERED"


_MODES = dict(enumerate(GprsOperationMode, start=1))
_NUMBERS = {mode: number for number, mode in _MODES.items()}


@dataclass(frozen=True)
class Configuration:
    """The value of a configuration object.

    ``bits`` has the flags, bit 0 for the first bit of the bit-string; ``flags`` names them. ``mode_number``
    is the GPRS operation mode as the meter has it, which may be no known one, or None if its profile has
    none.
    """

    bits: int
    flags: Flags
    mode_number: int | None = None

    @property
    def mode(self) -> GprsOperationMode | None:
        """The GPRS operation mode; None for other numbers, and if there is none."""
        return _MODES.get(self.mode_number) if self.mode_number is not None else None

    @property
    def has_unknown_mode(self) -> bool:
        """Whether there should be a mode, and the number means none."""
        return self.mode_number is not None and self.mode is None

    def list_flags(self) -> dict[str, bool]:
        """Return whether each flag that the profile knows is set, in the order of bits."""
        return {name: bool(self.bits >> bit & 1) for bit, name in self.flags.names.items()}

    def list_unknown_bits(self) -> list[int]:
        """Return the bits that are set and have no name, first one first."""
        return list(self.flags.decode(self.bits).unknown)

    def merge(self, flags: Mapping[str, bool], mode: GprsOperationMode | None = None) -> "Configuration":
        """Return the value with these flags and this mode; everything else stays, bits without a name too.

        Raises ValueError for a flag that the profile does not have.
        """
        by_name = {name: bit for bit, name in self.flags.names.items()}
        bits = self.bits
        for name, enabled in flags.items():
            if name not in by_name:
                raise ValueError(f"there is no flag {name}")
            bits = bits | 1 << by_name[name] if enabled else bits & ~(1 << by_name[name])
        return replace(self, bits=bits, mode_number=self.mode_number if mode is None else _NUMBERS[mode])

    def encode(self) -> Data:
        """Return the value as the meter takes it."""
        text = "".join("1" if self.bits >> bit & 1 else "0" for bit in range(self.flags.width))
        flags = Data(DataType.BIT_STRING, text)
        if self.mode_number is None:
            return flags
        return Data(DataType.STRUCTURE, (Data(DataType.ENUM, self.mode_number), flags))

    def __str__(self) -> str:
        names = [name for name, enabled in self.list_flags().items() if enabled]
        mode = [] if self.mode_number is None else [self.mode or f"GPRS operation mode {self.mode_number}"]
        parts: Iterable[str] = (*mode, *names, *(f"bit {bit}" for bit in self.list_unknown_bits()))
        return f"[{', '.join(parts)}]"


def has_mode(profile: Profile) -> bool:
    """Return whether the configuration object of a profile has a GPRS operation mode."""
    return TAG in profile and "value" in profile[TAG] and profile[TAG]["value"].data_type == "structure"


def list_flag_names() -> tuple[str, ...]:
    """Return the names of the flags of all profiles, ordered by profile (oldest first) and bit."""
    return catalogue.list_flag_names(TAG)


def parse(data: Data, profile: Profile) -> Configuration:
    """Return what a value means in a meter of ``profile``, which has the object.

    Raises Fault unless it has the form of the profile, with a number as mode and all flags.
    """
    named = profile[TAG].flags or _NO_FLAGS
    flags, number = data, None
    if has_mode(profile):
        parts = data.value
        if data.type is not DataType.STRUCTURE or not isinstance(parts, tuple) or len(parts) != 2:
            raise make_illegal_response("The configuration object is no structure of mode and flags.")
        mode, flags = parts
        number = parse_whole_number(mode, "the GPRS operation mode")
        # What does not fit the enum could not be written back.
        if number is None or not 0 <= number <= 0xFF:
            raise make_illegal_response("The GPRS operation mode is no number of 0 to 255.")
    text = flags.value
    if flags.type is not DataType.BIT_STRING or not isinstance(text, str) or len(text) != named.width:
        raise make_illegal_response(
            f"The flags of the configuration object are no bit-string of {named.width} bits."
        )
    return Configuration(int(text[::-1], 2), named, number)
