"""Assembly of profiles from the files of folders: inheritance, order of tags, checks across objects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from osgp.catalogue import classes
from osgp.catalogue.classes import InterfaceClasses
from osgp.catalogue.definitions import (
    Definition,
    insert_new_tags,
    read_definition,
    read_tag_order,
)
from osgp.catalogue.meanings import ANY_LOG, MBUS_CLIENT, MbusKeyWrapping, Meanings
from osgp.catalogue.model import CosemObject, Profile
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.catalogue.reading import CatalogueError, DataFile

TAG_ORDER = "tag-order.toml"
NOT_PROFILES = (TAG_ORDER, classes.FILE)


def load_classes(folders: Sequence[Path]) -> InterfaceClasses:
    """Read the interface classes of the first (shipped) folder, and those that further folders add."""
    paths = [(folder, folder / classes.FILE) for folder in folders]
    return classes.load(
        _read(path, folders) for folder, path in paths if folder is folders[0] or path.exists()
    )


def load(folders: Sequence[Path], interface_classes: InterfaceClasses) -> tuple[Profile, ...]:
    """Read all profiles of ``folders``, ordered by protocol name and version, children after parents.

    The first folder is the shipped one and has the order of tags. Raises CatalogueError for the first error;
    its text names the file (with its folder, unless that is the first), the tag and, if there is one, the
    attribute.
    """
    files = list(_read_files(folders))
    tag_order = read_tag_order(_read(folders[0] / TAG_ORDER, folders))
    for file in files:
        tag_order = insert_new_tags(tag_order, file)
    definitions: dict[str, Definition] = {}
    for file in files:
        definition = read_definition(file, tag_order, interface_classes)
        if definition.key in definitions:
            raise CatalogueError(
                f"{definition.file}: {definition.key} is already in {definitions[definition.key].file}"
            )
        definitions[definition.key] = definition
    _check_agreement(definitions.values())
    profiles: dict[str, Profile] = {}
    for definition in sorted(definitions.values(), key=_make_sort_key):
        for ancestor in reversed(_find_lineage(definition, definitions)):
            if ancestor.key not in profiles:
                profiles[ancestor.key] = _assemble(ancestor, profiles, tag_order)
    return tuple(profiles.values())


def _read_files(folders: Sequence[Path]) -> Iterator[DataFile]:
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            if path.name not in NOT_PROFILES:
                yield _read(path, folders)


def _read(path: Path, folders: Sequence[Path]) -> DataFile:
    return DataFile.read(path, path.name if path.parent == folders[0] else str(path))


def _make_sort_key(definition: Definition) -> tuple[str, list[tuple[bool, int, str]]]:
    """Sort by protocol name, then by version number ("4.10" after "4.2", "5.2c" between "5.2" and "5.3")."""
    parts = []
    for part in definition.protocol_version.split("."):
        letters = part.lstrip("0123456789")
        number = part.removesuffix(letters)
        parts.append((not number, int(number or 0), letters))
    return definition.protocol_name, parts


def _find_lineage(definition: Definition, definitions: Mapping[str, Definition]) -> list[Definition]:
    """Return the definition, the one whose objects or meanings it inherits, and so on up."""
    lineage = [definition]
    while (key := lineage[-1].inherits or lineage[-1].meanings_of) is not None:
        parent = definitions.get(key)
        if parent is None:
            raise CatalogueError(f"{lineage[-1].file}: inherits the unknown profile {key}")
        if any(parent is descendant for descendant in lineage):
            raise CatalogueError(f"{lineage[-1].file}: inherits {key}, which inherits from it in turn")
        lineage.append(parent)
    return lineage


def _assemble(definition: Definition, profiles: Mapping[str, Profile], tag_order: Sequence[str]) -> Profile:
    """An object of the file replaces the parent's object of the same tag as a whole; nothing is merged."""
    parent = profiles[definition.inherits] if definition.inherits else None
    elder = profiles[definition.meanings_of] if definition.meanings_of else parent
    meanings = definition.meanings.merge_over(elder.meanings) if elder else definition.meanings
    unordered = {**{inherited.tag: inherited for inherited in parent or ()}, **definition.objects}
    objects = {
        tag: _attach_flags(definition, unordered[tag], meanings) for tag in tag_order if tag in unordered
    }
    for cosem_object in objects.values():
        _check_references(definition, cosem_object, objects)
    event_logs = _index_event_logs(definition, objects)
    _check_meanings(definition, meanings, objects, event_logs)
    of_any = meanings.event_types.get(ANY_LOG, {})
    return Profile(
        protocol_name=definition.protocol_name,
        protocol_version=definition.protocol_version,
        parent=parent,
        own_tags=frozenset(definition.objects),
        meanings=meanings,
        event_logs=MappingProxyType(event_logs),
        _objects=MappingProxyType(objects),
        _by_logical_name=_index_by_logical_name(definition, objects),
        _event_types={
            category: MappingProxyType({**of_any, **meanings.event_types.get(category, {})})
            for category in event_logs
        },
    )


