"""What holds for a meter and what was learned of it, as rows of tables."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from django.utils.dateparse import parse_datetime

from osgp import catalogue
from osgp.catalogue import Attribute, CosemObject, Profile, obis
from osgp.catalogue.units import Unit
from osgp.devices.learned import find_learned
from osgp.devices.meter_settings import SETTINGS
from osgp.devices.models import Device
from osgp.devices.setting_changes import find_layers
from osgp.pages.devices.setting_form import SOURCES, make_label, show_effective
from osgp.protocol_dlms import Data, axdr
from osgp.protocol_dlms.describe.text import Lines, add_data
from osgp.protocol_dlms.errors import DecodeError

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
            make_label(name),
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
    compare = partial(_compare, profile, device.polyphase)
    rows = sorted(row for name, octets in learned.descriptions.items() if (row := compare(name, octets)))
    return {
        "habits": sorted(learned.habits.items()),
        "checked": [(group, parse_datetime(text)) for group, text in sorted(learned.checked.items())],
        "rows": rows[:MOST_ROWS],
        "more": max(len(rows) - MOST_ROWS, 0),
        "number": len(learned.descriptions),
    }


def _compare(
    profile: Profile | None, polyphase: bool, name: str, octets: str | None
) -> DescriptionRow | None:
    """Return what a meter says; None if it is what the profile says or leaves open, or cannot be read."""
    try:
        class_id, code, attribute_id = name.split("/")
        logical_name, number = obis.parse(code), int(attribute_id)
        data = None if octets is None else axdr.decode(bytes.fromhex(octets))
    except (ValueError, DecodeError):
        return None
    found = None if profile is None else profile.find_by_logical_name(logical_name)
    if found is None or profile is None:
        return DescriptionRow(f"class {class_id}", name, _tell(data), NOTHING)
    item, channel = found
    attribute = item.attributes.get(number)
    if attribute is None or not (expected := list(_expect(profile, item, channel, attribute, polyphase))):
        return None
    told = _tell_alike(data)
    if told in expected:
        return None
    return DescriptionRow(f"{item.tag} {attribute.name}", name, told, expected[0])


def _expect(
    profile: Profile, item: CosemObject, channel: int | None, attribute: Attribute, polyphase: bool
) -> Iterator[str]:
    """What a meter may say of an attribute; nothing if the profile leaves it open."""
    if attribute.stated_scaler_unit is not None:
        yield _show_scaler(*attribute.stated_scaler_unit)
    elif attribute.value_type != "FIXED_IN_PROFILE":
        return
    elif attribute.name == "capture_objects":
        columns = [
            (each.descriptor, each.data_index) for each in profile.list_capture_columns(item.tag, channel)
        ]
        # Some columns are of objects that only polyphase meters have.
        yield _show_columns(each for each in columns if _is_there(profile, each[0][1], polyphase))
        yield _show_columns(columns)
    elif attribute.value is not None:
        yield attribute.value


def _is_there(profile: Profile, logical_name: bytes, polyphase: bool) -> bool:
    known = profile.find_by_logical_name(logical_name)
    return known is None or known[0].supports(polyphase=polyphase)


def _tell_alike(data: Data | None) -> str:
    """What a meter says, in the words in which the profile says it if it can be."""
    value = None if data is None else data.value
    if isinstance(value, tuple):
        if len(value) == 2 and all(isinstance(part.value, int) for part in value):
            return _show_scaler(value[0].value, value[1].value)
        columns = [_read_column(part) for part in value]
        if columns and all(columns):
            return _show_columns(column for column in columns if column is not None)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _tell(data)


def _read_column(data: Data) -> tuple[tuple[int, bytes, int], int] | None:
    match data.value:
        case (
            Data(value=int(class_id)),
            Data(value=bytes(name)),
            Data(value=int(number)),
            Data(value=int(index)),
        ):
            return ((class_id, name, number), index) if len(name) == 6 else None
    return None


def _show_scaler(scaler: int, unit: int) -> str:
    symbol = next((each.symbol for each in Unit if each == unit), f"unit {unit}")
    return f"10^{scaler} {symbol}".strip()


def _show_columns(columns: Iterable[tuple[tuple[int, bytes, int], int]]) -> str:
    shown = [
        f"{class_id}/{obis.to_text(name)}/{number}{f'[{index}]' if index else ''}"
        for (class_id, name, number), index in columns
    ]
    return ", ".join(shown)


def _tell(data: Data | None) -> str:
    if data is None:
        return "does not tell"
    lines = Lines()
    add_data(lines, "", data, lambda name: "")
    text = " ".join(str(lines).split())
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
