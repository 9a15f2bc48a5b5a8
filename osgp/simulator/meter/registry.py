"""Where the values of attributes come from: one provider per tag or class and attribute, found by
decorator."""

from collections.abc import Callable

from .query import Provider, Query

BY_TAG: dict[tuple[str, int], Provider] = {}
BY_CLASS: dict[tuple[int, int], Provider] = {}


def value_of(tag: str, attribute_id: int = 2) -> Callable[[Provider], Provider]:
    """The decorated function makes attribute ``attribute_id`` of the object ``tag``; may be stacked."""

    def register(provider: Provider) -> Provider:
        BY_TAG[tag, attribute_id] = provider
        return provider

    return register


def value_of_class(class_id: int, attribute_id: int) -> Callable[[Provider], Provider]:
    """The decorated function makes attribute ``attribute_id`` of the objects of a class, unless a tag says
    more."""

    def register(provider: Provider) -> Provider:
        BY_CLASS[class_id, attribute_id] = provider
        return provider

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


def provider_of(tag: str, class_id: int, attribute_id: int) -> Provider | None:
    """The provider of an attribute; None when there is none and the data type has to do."""
    return BY_TAG.get((tag, attribute_id)) or BY_CLASS.get((class_id, attribute_id))
