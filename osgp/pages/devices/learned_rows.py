"""What holds for a meter and what was learned of it, as rows of tables."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.utils.dateparse import parse_datetime

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.devices.learned import Learned, find_learned
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device
from osgp.devices.setting_changes import find_layers
from osgp.messages.contradictions import Registered, find_contradictions, shorten
from osgp.pages.devices.setting_form import SOURCES, show_effective
from osgp.pages.shared.display_text import split_words
from osgp.protocol_dlms import Data
from osgp.protocol_dlms.describe.text import Lines, add_data
from osgp.visits import acquaintance

MOST_ROWS = 60
LONGEST_TEXT = 240
"""Characters of what a meter says."""
NOTHING = "–"


class EffectiveRow(NamedTuple):
    """A setting, and what holds."""

    label: str
    value: str
    source: str
    help: str


class DescriptionRow(NamedTuple):
    """What a meter says of one of its objects, and what its profile says."""

    what: str
    code: str
    told: str
    expected: str


def list_effective(device: Device) -> list[EffectiveRow] | None:
    """What holds for a device; None: it is read the way its gateway is."""
    if device.is_mbus:
        return None
    effective = find_layers(device).explain()
    return [
        EffectiveRow(
            split_words(name),
            show_effective(name, value) or NOTHING,
            SOURCES[source],
            SETTINGS[name].describe(),
        )
        for name, (value, source) in effective.items()
    ]


def describe_learned(device: Device) -> dict[str, Any] | None:
    """What was learned of a device: habits, when it was asked, and descriptions that are not its profile's.

    None: it is not dialled itself.
    """
    if device.is_mbus:
        return None
    learned = find_learned(device)
    try:
        profile: Profile | None = device.profile
    except catalogue.UnknownProfile:
        profile = None
    rows = sorted(set(_list_rows(device, profile, learned)))
    return {
        "habits": sorted(learned.habits.items()),
        "checked": [(group, parse_datetime(text)) for group, text in sorted(learned.checked.items())],
        "rows": rows[:MOST_ROWS],
        "more": max(len(rows) - MOST_ROWS, 0),
        "number": len(learned.descriptions),
    }


def _list_rows(device: Device, profile: Profile | None, learned: Learned) -> Iterator[DescriptionRow]:
    """What contradicts the profile, as notes have it; what the profile lacks, or the meter does not tell."""
    told = acquaintance.parse_content(learned._asdict()).descriptions
    for descriptor, data in told.items():
        known = None if profile is None else profile.find_by_logical_name(descriptor.logical_name)
        if known is None or known[0].class_id != descriptor.class_id:
            yield DescriptionRow(f"class {descriptor.class_id}", str(descriptor), _tell(data), NOTHING)
        elif data is None:
            item, number = known[0], descriptor.attribute_id
            name = item.interface_class.find_attribute_name(number) or f"attribute {number}"
            stated = item.attributes[number].value if number in item.attributes else None
            yield DescriptionRow(f"{item.tag} {name}", str(descriptor), _tell(data), stated or NOTHING)
    if profile is None:
        return
    models = dict(device.mbus_devices.values_list("channel", "model"))
    for channel in (None, *MBUS_CHANNELS):
        model = device.model if channel is None else models.get(channel, "")
        for each in find_contradictions(Registered(profile, device.polyphase, model, channel), told):
            code = profile[each.tag].address_attribute(each.attribute, each.channel)
            named = each.as_details()
            yield DescriptionRow(
                f"{named['object']} {named['attribute']}",
                str(code),
                shorten(each.told, LONGEST_TEXT),
                shorten(each.stated, LONGEST_TEXT),
            )


def _tell(data: Data | None) -> str:
    if data is None:
        return "does not tell"
    lines = Lines()
    add_data(lines, "", data, lambda name: "")
    text = " ".join(str(lines).split())
    return shorten(text, LONGEST_TEXT)
