"""COSEM interface classes: the Blue Book's names of attributes and methods, and which are secret."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from osgp.catalogue import values
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.catalogue.reading import DataFile, Place

FILE = "interface-classes.toml"
LOGICAL_NAME = "logical_name"
CHOICE = "choice"
"""The data type of an attribute whose type differs between objects."""

_DATA_TYPES = (CHOICE, *sorted(values.DATA_TYPES))
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_REQUIRED = ("id", "versions", "name", "attributes")
_OPTIONAL = ("methods", "aliases", "enumerations", "secret_attributes", "secret_methods")
_VALUE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


class NotInInterfaceClass(LookupError):
    """A version of an interface class has no attribute or method of this name."""

    def __init__(self, interface_class: "InterfaceClass", kind: str, name: str) -> None:
        super().__init__(f"{interface_class} has no {kind} {name}")


@dataclass(frozen=True, slots=True, eq=False)
class InterfaceClass:
    """One version of an interface class. ``attributes`` and ``methods`` are names by id, 1..127.

    ``enumerations`` maps the name of an enumerated attribute to the names of its values, from 0 on.
    """

    class_id: int
    version: int
    name: str
    attributes: Mapping[int, str]
    attribute_types: Mapping[int, str]
    methods: Mapping[int, str]
    enumerations: Mapping[str, tuple[str, ...]]
    secret_attributes: frozenset[int]
    secret_methods: frozenset[int]
    _attribute_ids: Mapping[str, int] = field(repr=False)
    _method_ids: Mapping[str, int] = field(repr=False)

    def find_attribute_id(self, name: str) -> int:
        """Return the id of an attribute ("scaler_unit"). Raises NotInInterfaceClass if the class lacks it."""
        try:
            return self._attribute_ids[name]
        except KeyError:
            raise NotInInterfaceClass(self, "attribute", name) from None

    def find_method_id(self, name: str) -> int:
        """Return the id of a method ("reset"). Raises NotInInterfaceClass if the class lacks it."""
        try:
            return self._method_ids[name]
        except KeyError:
            raise NotInInterfaceClass(self, "method", name) from None

    def find_attribute_name(self, attribute_id: int) -> str | None:
        """Return the name of an attribute; None for an id that the class does not define."""
        return self.attributes.get(attribute_id)

    def find_method_name(self, method_id: int) -> str | None:
        """Return the name of a method; None for an id that the class does not define."""
        return self.methods.get(method_id)

    def __str__(self) -> str:
        return f"class {self.class_id} version {self.version} ({self.name})"


class InterfaceClasses:
    """All interface classes of the data files."""

    def __init__(self, interface_classes: Iterable[InterfaceClass]) -> None:
        self._by_version: dict[int, dict[int, InterfaceClass]] = {}
        for interface_class in sorted(interface_classes, key=lambda each: each.version):
            self._by_version.setdefault(interface_class.class_id, {})[interface_class.version] = (
                interface_class
            )
        self._secret_attributes = frozenset(self._list_secrets("secret_attributes", whole=True))
        self._secret_methods = frozenset(self._list_secrets("secret_methods", whole=False))

    def __iter__(self) -> Iterator[InterfaceClass]:
        """In the order of class ids, then of versions."""
        for class_id in sorted(self._by_version):
            yield from self._by_version[class_id].values()

    def get(self, class_id: int, version: int) -> InterfaceClass | None:
        """Return exactly this version of a class; None if it is unknown."""
        return self._by_version.get(class_id, {}).get(version)

    def find_latest(self, class_id: int) -> InterfaceClass | None:
        """Return the highest known version of a class, for objects of unknown version; None: none."""
        versions = self._by_version.get(class_id)
        return versions[max(versions)] if versions else None

    def is_secret(self, descriptor: AttributeDescriptor | MethodDescriptor) -> bool:
        """Return whether the data of a request are or hold a secret, in any version of the class.

        Attribute 0 stands for all attributes of an object.
        """
        member = (descriptor.class_id, descriptor[2])
        if isinstance(descriptor, AttributeDescriptor):
            return member in self._secret_attributes
        return member in self._secret_methods

    def _list_secrets(self, kind: str, *, whole: bool) -> Iterator[tuple[int, int]]:
        for interface_class in self:
            secret = getattr(interface_class, kind)
            yield from ((interface_class.class_id, member) for member in secret)
            if secret and whole:
                yield interface_class.class_id, 0


def load(files: Iterable[DataFile]) -> InterfaceClasses:
    """Read the interface classes in ``files``. Raises CatalogueError for the first error."""
    found: dict[tuple[int, int], InterfaceClass] = {}
    sources: dict[tuple[int, int], str] = {}
    for file in files:
        for place, interface_class in _read(file):
            key = (interface_class.class_id, interface_class.version)
            if key in found:
                raise place.make_error(f"version {interface_class.version} is already in {sources[key]}")
            found[key], sources[key] = interface_class, file.name
    return InterfaceClasses(found.values())


def _read(file: DataFile) -> Iterator[tuple[Place, InterfaceClass]]:
    top = file.place
    for table in top.check_list(top.check_keys(file.content, ("class",), ())["class"]):
        top.check_keys(table, _REQUIRED, _OPTIONAL)
        class_id = top.narrow_to("id").check_integer(table["id"], 0, 65535)
        place = Place(file.name, f"class {class_id}")
        versions = place.narrow_to("versions").check_list(table["versions"])
        if not versions:
            raise place.narrow_to("versions").make_error("must list at least one")
        for version in versions:
            yield place, _parse_interface_class(place, class_id, version, table)


def _parse_interface_class(
    place: Place, class_id: int, version: object, table: dict[str, Any]
) -> InterfaceClass:
    attributes, types = {1: LOGICAL_NAME}, {1: "octet-string"}
    _add_attributes(place, "attributes", table["attributes"], attributes, types)
    methods: dict[int, str] = {}
    for row in place.narrow_to("methods").check_list(table.get("methods", [])):
        method_id, name = _check_row(place.narrow_to("methods"), row, 2, "id and name")
        _add(place.narrow_to(f"method {method_id}"), methods, method_id, name)
    attribute_ids = {name: number for number, name in attributes.items()}
    method_ids = {name: number for number, name in methods.items()}
    secret = {
        kind: frozenset(
            known[place.narrow_to(kind).check_choice(name, tuple(known))]
            for name in place.narrow_to(kind).check_list(table.get(kind, []))
        )
        for kind, known in (("secret_attributes", attribute_ids), ("secret_methods", method_ids))
    }
    _add_aliases(place.narrow_to("aliases"), table.get("aliases", {}), attribute_ids, method_ids)
    return InterfaceClass(
        class_id=class_id,
        version=place.narrow_to("versions").check_integer(version, 0, 255),
        name=_check_name(place.narrow_to("name"), table["name"]),
        attributes=MappingProxyType(attributes),
        attribute_types=MappingProxyType(types),
        methods=MappingProxyType(methods),
        enumerations=_parse_enumerations(
            place.narrow_to("enumerations"), table.get("enumerations", {}), attribute_ids
        ),
        secret_attributes=secret["secret_attributes"],
        secret_methods=secret["secret_methods"],
        _attribute_ids=attribute_ids,
        _method_ids=method_ids,
    )


def _add_attributes(
    place: Place, key: str, rows: object, attributes: dict[int, str], types: dict[int, str]
) -> None:
    for row in place.narrow_to(key).check_list(rows):
        attribute_id, name, data_type = _check_row(place.narrow_to(key), row, 3, "id, name and data type")
        here = place.narrow_to(f"attribute {attribute_id}")
        if data_type not in _DATA_TYPES:
            raise here.make_error(f"unknown data type {data_type!r}")
        _add(here, attributes, attribute_id, name)
        types[attribute_id] = data_type


def extend(interface_class: InterfaceClass, place: Place, key: str, rows: object) -> InterfaceClass:
    """Return the class with the attributes of a companion standard, from the ``rows`` at a file's ``key``."""
    attributes, types = dict(interface_class.attributes), dict(interface_class.attribute_types)
    _add_attributes(place, key, rows, attributes, types)
    added = {name: number for number, name in attributes.items()}
    return replace(
        interface_class,
        attributes=MappingProxyType(attributes),
        attribute_types=MappingProxyType(types),
        _attribute_ids={**interface_class._attribute_ids, **added},
    )