def _attach_flags(definition: Definition, cosem_object: CosemObject, meanings: Meanings) -> CosemObject:
    """Return the object with the flags of this profile."""
    name = cosem_object.flags_name
    if name is None or cosem_object.flags is meanings.flags.get(name) is not None:
        return cosem_object
    if name not in meanings.flags:
        where = f"{definition.file}: {cosem_object.tag}"
        raise CatalogueError(f"{where}: flags: names {name}, which {definition.key} does not have")
    return replace(cosem_object, flags=meanings.flags[name])


def _index_event_logs(definition: Definition, objects: Mapping[str, CosemObject]) -> dict[str, CosemObject]:
    event_logs: dict[str, CosemObject] = {}
    for cosem_object in objects.values():
        if cosem_object.event_log is None:
            continue
        other = event_logs.setdefault(cosem_object.event_log, cosem_object)
        if other is not cosem_object:
            where = f"{definition.file}: {cosem_object.tag}"
            raise CatalogueError(f"{where}: event_log: {cosem_object.event_log} is also that of {other.tag}")
    return event_logs


def _check_meanings(
    definition: Definition,
    meanings: Meanings,
    objects: Mapping[str, CosemObject],
    event_logs: Mapping[str, CosemObject],
) -> None:
    for category in definition.meanings.event_types:
        if category != ANY_LOG and category not in event_logs:
            raise CatalogueError(
                f"{definition.file}: event_types: {definition.key} has no event log {category}"
            )
    counter = meanings.invocation_counter
    if counter is not None and counter.tag not in objects:
        raise CatalogueError(
            f"{definition.file}: invocation_counter: object: names {counter.tag}, "
            f"which {definition.key} does not have"
        )
    stated = definition.meanings.mbus_key_wrapping
    if stated not in (None, MbusKeyWrapping.NONE) and MBUS_CLIENT not in objects:
        raise CatalogueError(
            f"{definition.file}: mbus_key_wrapping: goes by {MBUS_CLIENT}, "
            f"which {definition.key} does not have"
        )


def _index_by_logical_name(
    definition: Definition, objects: Mapping[str, CosemObject]
) -> Mapping[bytes, tuple[CosemObject, int | None]]:
    index: dict[bytes, tuple[CosemObject, int | None]] = {}
    for cosem_object in objects.values():
        for channel in MBUS_CHANNELS if cosem_object.per_channel else (None,):
            other, _ = index.setdefault(cosem_object.get_logical_name(channel), (cosem_object, channel))
            if other is not cosem_object:
                where = f"{definition.file}: {cosem_object.tag}"
                raise CatalogueError(f"{where}: obis: {cosem_object.obis} is also that of {other.tag}")
    return MappingProxyType(index)


def _check_references(
    definition: Definition, cosem_object: CosemObject, objects: Mapping[str, CosemObject]
) -> None:
    """Check that the profile has all that the object names; a child may fail where its parent does not."""
    where = f"{definition.file}: {cosem_object.tag}"
    for attribute in cosem_object.attributes.values():
        for entry in attribute.capture_objects:
            complaint = f"{where}: attribute {attribute.attribute_id}: captures {entry.tag}"
            source = objects.get(entry.tag)
            if source is None:
                raise CatalogueError(f"{complaint}, which {definition.key} does not have")
            if entry.attribute_id not in source.attributes:
                raise CatalogueError(f"{complaint} attribute {entry.attribute_id}, which it does not have")
    for key, tags in (
        ("selectable_objects", cosem_object.selectable_objects),
        ("source_objects", cosem_object.source_objects.values()),
    ):
        for tag in tags:
            if tag not in objects:
                raise CatalogueError(f"{where}: {key}: names {tag}, which {definition.key} does not have")


def _check_agreement(definitions: Iterable[Definition]) -> None:
    """Check that all profiles agree on the class of each tag and on whether it exists per M-Bus channel.

    The OBIS code may differ: average power is D=24 in DSMR and D=4 in SMR 5.
    """
    first: dict[str, CosemObject] = {}
    for definition in definitions:
        for tag, cosem_object in definition.objects.items():
            other = first.setdefault(tag, cosem_object)
            where = f"{definition.file}: {tag}"
            if other.class_id != cosem_object.class_id:
                raise CatalogueError(
                    f"{where}: class: {cosem_object.class_id} contradicts {other.class_id} in {other.source}"
                )
            if other.per_channel != cosem_object.per_channel:
                raise CatalogueError(
                    f"{where}: obis: {cosem_object.obis} contradicts {other.obis} in {other.source}"
                )
