"""Where the values of attributes come from: found by decorator, by tag or by class and attribute.

Attributes and classes go by their names in the Blue Book. What the interface class leaves open, the profile
decides: a number or a text is encoded in the data type that the profile has, a number with the scaler of the
profile.
"""

from collections.abc import Callable
from typing import NamedTuple

from osgp.catalogue.units import ScalerUnit, Unit

from ..codec.axdr import DataType
from .query import Elements, Provider, Query

VALUE = "value"
"""What classes call the attribute that matters most."""

BY_TAG: dict[tuple[str, str, DataType | None], Provider] = {}
BY_CLASS: dict[tuple[str, str], Provider] = {}


def value_of(
    tag: str, attribute: str = VALUE, data_type: DataType | None = None
) -> Callable[[Provider], Provider]:
    """The decorated function makes an ``attribute`` of the object ``tag``; may be stacked.

    With a ``data_type`` only for profiles in which the attribute is of that type.
    """

    def register(provider: Provider) -> Provider:
        BY_TAG[tag, attribute, data_type] = provider
        return provider

    return register


def value_of_class(class_name: str, attribute: str) -> Callable[[Provider], Provider]:
    """The decorated function makes an ``attribute`` of the objects of a class, unless a tag says
    more."""

    def register(provider: Provider) -> Provider:
        BY_CLASS[class_name, attribute] = provider
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
    """The decorated function gives the number that ``tag`` shows as its value; may be stacked."""

    def register(measure: Callable[[Query], float]) -> Callable[[Query], float]:
        NUMBERS[tag] = Number(measure, scaler_unit)
        return measure

    return register


def count_of(
    tag: str, scaler_unit: ScalerUnit = _COUNTED
) -> Callable[[Callable[[Query], int]], Callable[[Query], int]]:
    """The decorated function gives what ``tag`` has counted and shows as its value; may be stacked."""

    def register(measure: Callable[[Query], int]) -> Callable[[Query], int]:
        NUMBERS[tag] = Count(measure, scaler_unit)
        return measure

    return register


Text = Callable[[Query], str]

TEXTS: dict[str, Text] = {}


def text_of(tag: str) -> Callable[[Text], Text]:
    """The decorated function gives the text, of ASCII characters, that ``tag`` shows as its value; may be
    stacked."""

    def register(text: Text) -> Text:
        TEXTS[tag] = text
        return text

    return register


ELEMENTS: dict[tuple[str, str], Elements] = {}


def elements_of_class(class_name: str, attribute: str) -> Callable[[Elements], Elements]:
    """The decorated function makes the elements of an ``attribute`` of the objects of a class, of
    which buffers may capture single ones."""

    def register(elements: Elements) -> Elements:
        ELEMENTS[class_name, attribute] = elements
        return elements

    return register
