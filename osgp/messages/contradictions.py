"""Where a meter describes its objects otherwise than its profile does: the note DESCRIPTION_DIFFERS.

Values are read as the meter describes them. People are told, because what the platform has of the meter from
before may be wrong, and so may the profile be for other meters of the kind.

All that is known of a meter is judged together, so that a message that finds its own registers in order does
not take back what another one found. A visit to an M-Bus device judges what is on its channel.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from osgp.catalogue import Attribute, CosemObject, Profile, obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.quantities import parse_scaler_unit
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data
from osgp.system_notes.kinds import DESCRIPTION_DIFFERS
from osgp.system_notes.observations import Noticed, Observation

MOST_NAMED = 50
"""Attributes that a note names."""
LONGEST = 2_000
"""Characters of what the profile or the meter says of one; 40 columns of a buffer."""
MOST_SHOWN = 200
"""The same in the text of a note."""
SCALER_UNIT = "scaler_unit"
WHAT_TO_DO = (
    "Values are read as the meter describes them. Check values from before, which may be wrong; and if all "
    "meters of its kind are like that, give them a profile that says so (UpdateProtocol)."
)


Descriptions = Mapping[AttributeDescriptor, Data | None]


class Registered(NamedTuple):
    """What a device was registered as: its descriptions are compared with that."""

    profile: Profile
    """That of its gateway, for an M-Bus device."""
    polyphase: bool
    model: str = ""
    channel: int | None = None

    @classmethod
    def from_meter(cls, meter: VisitedMeter) -> "Registered":
        """What a visited device is."""
        return cls(meter.profile, meter.polyphase, meter.model, meter.channel)


class Contradiction(NamedTuple):
    """An attribute that describes other values; what the profile and the meter say of it."""

    tag: str
    attribute: str
    stated: str
    told: str
    channel: int | None = None

    def as_details(self) -> dict[str, Any]:
        """As a note shows it."""
        return {
            "object": self.tag if self.channel is None else f"{self.tag} {self.channel}",
            "attribute": self.attribute,
            "profile": shorten(self.stated),
            "meter": shorten(self.told),
        }


def is_told(scaler_unit: ScalerUnit) -> bool:
    """Whether a meter tells scaler and unit; what it does not describe has the scaler 0 and no unit."""
    return scaler_unit.scaler != 0 or scaler_unit.unit not in (Unit.UNDEFINED, Unit.COUNT)


def observe_descriptions(meter: VisitedMeter, *, is_changed: bool) -> None:
    """Compare what is known of a meter with its profile, once the meter has told something.

    Agreement is observed only if the meter told something else before (``is_changed``): otherwise no note is
    open that it would end. What was observed before in the same action is judged anew with it.
    """
    found = list_contradictions(meter)
    if not found and not is_changed:
        return
    for former in [each for each in meter.observations if each.kind is DESCRIPTION_DIFFERS]:
        meter.observations.remove(former)
    judged_by = {"model": meter.model}
    if meter.channel is None:
        # The profile of an M-Bus device is that of its gateway, whatever it was registered with itself.
        profile = meter.profile
        judged_by |= {"protocol_name": profile.protocol_name, "protocol_version": profile.protocol_version}
    meter.observations.append(Observation(DESCRIPTION_DIFFERS, _describe(meter, found), judged_by))


def _describe(meter: VisitedMeter, found: Sequence[Contradiction]) -> Noticed | None:
    if not found:
        return None
    profile = f"{meter.profile.protocol_name} {meter.profile.protocol_version}"
    count = "1 attribute" if len(found) == 1 else f"{len(found)} attributes"
    first = found[0].as_details()
    return Noticed(
        text=f"The meter describes {count} otherwise than {profile} does, such as {first['attribute']} of "
        f"{first['object']}: {shorten(first['meter'], MOST_SHOWN)} instead of "
        f"{shorten(first['profile'], MOST_SHOWN)}.",
        what_to_do=WHAT_TO_DO,
        details={
            "profile": meter.profile.key,
            "descriptions": [each.as_details() for each in found[:MOST_NAMED]],
            "description_count": len(found),
        },
    )


def shorten(text: str, most: int = LONGEST) -> str:
    """Return the beginning of a text, at most ``most`` characters, and a mark if there is more."""
    return text if len(text) <= most else f"{text[:most]}…"


def list_contradictions(meter: VisitedMeter) -> list[Contradiction]:
    """What the knowledge has that contradicts the profile, ordered by objects."""
    return find_contradictions(Registered.from_meter(meter), meter.knowledge.descriptions)


def find_rescaled(meter: VisitedMeter, unit: Unit) -> str | None:
    """The tag of a register that has ``unit`` by profile, and another scaler or unit by the meter's word."""
    registered = Registered.from_meter(meter)
    for found in list_contradictions(meter):
        if found.attribute == SCALER_UNIT:
            stated = find_stated_scaler_unit(registered, meter.find_object(found.tag)[SCALER_UNIT])
            if stated is not None and stated.unit is unit:
                return found.tag
    return None


