"""Quantities by name: the tag of an object in a profile, or an OBIS code with or without a channel."""

from functools import cache

from osgp import catalogue
from osgp.catalogue import obis
from osgp.catalogue.obis import MBUS_CHANNELS, Template

MEASURED_CLASSES = frozenset({3, 4, 5})
"""Register, extended register and demand register: they have a value and a unit."""


def parse_quantity(text: str) -> list[str]:
    """Return the OBIS codes of ``1-0:1.8.0.255``, ``1.0.1.8.0.255``, ``0-x:24.2.1.255`` or a tag.

    Raises ValueError for anything else.
    """
    known = _index_by_tag().get(text.upper())
    templates = [obis.parse_template(text)] if known is None else sorted(known)
    return [obis.to_text(name) for template in templates for name in _list_logical_names(template)]


@cache
def find_tag(protocol_name: str, protocol_version: str, code: str) -> str | None:
    """Return the tag of an OBIS code in a profile; None if the profile has no such object."""
    try:
        found = catalogue.find_profile(protocol_name, protocol_version).find_by_logical_name(obis.parse(code))
    except (catalogue.UnknownProfile, ValueError):
        return None
    return found[0].tag if found else None


def _list_logical_names(template: Template) -> list[bytes]:
    if not template.per_channel:
        return [template.get_logical_name()]
    return [template.get_logical_name(channel) for channel in MBUS_CHANNELS]


@cache
def _index_by_tag() -> dict[str, frozenset[Template]]:
    tags: dict[str, set[Template]] = {}
    for profile in catalogue.list_profiles():
        for item in profile:
            if item.class_id in MEASURED_CLASSES:
                tags.setdefault(item.tag, set()).add(item.template)
    return {tag: frozenset(templates) for tag, templates in tags.items()}
