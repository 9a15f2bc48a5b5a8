"""Reading and checking of one profile file: every error is reported with file, tag and attribute.

`assembly` checks what depends on other objects or files (inheritance, captured tags, contradictions).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from osgp.catalogue import meanings, obis, values
from osgp.catalogue.classes import FILE, InterfaceClass, InterfaceClasses, extend
from osgp.catalogue.meanings import Meanings
from osgp.catalogue.model import Access, Attribute, CaptureObject, CosemObject, Phase, ValueType
from osgp.catalogue.reading import DataFile, Place
from osgp.catalogue.units import ScalerUnit

GROUPS = ("ABSTRACT", "ELECTRICITY", "GAS", "MBUS")
A_XDR = 0
"""The message type of a push setup that says nothing else (Blue Book, class 40)."""
POWER_QUALITY_PROFILES = ("PUBLIC", "PRIVATE")
POWER_QUALITY_REQUESTS = ("ACTUAL_SP", "ACTUAL_PP", "PERIODIC_SP", "PERIODIC_PP")

# Devices are stored with as many characters, and a dash ends the name of the protocol in a profile's key.
_HEADER = {
    "protocol": re.compile(r"[A-Z][A-Z0-9_]{0,9}", re.ASCII),
    "version": re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,9}", re.ASCII),
}
_PARENTS = ("inherits", "meanings_of")
_NO_TAGS = (*_HEADER, *_PARENTS, "tags", *meanings.KEYS)
_TAG = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_REQUIRED = ("class", "obis", "group", "attributes")
_OPTIONAL = (
    "version",
    "phases",
    "added_attributes",
    "methods",
    "power_quality_profile",
    "power_quality_requests",
    "selectable_objects",
    "source_objects",
    "event_log",
    "flags",
    "settable",
    "message_type",
)
_CAPTURE = re.compile(r"([A-Z][A-Z0-9_]*)/([0-9]{1,3})(?:/([0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Definition:
    """The content of one profile file; `inherits` is the key of the parent profile, as "SMR-5.0.0"."""

    file: str
    protocol_name: str
    protocol_version: str
    inherits: str | None
    meanings_of: str | None
    """The key of the profile whose meanings apply here, if that is not ``inherits``."""
    meanings: Meanings
    objects: Mapping[str, CosemObject]

    @property
    def key(self) -> str:
        return f"{self.protocol_name}-{self.protocol_version}"


def read_tag_order(file: DataFile) -> tuple[str, ...]:
    """Read all tags of the shipped profiles, in the order of results."""
    place, content = file.place, file.content
    if set(content) != {"tags"}:
        raise place.make_error("must have the one key tags")
    tags = tuple(place.check_text(tag) for tag in place.check_list(content["tags"]))
    twice = {tag for tag in tags if tags.count(tag) > 1}
    if twice:
        raise place.make_error(f"lists {', '.join(sorted(twice))} twice")
    return tags


def insert_new_tags(tag_order: Sequence[str], file: DataFile) -> tuple[str, ...]:
    """Return the order of tags with the new ones in the key ``tags`` of a profile file.

    A new tag goes behind the known tag that precedes it in the file, or to the end if there is none.
    """
    place = file.place.narrow_to("tags")
    order = list(tag_order)
    position = len(order)
    listed = [place.check_text(tag) for tag in place.check_list(file.content.get("tags", []))]
    for tag in listed:
        if listed.count(tag) > 1:
            raise place.make_error(f"lists {tag} twice")
        if tag in tag_order:
            position = order.index(tag)
        elif not _TAG.fullmatch(tag):
            raise place.make_error(f"{tag!r} is not a tag: capitals, digits and _")
        else:
            order.insert(position, tag)
        position += 1
    return tuple(order)


def read_definition(
    file: DataFile, known_tags: Sequence[str], interface_classes: InterfaceClasses
) -> Definition:
    """Parse one profile file. Raises CatalogueError for the first error."""
    place, content = file.place, file.content
    for key, form in _HEADER.items():
        if key not in content:
            raise place.make_error(f"lacks {key}")
        if not form.fullmatch(place.narrow_to(key).check_text(content[key])):
            raise place.narrow_to(key).make_error(f"{content[key]!r} is not of the form {form.pattern}")
    parents = {key: place.narrow_to(key).check_text(content[key]) for key in _PARENTS if key in content}
    if len(parents) > 1:
        raise place.make_error("meanings_of goes without inherits, which brings the meanings, too")
    tags = frozenset(known_tags)
    objects = {}
    for tag, table in content.items():
        if tag in _NO_TAGS:
            continue
        if not isinstance(table, dict):
            raise place.make_error(f"unknown key {tag}")
        if tag not in tags:
            raise place.make_error(f"unknown tag {tag}; new tags are listed in tags, at the top of the file")
        objects[tag] = _parse_cosem_object(Place(file.name, tag), table, interface_classes)
    return Definition(
        file.name,
        content["protocol"],
        content["version"],
        parents.get("inherits"),
        parents.get("meanings_of"),
        meanings.read(place, content),
        MappingProxyType(objects),
    )


def _parse_cosem_object(
    place: Place, table: dict[str, Any], interface_classes: InterfaceClasses
) -> CosemObject:
    place.check_keys(table, _REQUIRED, _OPTIONAL)
    interface_class = _find_interface_class(place, table, interface_classes)
    attributes = _parse_attributes(place, interface_class, table["attributes"])
    phases = place.narrow_to("phases").check_choices(table.get("phases", ["SP", "PP"]), get_args(Phase))
    power_quality_profile, power_quality_requests = _parse_power_quality(place, table, phases)
    selectable = place.narrow_to("selectable_objects")
    template = _parse_template(place.narrow_to("obis"), table["obis"])
    return CosemObject(
        tag=place.tag,
        interface_class=interface_class,
        template=template,
        group=place.narrow_to("group").check_choice(table["group"], GROUPS),
        phases=phases,
        attributes=MappingProxyType(attributes),
        methods=_parse_methods(place.narrow_to("methods"), interface_class, table.get("methods", [])),
        power_quality_profile=power_quality_profile,
        power_quality_requests=power_quality_requests,
        selectable_objects=tuple(
            selectable.check_text(tag) for tag in selectable.check_list(table.get("selectable_objects", []))
        ),
        source_objects=_parse_source_objects(
            place.narrow_to("source_objects"), table.get("source_objects", {})
        ),
        event_log=place.narrow_to("event_log").check_text(table["event_log"])
        if "event_log" in table
        else None,
        flags_name=place.narrow_to("flags").check_text(table["flags"]) if "flags" in table else None,
        settable=_parse_settable(
            place.narrow_to("settable"), interface_class, template, attributes, table.get("settable", [])
        ),
        message_type=_parse_message_type(place, interface_class, table),
        source=place.file,
        _by_name={attribute.name: attribute for attribute in attributes.values()},
    )


def _parse_settable(
    place: Place,
    interface_class: InterfaceClass,
    template: obis.Template,
    attributes: Mapping[int, Attribute],
    ids: object,
) -> frozenset[int]:
    settable: set[int] = set()
    if ids and template.per_channel:
        raise place.make_error("is for objects without M-Bus channel")
    for attribute_id in place.check_list(ids):
        attribute = attributes.get(attribute_id) if isinstance(attribute_id, int) else None
        if attribute is None:
            raise place.make_error(f"{attribute_id!r} is none of the attributes listed")
        if attribute_id in settable:
            raise place.make_error(f"lists {attribute_id} twice")
        if attribute.integer_range is None:
            raise place.make_error(f"attribute {attribute_id} is of type {attribute.data_type}, no integer")
        if not attribute.writable:
            raise place.make_error(f"attribute {attribute_id} cannot be written")
        if attribute_id in interface_class.secret_attributes:
            raise place.make_error(f"attribute {attribute_id} is secret")
        settable.add(attribute_id)
    return frozenset(settable)


def _parse_message_type(place: Place, interface_class: InterfaceClass, table: dict[str, Any]) -> int | None:
    is_push_setup = interface_class.name == "push_setup"
    if "message_type" not in table:
        return A_XDR if is_push_setup else None
    place = place.narrow_to("message_type")
    if not is_push_setup:
        raise place.make_error(f"{interface_class} sends no messages")
    return place.check_integer(table["message_type"], 0, 255)


def _find_interface_class(
    place: Place, table: dict[str, Any], interface_classes: InterfaceClasses
) -> InterfaceClass:
    """Return exactly the version that the file names: the members of an unknown one must not be guessed."""
    class_id = place.narrow_to("class").check_integer(table["class"], 0, 65535)
    version = place.narrow_to("version").check_integer(table.get("version", 0), 0, 255)
    interface_class = interface_classes.get(class_id, version)
    if interface_class is None:
        raise place.narrow_to("class").make_error(f"{FILE} has no class {class_id} version {version}")
    if "added_attributes" in table:
        return extend(interface_class, place, "added_attributes", table["added_attributes"])
    return interface_class


def _parse_template(place: Place, value: object) -> obis.Template:
    text = place.check_text(value)
    try:
        return obis.parse_template(text)
    except ValueError as error:
        raise place.make_error(str(error)) from None


def _parse_power_quality(
    place: Place, table: dict[str, Any], phases: frozenset[str]
) -> tuple[str | None, frozenset[str]]:
    if ("power_quality_profile" in table) != ("power_quality_requests" in table):
        raise place.make_error("power_quality_profile and power_quality_requests go together")
    if "power_quality_profile" not in table:
        return None, frozenset()
    profile = place.narrow_to("power_quality_profile").check_choice(
        table["power_quality_profile"], POWER_QUALITY_PROFILES
    )
    place = place.narrow_to("power_quality_requests")
    requests = place.check_choices(table["power_quality_requests"], POWER_QUALITY_REQUESTS)
    for request in sorted(requests):
        phase = request.rpartition("_")[2]
        if phase not in phases:
            raise place.make_error(f"{request} contradicts phases, which leave out {phase}")
    return profile, requests


def _parse_attributes(place: Place, interface_class: InterfaceClass, rows: object) -> dict[int, Attribute]:
    attributes: dict[int, Attribute] = {}
    for row in place.narrow_to("attributes").check_list(rows):
        attribute = _parse_attribute(place, interface_class, row)
        if attribute.attribute_id in attributes:
            raise place.make_error(f"attribute {attribute.attribute_id} is there twice")
        attributes[attribute.attribute_id] = attribute
    if not attributes:
        raise place.make_error("has no attributes")
    return attributes


def _parse_attribute(place: Place, interface_class: InterfaceClass, row: object) -> Attribute:
    if not isinstance(row, list) or len(row) not in (4, 5):
        raise place.narrow_to("attributes").make_error(
            f"{row!r} is not a row of id, data type, value type, access and maybe value"
        )
    # 1 is the logical name, which every object has and no file needs to list.
    attribute_id = place.narrow_to("attributes").check_integer(row[0], 2, 127)
    place = place.narrow_to(f"attribute {attribute_id}")
    name = interface_class.find_attribute_name(attribute_id)
    if name is None:
        raise place.make_error(f"is not in {interface_class}")
    data_type, value_type, access = row[1:4]
    if not isinstance(data_type, str) or data_type not in values.DATA_TYPES:
        raise place.make_error(f"unknown data type {data_type!r}")
    value_type = place.check_choice(value_type, get_args(ValueType))
    access = place.check_choice(access, get_args(Access))
    if value_type == "BASED_ON_MODEL" and data_type != values.SCALER_UNIT:
        raise place.make_error("only a scaler and unit can be BASED_ON_MODEL")
    value = row[4] if len(row) == 5 else None
    if (interface_class.name, name) == ("profile_generic", "capture_objects"):
        captured = () if value is None else _parse_capture_objects(place, value)
        return Attribute(attribute_id, name, data_type, value_type, access, capture_objects=captured)
    text, scaler_unit = None, None
    if value is not None:
        if value_type == "BASED_ON_MODEL":
            raise place.make_error("takes no value, since it is BASED_ON_MODEL")
        try:
            text = values.to_text(data_type, value)
            scaler_unit = ScalerUnit.from_text(text) if data_type == values.SCALER_UNIT else None
        except ValueError as error:
            raise place.make_error(str(error)) from None
    if name == "scaler_unit" and value_type == "FIXED_IN_PROFILE" and scaler_unit is None:
        raise place.make_error("is FIXED_IN_PROFILE, so it needs a scaler and unit")
    return Attribute(attribute_id, name, data_type, value_type, access, text, scaler_unit)


def _parse_capture_objects(place: Place, items: object) -> tuple[CaptureObject, ...]:
    captured: list[CaptureObject] = []
    for item in place.check_list(items):
        match = _CAPTURE.fullmatch(item) if isinstance(item, str) else None
        if match is None:
            raise place.make_error(
                f"{item!r} is not a capture object: TAG/attribute or TAG/attribute/data index"
            )
        tag, attribute_id, data_index = match.groups()
        entry = CaptureObject(
            tag,
            place.check_integer(int(attribute_id), 1, 127),
            place.check_integer(int(data_index or 0), 0, 65535),
        )
        if entry in captured:
            raise place.make_error(f"captures {item} twice")
        captured.append(entry)
    return tuple(captured)


def _parse_methods(place: Place, interface_class: InterfaceClass, rows: object) -> Mapping[int, str]:
    methods: dict[int, str] = {}
    for row in place.check_list(rows):
        if not isinstance(row, list) or len(row) != 2:
            raise place.make_error(f"{row!r} is not a row of id and name")
        method_id = place.check_integer(row[0], 1, 127)
        if method_id in methods:
            raise place.make_error(f"method {method_id} is there twice")
        if row[1] != interface_class.find_method_name(method_id):
            raise place.make_error(f"{row[1]!r} is not method {method_id} of {interface_class}")
        methods[method_id] = row[1]
    return MappingProxyType(methods)


def _parse_source_objects(place: Place, table: object) -> Mapping[int, str]:
    if not isinstance(table, dict):
        raise place.make_error(f"{table!r} is not a table")
    sources = {}
    for code, tag in table.items():
        if not re.fullmatch(r"[0-9]{1,5}", code, re.ASCII):
            raise place.make_error(f"{code!r} is not an event code")
        sources[int(code)] = place.check_text(tag)
    return MappingProxyType(sources)
