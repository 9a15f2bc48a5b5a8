"""Simulated meters that refuse, or accept and do not keep, what is written."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator.codec.axdr import Data
from osgp.simulator.codec.results import DataAccessResult
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.meter.query import READ, AccessError, LogicalDevice, ObjectEntry, Write


def _forget(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """What is written goes nowhere; the meter has again what it had from the factory."""
    return True


def _refuse(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    raise AccessError(DataAccessResult.TYPE_UNMATCHED)


@contextmanager
def _writing(simulated: SimulatedMeter, tag: str, names: tuple[str, ...], write: Write) -> Iterator[None]:
    with ExitStack() as stack:
        for name in names:
            _, attribute = simulated.find(simulated.type.profile[tag].address_attribute(name))
            stack.enter_context(mock.patch.object(attribute, "write", write))
        yield


@contextmanager
def forgetting(simulated: SimulatedMeter, tag: str, *names: str) -> Iterator[None]:
    """The meter accepts what is written to these attributes, and keeps its own values."""
    with _writing(simulated, tag, names, _forget):
        yield


@contextmanager
def refusing(simulated: SimulatedMeter, tag: str, *names: str) -> Iterator[None]:
    """The meter refuses what is written to these attributes."""
    with _writing(simulated, tag, names, _refuse):
        yield


@contextmanager
def hiding(simulated: SimulatedMeter, tag: str, *names: str) -> Iterator[None]:
    """These attributes cannot be read."""
    with ExitStack() as stack:
        for name in names:
            _, attribute = simulated.find(simulated.type.profile[tag].address_attribute(name))
            stack.enter_context(mock.patch.object(attribute, "access", attribute.access & ~READ))
        yield


class _Converting(dict[AttributeDescriptor, bytes]):
    convert: Callable[[bytes], bytes]

    def __setitem__(self, descriptor: AttributeDescriptor, octets: bytes) -> None:
        super().__setitem__(descriptor, self.convert(octets))


@contextmanager
def keeping(simulated: SimulatedMeter, convert: Callable[[bytes], bytes]) -> Iterator[None]:
    """The meter keeps what is written in another form. Inside of ``saying`` only."""
    overrides = _Converting(simulated.memory.overrides or {})
    overrides.convert = convert
    simulated.memory.overrides = overrides
    yield


def kept(simulated: SimulatedMeter, tag: str, name: str) -> str:
    """The octets of an attribute as they were written, in hexadecimal."""
    overrides = simulated.memory.overrides
    assert overrides is not None
    return overrides[simulated.type.profile[tag].address_attribute(name)].hex()
