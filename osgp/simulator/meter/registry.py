"""Where the values of attributes come from: found by decorator, by tag or by class and attribute.

What the interface class leaves open, the profile decides: a number or a text is encoded in the data type
that the profile has, a number with the scaler of the profile.
"""

from collections.abc import Callable
from typing import NamedTuple

from osgp.catalogue.units import ScalerUnit, Unit

from ..codec.axdr import DataType
from .query import Provider, Query

BY_TAG: dict[tuple[str, int, DataType | None], Provider] = {}
BY_CLASS: dict[tuple[int, int], Provider] = {}


def value_of(
    tag: str, attribute_id: int = 2, data_type: DataType | None = None
) -> Callable[[Provider], Provider]:
    """The decorated function makes attribute ``attribute_id`` of the object ``tag``; may be stacked.

    With a ``data_type`` only for profiles in which the attribute is of that type.
    """

    def register(provider: Provider) -> Provider:
        BY_TAG[tag, attribute_id, data_type] = provider
        return provider

    return register


def value_of_class(class_id: int, attribute_id: int) -> Callable[[Provider], Provider]:
    """The decorated function makes attribute ``attribute_id`` of the objects of a class, unless a tag says
    more."""

    def register(provider: Provider) -> Provider:
        BY_CLASS[class_id, attribute_id] = provider
        return provider

    return register


class Number(NamedTuple):
    """What an object shows as a number: ``measure`` gives it in ``scaler_unit``. It stays at the highest
    number of its data type."""

    measure: Callable[[Query], float]
    scaler_unit: ScalerUnit


class Count(NamedTuple):
    """What an object has counted: ``measure`` gives it in ``scaler_unit``. It starts again at 0 behind the
    highest number of its data type."""

    measure: Callable[[Query], int]
    scaler_unit: ScalerUnit


NUMBERS: dict[str, Number | Count] = {}

_COUNTED = ScalerUnit(0, Unit.COUNT)


def number_of(
    tag: str, scaler_unit: ScalerUnit = _COUNTED
) -> Callable[[Callable[[Query], float]], Callable[[Query], float]]:
    """The decorated function gives the number that ``tag`` shows in attribute 2; may be stacked."""

    def register(measure: Callable[[Query], float]) -> Callable[[Query], float]:
        NUMBERS[tag] = Number(measure, scaler_unit)
        return measure

    return register


def count_of(
    tag: str, scaler_unit: ScalerUnit = _COUNTED
) -> Callable[[Callable[[Query], int]], Callable[[Query], int]]:
    """The decorated function gives what ``tag`` has counted and shows in attribute 2; may be stacked."""

    def register(measure: Callable[[Query], int]) -> Callable[[Query], int]:
        NUMBERS[tag] = Count(measure, scaler_unit)
        return measure

    return register


Text = Callable[[Query], str]

TEXTS: dict[str, Text] = {}


def text_of(tag: str) -> Callable[[Text], Text]:
    """The decorated function gives the text, of ASCII characters, that ``tag`` shows in attribute 2; may be
    stacked."""

    def register(text: Text) -> Text:
        TEXTS[tag] = text
        return text

    return register


Elements = Callable[[Query], tuple[bytes, ...]]
"""Makes the encoded elements of a structure."""

ELEMENTS: dict[tuple[int, int], Elements] = {}


def elements_of_class(class_id: int, attribute_id: int) -> Callable[[Elements], Elements]:
    """The decorated function makes the elements of attribute ``attribute_id`` of the objects of a class, of
    which buffers may capture single ones."""

    def register(elements: Elements) -> Elements:
        ELEMENTS[class_id, attribute_id] = elements
        return elements

    return register


def elements_of(class_id: int, attribute_id: int) -> Elements | None:
    """What makes the elements of an attribute, None when they have to be taken from its value."""
    return ELEMENTS.get((class_id, attribute_id))