def find_contradictions(registered: Registered, descriptions: Descriptions) -> list[Contradiction]:
    """What a meter says of its objects that contradicts the profile, ordered by objects."""
    found = _find(registered, descriptions)
    return sorted(found, key=lambda each: (each.tag, each.channel or 0, each.attribute))


def _find(registered: Registered, descriptions: Descriptions) -> Iterator[Contradiction]:
    profile = registered.profile
    for descriptor, data in descriptions.items():
        known = profile.find_by_logical_name(descriptor.logical_name)
        if data is None or known is None or known[0].class_id != descriptor.class_id:
            continue
        item, channel = known
        name = item.interface_class.find_attribute_name(descriptor.attribute_id)
        compare = _COMPARISONS.get(name)
        if name is None or compare is None or name not in item or not _concerns(registered, item, channel):
            continue
        if difference := compare(registered, item, channel, data):
            yield Contradiction(item.tag, name, *difference, channel)


def _concerns(registered: Registered, item: CosemObject, channel: int | None) -> bool:
    """Whether an object belongs to the device: to its channel, or to none.

    Buffers with columns of all M-Bus devices concern these as well as their gateway.
    """
    if registered.channel is None or channel is not None:
        return channel == registered.channel
    captured = item["capture_objects"].capture_objects if "capture_objects" in item else ()
    return any(registered.profile[entry.tag].per_channel for entry in captured)


def _compare_scaler_units(
    registered: Registered, item: CosemObject, channel: int | None, data: Data
) -> tuple[str, str] | None:
    stated = find_stated_scaler_unit(registered, item[SCALER_UNIT])
    try:
        told = parse_scaler_unit(data, item.tag)
    except Fault:
        return None
    if stated is None or stated == told or not is_told(told):
        return None
    return _name_scaler_unit(stated), _name_scaler_unit(told)


def find_stated_scaler_unit(registered: Registered, attribute: Attribute) -> ScalerUnit | None:
    """The scaler_unit by profile, or by the model of an M-Bus device; None: only the meter knows."""
    if attribute.value_type == "BASED_ON_MODEL":
        return (
            None
            if registered.channel is None
            else registered.profile.find_scaler_unit_of_model(registered.model)
        )
    return attribute.scaler_unit


def _name_scaler_unit(scaler_unit: ScalerUnit) -> str:
    return f"{scaler_unit.scaler}, {scaler_unit.unit.symbol or 'no unit'}"


def _compare_capture_objects(
    registered: Registered, item: CosemObject, channel: int | None, data: Data
) -> tuple[str, str] | None:
    if item["capture_objects"].value_type != "FIXED_IN_PROFILE" or not isinstance(data.value, tuple):
        return None
    profile = registered.profile
    columns = [
        (*column.descriptor, column.data_index) for column in profile.list_capture_columns(item.tag, channel)
    ]
    told = data.native
    # Some columns are of objects that only polyphase meters have.
    if not isinstance(told, tuple) or told in (tuple(columns), _list_of_phases(profile, columns, registered)):
        return None
    return _name_columns(profile, columns), _name_columns(profile, told)


def _list_of_phases(
    profile: Profile, columns: Sequence[tuple[Any, ...]], registered: Registered
) -> tuple[tuple[Any, ...], ...]:
    def is_there(column: tuple[Any, ...]) -> bool:
        known = profile.find_by_logical_name(column[1])
        return known is None or known[0].supports(polyphase=registered.polyphase)

    return tuple(filter(is_there, columns))


def _name_columns(profile: Profile, columns: Sequence[Any]) -> str:
    """Columns as ``CLOCK/2, MBUS_MASTER_VALUE 1/5``; no more than a note shows."""
    named: list[str] = []
    length = 0
    for column in columns:
        if length > LONGEST:
            break
        named.append(_name_column(profile, column))
        length += len(named[-1]) + 2
    return ", ".join(named) or "nothing"


def _name_column(profile: Profile, column: Any) -> str:
    match column:
        case (int(), bytes(logical_name), int(attribute_id), int(index)) if len(logical_name) == 6:
            known = profile.find_by_logical_name(logical_name)
            place = f"/{attribute_id}" if index == 0 else f"/{attribute_id}/{index}"
            if known is None:
                return f"{obis.to_text(logical_name)}{place}"
            return f"{known[0].tag}{'' if known[1] is None else f' {known[1]}'}{place}"
    return "?"


def _compare_capture_periods(
    registered: Registered, item: CosemObject, channel: int | None, data: Data
) -> tuple[str, str] | None:
    attribute = item["capture_period"]
    stated = attribute.value if attribute.value_type == "FIXED_IN_PROFILE" else None
    told = data.value
    if stated is None or isinstance(told, bool) or not isinstance(told, int) or str(told) == stated:
        return None
    return f"{stated} s", f"{told} s"


_Compare = Callable[[Registered, CosemObject, int | None, Data], tuple[str, str] | None]
_COMPARISONS: Mapping[str | None, _Compare] = {
    SCALER_UNIT: _compare_scaler_units,
    "capture_objects": _compare_capture_objects,
    "capture_period": _compare_capture_periods,
}
