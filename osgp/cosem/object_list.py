"""The object list of an association (class 15, attribute 2): its objects and the access rights to them.

Class versions 0 to 2 enumerate access modes; from version 3 they are bit masks (Blue Book, association LN).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from osgp.cosem.errors import UnusableRow
from osgp.protocol_dlms import Data
from osgp.protocol_dlms.answers import MOST_SENSELESS_OBJECTS
from osgp.protocol_dlms.errors import DecodeError

BIT_CODED_SINCE = 3
"""The first class version in which access modes are bit masks."""
MOST_OBJECTS = 2_000
MOST_RIGHTS = 30_000
"""All attributes and methods together; real meters have a few hundred objects with a few thousand rights."""

_ASSOCIATION = 15
_READ, _WRITE, _AUTHENTICATED_REQUEST = 1, 2, 4


class AttributeAccessMode(StrEnum):
    """What a client may do with an attribute, in the order of the enumeration."""

    NO_ACCESS = "NO_ACCESS"
    READ_ONLY = "READ_ONLY"
    WRITE_ONLY = "WRITE_ONLY"
    READ_AND_WRITE = "READ_AND_WRITE"
    AUTHENTICATED_READ_ONLY = "AUTHENTICATED_READ_ONLY"
    AUTHENTICATED_WRITE_ONLY = "AUTHENTICATED_WRITE_ONLY"
    AUTHENTICATED_READ_AND_WRITE = "AUTHENTICATED_READ_AND_WRITE"
    UNKNOWN = "UNKNOWN"


class MethodAccessMode(StrEnum):
    """Whether a client may invoke a method, in the order of the enumeration."""

    NO_ACCESS = "NO_ACCESS"
    ACCESS = "ACCESS"
    AUTHENTICATED_ACCESS = "AUTHENTICATED_ACCESS"
    UNKNOWN = "UNKNOWN"


class Protection(StrEnum):
    """A protection that requests or responses must have."""

    AUTHENTICATED_REQUEST = "AUTHENTICATED_REQUEST"
    ENCRYPTED_REQUEST = "ENCRYPTED_REQUEST"
    DIGITALLY_SIGNED_REQUEST = "DIGITALLY_SIGNED_REQUEST"
    AUTHENTICATED_RESPONSE = "AUTHENTICATED_RESPONSE"
    ENCRYPTED_RESPONSE = "ENCRYPTED_RESPONSE"
    DIGITALLY_SIGNED_RESPONSE = "DIGITALLY_SIGNED_RESPONSE"


_ATTRIBUTE_MODES = tuple(AttributeAccessMode)[:7]
_METHOD_MODES = tuple(MethodAccessMode)[:3]
_FIRST_PROTECTION_BIT = 2
_TO_AUTHENTICATED = 3
"""From READ_ONLY to AUTHENTICATED_READ_ONLY in the enumeration, and so on."""

Right = TypeVar("Right")


class AttributeRight(NamedTuple):
    """Access to one attribute. ``code`` is as received; ``protection`` is empty before class version 3."""

    attribute_id: int
    code: int
    mode: AttributeAccessMode
    protection: tuple[Protection, ...]
    selectors: tuple[int, ...]

    @property
    def is_readable(self) -> bool:
        """Whether the client may read the attribute; True if the mode is unknown."""
        return self.mode not in (
            AttributeAccessMode.NO_ACCESS,
            AttributeAccessMode.WRITE_ONLY,
            AttributeAccessMode.AUTHENTICATED_WRITE_ONLY,
        )


class MethodRight(NamedTuple):
    """Access to one method."""

    method_id: int
    code: int
    mode: MethodAccessMode
    protection: tuple[Protection, ...]


class ListedObject(NamedTuple):
    """One object: class id 0..65535, class version 0..255, logical name of 6 octets, rights."""

    class_id: int
    version: int
    logical_name: bytes
    attributes: tuple[AttributeRight, ...]
    methods: tuple[MethodRight, ...]


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An invalid part of a list: the index of the object, counted from 0, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class ObjectList:
    """The valid objects, and what is invalid. ``version`` is the class version of the association."""

    version: int
    objects: list[ListedObject]
    unreadable: list[UnreadableEntry]
    is_complete: bool
    """False if the list exceeds MOST_OBJECTS or MOST_RIGHTS."""


def parse_object_list(elements: Iterable[Data], association: bytes, version: int) -> ObjectList:
    """Return the objects in ``object_list`` of the association with the logical name ``association``.

    ``elements`` are the entries of the list; no more are taken than are needed. ``version`` is the class
    version according to the profile; the association's own entry in the list takes precedence. Raises
    DecodeError if more than MOST_SENSELESS_OBJECTS entries in a row make no sense, and whatever ``elements``
    raise.
    """
    objects: list[ListedObject] = []
    unreadable: list[UnreadableEntry] = []
    own_version: int | None = None
    rights = wrong = 0
    is_complete = True
    for index, element in enumerate(elements):
        if index == MOST_OBJECTS:
            is_complete = False
            break
        if own_version is None:
            own_version = _find_own_version(element, association)
        try:
            listed, problems = _parse_object(element, version)
        except UnusableRow as error:
            unreadable.append(UnreadableEntry(index, str(error)))
            wrong += 1
            if wrong > MOST_SENSELESS_OBJECTS:
                raise DecodeError(
                    f"an object list of which {wrong} entries in a row make no sense: {error}"
                ) from error
            continue
        wrong = 0
        unreadable += [UnreadableEntry(index, problem) for problem in problems]
        rights += len(listed.attributes) + len(listed.methods) + len(problems)
        if rights > MOST_RIGHTS:
            is_complete = False
            break
        objects.append(listed)
    if own_version is not None and own_version != version:
        # Some entries may come before the one that says how all of them are coded.
        version, objects = own_version, [_code_anew(listed, own_version) for listed in objects]
    is_complete &= len(unreadable) <= MOST_OBJECTS
    return ObjectList(version, objects, unreadable[:MOST_OBJECTS], is_complete)


def decode_attribute_access(code: int, version: int) -> tuple[AttributeAccessMode, tuple[Protection, ...]]:
    """Return mode and protection of an attribute from ``code``; ``version`` is that of the association."""
    if version < BIT_CODED_SINCE:
        known = 0 <= code < len(_ATTRIBUTE_MODES)
        return _ATTRIBUTE_MODES[code] if known else AttributeAccessMode.UNKNOWN, ()
    position = code & (_READ | _WRITE)
    if position and code & _AUTHENTICATED_REQUEST:
        position += _TO_AUTHENTICATED
    return _ATTRIBUTE_MODES[position], _decode_protection(code)


def decode_method_access(code: int, version: int) -> tuple[MethodAccessMode, tuple[Protection, ...]]:
    """Return mode and protection of a method from ``code``; ``version`` is that of the association."""
    if version < BIT_CODED_SINCE:
        known = 0 <= code < len(_METHOD_MODES)
        return _METHOD_MODES[code] if known else MethodAccessMode.UNKNOWN, ()
    if not code & 1:
        return MethodAccessMode.NO_ACCESS, _decode_protection(code)
    authenticated = bool(code & _AUTHENTICATED_REQUEST)
    mode = MethodAccessMode.AUTHENTICATED_ACCESS if authenticated else MethodAccessMode.ACCESS
    return mode, _decode_protection(code)


def _decode_protection(code: int) -> tuple[Protection, ...]:
    return tuple(item for bit, item in enumerate(Protection, _FIRST_PROTECTION_BIT) if code >> bit & 1)


def _find_own_version(element: Data, association: bytes) -> int | None:
    """The class version in the association's own entry, whatever its rights are; None of other entries."""
    match element.value:
        case ((_, int(class_id)), (_, int(version)), (_, bytes(name)), _) if name == association:
            return version if class_id == _ASSOCIATION and version >= 0 else None
    return None


