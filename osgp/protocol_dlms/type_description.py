"""Type descriptions of compact arrays (Green Book 9.5, ``TypeDescription``): what one element costs.

A description repeats: an array has a count and one description. It is never written out, so that its cost is
known before anything is made of it.
"""

from typing import NamedTuple


class TypeDescription(NamedTuple):
    """The type of the elements of a compact array, or of a part of them.

    ``members`` are those of a structure; an array has ``length`` times its only one. ``elements`` is how many
    elements one value makes, itself included; ``octets`` how many it has at least, always if ``is_fixed``.
    """

    tag: int
    members: "tuple[TypeDescription, ...]"
    length: int
    elements: int
    octets: int
    is_fixed: bool


def describe_scalar(tag: int, octets: int | None) -> TypeDescription:
    """Describe a type with neither members nor tags. ``octets``: what a value has; None: a length says it."""
    return TypeDescription(tag, (), 0, 1, 1 if octets is None else octets, octets is not None)


def describe_array(tag: int, count: int, member: TypeDescription) -> TypeDescription:
    """Describe an array of ``count`` values of one type."""
    elements, octets = 1 + count * member.elements, count * member.octets
    return TypeDescription(tag, (member,), count, elements, octets, member.is_fixed or not count)


def describe_structure(tag: int, members: tuple[TypeDescription, ...]) -> TypeDescription:
    """Describe a structure."""
    return TypeDescription(
        tag,
        members,
        1,
        1 + sum(member.elements for member in members),
        sum(member.octets for member in members),
        all(member.is_fixed for member in members),
    )
