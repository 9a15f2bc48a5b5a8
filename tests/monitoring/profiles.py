"""Profiles of meters that have less than those of the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from osgp.catalogue import Attribute, CaptureObject, CosemObject, Profile


def without(profile: Profile, *tags: str) -> Profile:
    """The profile without some of its objects."""
    assert all(tag in profile for tag in tags)
    return _with_objects(profile, {item.tag: item for item in profile if item.tag not in tags})


def capturing(profile: Profile, buffer: str, captured: Sequence[str]) -> Profile:
    """The profile with a buffer that captures the values of some objects."""
    entries = tuple(CaptureObject(tag, 2, 0) for tag in captured)
    attribute = replace(profile[buffer]["capture_objects"], capture_objects=entries)
    return _with_attributes(profile, buffer, {"capture_objects": attribute})


def silent_about(profile: Profile, buffer: str, *names: str) -> Profile:
    """The profile that says nothing about some attributes of an object."""
    return _with_attributes(profile, buffer, dict.fromkeys(names))


def selecting(profile: Profile, buffer: str, *tags: str) -> Profile:
    """The profile with a buffer that may capture only some objects."""
    return _with_objects(
        profile,
        {
            item.tag: replace(item, selectable_objects=tags) if item.tag == buffer else item
            for item in profile
        },
    )


def _with_attributes(profile: Profile, tag: str, changes: Mapping[str, Attribute | None]) -> Profile:
    item = profile[tag]
    attributes = {each.name: each for each in item.attributes.values()} | dict(changes)
    kept = {name: each for name, each in attributes.items() if each is not None}
    changed = replace(
        item,
        attributes=MappingProxyType({each.attribute_id: each for each in kept.values()}),
        _by_name=MappingProxyType(kept),
    )
    return _with_objects(profile, {each.tag: changed if each.tag == tag else each for each in profile})


def _with_objects(profile: Profile, objects: dict[str, CosemObject]) -> Profile:
    return replace(profile, _objects=MappingProxyType(objects))
