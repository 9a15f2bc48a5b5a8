"""Simulated meters that do other things with what is written than to keep it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator.codec.results import DataAccessResult
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.meter.query import AccessError

Attribute = tuple[str, int]
"""The tag of an object and the id of an attribute."""


@contextmanager
def writing(
    simulated: SimulatedMeter, *, refused: Sequence[Attribute] = (), dropped: Sequence[Attribute] = ()
) -> Iterator[list[tuple[Attribute, str]]]:
    """A meter that refuses to write some attributes, and accepts others without keeping the value.

    Yields what is written, in order: the attribute, and the encoded value in hexadecimal.
    """
    written: list[tuple[Attribute, str]] = []
    original = SimulatedMeter.set

    def set_(meter: SimulatedMeter, descriptor: AttributeDescriptor, encoded: bytes, *rest: Any) -> None:
        found = meter.type.profile.find_by_logical_name(descriptor.logical_name)
        attribute = (found[0].tag if found else "", descriptor.attribute_id)
        written.append((attribute, encoded.hex()))
        if attribute in refused:
            raise AccessError(DataAccessResult.READ_WRITE_DENIED)
        if attribute not in dropped:
            original(meter, descriptor, encoded, *rest)

    with patch.object(SimulatedMeter, "set", set_):
        yield written