def _check_row(place: Place, row: object, length: int, members: str) -> list[Any]:
    if not isinstance(row, list) or len(row) != length:
        raise place.make_error(f"{row!r} is not a row of {members}")
    return row


def _add(place: Place, names: dict[int, str], number: object, name: object) -> None:
    number = place.check_integer(number, 1, 127)
    if number in names:
        raise place.make_error("is there twice")
    if name in names.values():
        raise place.make_error(f"{name} is there twice")
    names[number] = _check_name(place, name)


def _check_name(place: Place, value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise place.make_error(f"{value!r} is not a name in lower case")
    return value


def _parse_enumerations(
    place: Place, table: object, attribute_ids: Mapping[str, int]
) -> Mapping[str, tuple[str, ...]]:
    enumerations = {}
    for attribute, listed in place.check_table(table).items():
        names = place.check_list(listed)
        for name in names:
            if not isinstance(name, str) or not _VALUE.fullmatch(name):
                raise place.make_error(f"{name!r} is not a name in capitals")
        enumerations[place.check_choice(attribute, tuple(attribute_ids))] = tuple(names)
    return MappingProxyType(enumerations)


def _add_aliases(
    place: Place, aliases: object, attribute_ids: dict[str, int], method_ids: dict[str, int]
) -> None:
    for alias, name in place.check_table(aliases).items():
        if _check_name(place, alias) in attribute_ids or alias in method_ids:
            raise place.make_error(f"{alias} is a name already")
        place.check_choice(name, (*attribute_ids, *method_ids))
        known = attribute_ids if name in attribute_ids else method_ids
        known[alias] = known[name]
