"""Push setups as a meter has them: where it pushes, what, when and how often (Blue Book, class 40)."""

from datetime import datetime
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import Data, DataType, decode
from ..destinations import Destination, parse_destination
from ..meter.meter import Meter
from ..meter.pushing import APDU, DESTINATION, TCP, TEXT, UDP
from .orders import Form, Setup, Transport
from .windows import is_within

_TRANSPORTS = {TCP: Transport.TCP, UDP: Transport.UDP}
_FORMS = {APDU: Form.SMR5, TEXT: Form.DSMR4}
_PERCENT = 100
_MOST_GROWTH = 64
_ZERO, _EMPTY = Data(DataType.UNSIGNED, 0), Data(DataType.ARRAY, ())
_NOWHERE = Data(DataType.STRUCTURE, tuple(Data(DataType.NULL_DATA) for _ in range(3)))
"""What a push setup says that lacks an attribute."""


class SetupError(ValueError):
    """A push setup by which nothing can be sent."""


class PushSetup(NamedTuple):
    """What a push setup says. ``objects`` are attributes with their data indices; times are in seconds.
    ``repetition_delay`` is the first delay, by how many percent of it the next one is long, and the longest.
    """

    logical_name: bytes
    destination: Destination
    transport: Transport
    form: Form
    objects: tuple[tuple[AttributeDescriptor, int], ...]
    windows: tuple[tuple[bytes, bytes], ...]
    randomisation: int
    retries: int
    repetition_delay: tuple[int, int, int]

    def get_delay(self, repetition: int) -> float:
        """Seconds before a repetition, counted from 1."""
        least, exponent, most = self.repetition_delay
        # No higher power can matter: the longest delay has 16 bits.
        growth = (exponent / _PERCENT) ** min(repetition - 1, _MOST_GROWTH)
        return min(least * growth, max(least, most))

    def is_open(self, local: datetime) -> bool:
        """Whether pushes may be sent at a time of the meter's clock."""
        return not self.windows or any(is_within(local, *window) for window in self.windows)


def read_setup(meter: Meter, setup: Setup) -> PushSetup | None:
    """A push setup of a meter; None when the meter has none, or none with a destination. SetupError when
    nothing can be sent as it says."""
    entry = meter.type.find_tagged(setup.tag)
    if entry is None:
        return None

    def read(name: str, default: Data) -> Data:
        descriptor = entry.descriptors.get(name)
        return decode(meter.get(descriptor)) if descriptor is not None else default

    transport, address, message = (part.value for part in read(DESTINATION[1], _NOWHERE).value)
    if not address:
        return None
    if transport not in _TRANSPORTS or message not in _FORMS:
        raise SetupError(f"transport {transport} with messages of type {message} is not simulated")
    try:
        destination = parse_destination(address.decode("ascii", "replace"))
    except ValueError as error:
        raise SetupError(str(error)) from None
    return PushSetup(
        entry.logical_name,
        destination,
        _TRANSPORTS[transport],
        _FORMS[message],
        tuple(_read_definition(item) for item in read("push_object_list", _EMPTY).value),
        tuple((begin.value, end.value) for begin, end in _list_pairs(read("communication_window", _EMPTY))),
        read("randomisation_start_interval", _ZERO).value,
        read("number_of_retries", _ZERO).value,
        _read_delay(read("repetition_delay", _ZERO)),
    )


def _read_delay(data: Data) -> tuple[int, int, int]:
    """The delay is always the same up to version 1 of the class, and grows from version 2 on."""
    if isinstance(data.value, int):
        return data.value, _PERCENT, data.value
    least, exponent, most = (part.value for part in data.value) if data.value else (0, _PERCENT, 0)
    return least, exponent, most


def _read_definition(item: Data) -> tuple[AttributeDescriptor, int]:
    class_id, logical_name, attribute_id, data_index = (part.value for part in item.value)
    return AttributeDescriptor(class_id, logical_name, attribute_id), data_index


def _list_pairs(windows: Data) -> list[tuple[Data, Data]]:
    return [(window.value[0], window.value[1]) for window in windows.value]