def _code_anew(listed: ListedObject, version: int) -> ListedObject:
    """The object with the access modes that its codes stand for in another ``version`` of the association."""
    return listed._replace(
        attributes=tuple(
            AttributeRight(
                right.attribute_id, right.code, *decode_attribute_access(right.code, version), right.selectors
            )
            for right in listed.attributes
        ),
        methods=tuple(
            MethodRight(right.method_id, right.code, *decode_method_access(right.code, version))
            for right in listed.methods
        ),
    )


def _parse_object(element: Data, version: int) -> tuple[ListedObject, list[str]]:
    class_id, class_version, logical_name, rights = _parse_members(element, 4, "The object")
    name = logical_name.value
    if not isinstance(name, bytes) or len(name) != 6:
        raise UnusableRow("The logical name is not an octet-string of six octets.")
    attributes, methods = _parse_members(rights, 2, "The access rights")
    problems: list[str] = []
    return (
        ListedObject(
            _parse_number(class_id, range(0x10000), "The class id"),
            _parse_number(class_version, range(0x100), "The class version"),
            name,
            tuple(_parse_rights(attributes, _parse_attribute_right, version, problems)),
            tuple(_parse_rights(methods, _parse_method_right, version, problems)),
        ),
        problems,
    )


def _parse_rights(
    data: Data, read: Callable[[Data, int], Right], version: int, problems: list[str]
) -> Iterator[Right]:
    if data.value is None:
        return
    if not isinstance(data.value, tuple):
        problems.append("The access rights are not an array.")
        return
    for item in data.value:
        try:
            yield read(item, version)
        except UnusableRow as error:
            problems.append(str(error))


def _parse_attribute_right(item: Data, version: int) -> AttributeRight:
    attribute_id, access, selectors = _parse_members(item, 3, "The right of an attribute")
    code = _parse_number(access, range(0x100), "The access mode")
    mode, protection = decode_attribute_access(code, version)
    number = _parse_number(attribute_id, range(-0x80, 0x80), "The attribute id")
    return AttributeRight(number, code, mode, protection, _parse_selectors(selectors))


def _parse_method_right(item: Data, version: int) -> MethodRight:
    method_id, access = _parse_members(item, 2, "The right of a method")
    # A boolean in version 0 of the class.
    code = _parse_number(access, range(0x100), "The access mode")
    mode, protection = decode_method_access(code, version)
    return MethodRight(_parse_number(method_id, range(-0x80, 0x80), "The method id"), code, mode, protection)


def _parse_selectors(data: Data) -> tuple[int, ...]:
    if data.value is None:
        return ()
    if not isinstance(data.value, tuple):
        raise UnusableRow("The access selectors are not an array.")
    return tuple(_parse_number(item, range(-0x80, 0x100), "An access selector") for item in data.value)


def _parse_members(data: Data, count: int, what: str) -> tuple[Data, ...]:
    if not isinstance(data.value, tuple) or len(data.value) != count:
        raise UnusableRow(f"{what}: not a structure of {count}.")
    return data.value


def _parse_number(data: Data, allowed: range, what: str) -> int:
    if not isinstance(data.value, int) or data.value not in allowed:
        raise UnusableRow(f"{what} is not a number of {allowed[0]} to {allowed[-1]}.")
    return int(data.value)
