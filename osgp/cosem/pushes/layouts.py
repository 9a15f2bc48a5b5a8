"""Bodies that name their values: each reader returns the values of one layout, or None for other shapes.

A reader is strict about the whole body: one that fits by half would give values to the wrong names.
"""

from collections.abc import Sequence
from dataclasses import replace

from osgp.catalogue import obis
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.pushes import positions
from osgp.cosem.pushes.body import CLOCK, Body, make_value
from osgp.cosem.pushes.dutch import PUSH_OBJECTS
from osgp.cosem.pushes.model import Layout, PushedValue, ScaleSource
from osgp.cosem.pushes.shapes import (
    get_array,
    get_clock,
    get_elements,
    get_logical_name,
    get_scaler_unit,
    get_structure,
    get_text,
    is_scaler_unit,
)
from osgp.protocol_dlms import Data, DataType

_PUSH_SETUP_CLASS = 40
_REGISTER_CLASSES = (3, 4)
_VALUE, _SCALER_UNIT = 2, 3  # attributes of both
# class id, logical name, attribute id, data index; later versions add a restriction and columns.
_ENTRY_LENGTHS = (4, 5, 6)
_DESCRIPTOR_TYPES = (DataType.LONG_UNSIGNED, DataType.OCTET_STRING, DataType.INTEGER)


def read(body: Data) -> Body | None:
    """Return the values of a body of any known layout; None if it has none."""
    for reader in (_read_untagged, _read_own_list, _read_named_list, _read_names, positions.read):
        if (found := reader(body)) is not None:
            found.look_through_values()
            return found
    return None


# Untagged: {enumeration, [{class id, logical name, attribute id, value}]}


def _read_untagged(body: Data) -> Body | None:
    members = get_structure(body)
    if members is None or len(members) != 2 or members[0].type is not DataType.ENUM:
        return None
    values = []
    for entry in get_array(members[1]) or ():
        parts = get_structure(entry)
        if parts is None or len(parts) != 4 or not _is_descriptor(parts[:3]):
            return None
        values.append(_make_described(parts[:3], 0, parts[3]))
    return Body(Layout.UNTAGGED, values) if values else None


def _is_descriptor(members: Sequence[Data]) -> bool:
    """Return whether members are class id, logical name and attribute id."""
    if tuple(member.type for member in members) != _DESCRIPTOR_TYPES:
        return False
    logical_name = members[1].value
    return isinstance(logical_name, bytes) and len(logical_name) == 6


def _make_described(descriptor: Sequence[Data], data_index: int, value: Data) -> PushedValue:
    class_id, logical_name, attribute = (member.value for member in descriptor)
    assert isinstance(class_id, int)
    assert isinstance(logical_name, bytes)
    assert isinstance(attribute, int)
    return PushedValue(value, obis.to_text(logical_name), class_id, attribute, data_index)


# Own list: the list of objects, which lists itself, and a value for each of its other entries


def _read_own_list(body: Data) -> Body | None:
    members = get_structure(body)
    if members is None:
        return None
    for position, member in enumerate(members):
        entries = get_array(member)
        if entries is None or len(entries) != len(members):
            continue
        values = [_describe(entry, value) for entry, value in zip(entries, members, strict=True)]
        own = values.pop(position)
        described = [value for value in values if value is not None]
        if own is None or not _is_own_list(own) or len(described) != len(values):
            continue
        return Body(Layout.OWN_LIST, _scale_by_neighbours(described), list_name=own.obis)
    return None


def _is_own_list(value: PushedValue) -> bool:
    return value.class_id == _PUSH_SETUP_CLASS and value.attribute == 2


def _describe(entry: Data, value: Data) -> PushedValue | None:
    """Return a value with what the entry of the list says of it; None if it is no entry of such a list."""
    parts = get_structure(entry)
    if parts is None or len(parts) not in _ENTRY_LENGTHS or not _is_descriptor(parts[:3]):
        return None
    data_index = parts[3].value
    if parts[3].type is not DataType.LONG_UNSIGNED or not isinstance(data_index, int):
        return None
    return _make_described(parts[:3], data_index, value)


def _scale_by_neighbours(values: list[PushedValue]) -> list[PushedValue]:
    """Give registers the scale that the same list tells as their attribute 3."""
    scales = {
        value.obis: scale
        for value in values
        if value.class_id in _REGISTER_CLASSES
        and value.attribute == _SCALER_UNIT
        and (scale := get_scaler_unit(value.value))
    }
    return [
        _scale(value, scales[value.obis])
        if value.obis in scales and value.class_id in _REGISTER_CLASSES and value.attribute == _VALUE
        else value
        for value in values
    ]


def _scale(value: PushedValue, scale: ScalerUnit | None) -> PushedValue:
    if scale is None:
        return value
    return replace(value, scaler=scale.scaler, unit=scale.unit, scale_source=ScaleSource.MESSAGE)


# Named list: device, name of the list, values; or rows of a profile, then the name may be missing


def _read_named_list(body: Data) -> Body | None:
    members = get_structure(body)
    if members is None or len(members) < 2:
        return None
    identification = get_text(members[0])
    if identification is None:
        return None
    logical_name = get_logical_name(members[1])
    list_name = obis.to_text(logical_name) if logical_name and _names_list(logical_name) else None
    rest = members[1:] if list_name is None else members[2:]
    buffers = {index: rows for index, member in enumerate(rest) if (rows := _get_rows(member))}
    if list_name is None and (len(rest) != 1 or not buffers):
        return None
    if len(buffers) != 1:
        values = [PushedValue(member) for member in rest]
        return Body(Layout.NAMED_LIST, values, identification, list_name)
    [(buffer, rows)] = buffers.items()
    values = [PushedValue(member) for index, member in enumerate(rest) if index != buffer]
    return Body(Layout.ROWS, values, identification, list_name, rows=rows)


def _names_list(logical_name: bytes) -> bool:
    is_push_setup = logical_name[0] == 0 and logical_name[2:4] == bytes((25, 9))
    return is_push_setup or obis.to_text(logical_name) in PUSH_OBJECTS


def _get_rows(data: Data) -> tuple[tuple[Data, ...], ...] | None:
    """Return the rows of a profile: structures that begin with a clock, which later ones may leave out."""
    rows = [get_structure(element) for element in get_array(data) or ()]
    told = [row for row in rows if row is not None and len(row) > 1]
    if not told or len(told) != len(rows) or get_clock(told[0][0]) is None:
        return None
    if any(row[0].type is not DataType.NULL_DATA and get_clock(row[0]) is None for row in told):
        return None
    return tuple(told)


# Pairs, triples and nested: a logical name and a value, with or without scale, bare or in a structure


def _read_names(body: Data) -> Body | None:
    elements = get_elements(body)
    if not elements:
        return None
    found = Body(Layout.PAIRS, [])
    start = _read_first(elements[0], found)
    while start < len(elements):
        count = _read_nested(elements[start], found) or _read_bare(elements, start, found)
        if not count:
            return None
        start += count
    return found if any(value.obis and value.obis != CLOCK for value in found.values) else None


def _read_first(element: Data, found: Body) -> int:
    """Take a clock or the name of the list without a logical name before it. Returns how many it were."""
    if get_structure(element) is not None or get_logical_name(element) is not None:
        return 0
    if (clock := get_clock(element)) is not None:
        found.clock = clock
        found.values.append(PushedValue(element, CLOCK))
        return 1
    found.list_name = get_text(element)
    return 0 if found.list_name is None else 1


def _read_nested(element: Data, found: Body) -> int:
    members = get_structure(element)
    if members is None or len(members) not in (2, 3):
        return 0
    logical_name = get_logical_name(members[0])
    if logical_name is None or (len(members) == 3 and not is_scaler_unit(members[2])):
        return 0
    scale = get_scaler_unit(members[2]) if len(members) == 3 else None
    found.values.append(_scale(make_value(logical_name, members[1]), scale))
    found.layout = Layout.NESTED
    return 1


def _read_bare(elements: tuple[Data, ...], start: int, found: Body) -> int:
    """Take a logical name, its value and maybe its scale; or an identification at the end."""
    rest = elements[start : start + 3]
    if len(rest) == 1:
        # At the end there is no value for a logical name to belong to, whatever its length.
        found.identification = get_text(rest[0])
        found.values.append(PushedValue(rest[0]))
        return 0 if found.identification is None else 1
    logical_name = get_logical_name(rest[0])
    if logical_name is None:
        return 0
    value = make_value(logical_name, rest[1])
    if len(rest) < 3 or not is_scaler_unit(rest[2]):
        found.values.append(value)
        return 2
    found.values.append(_scale(value, get_scaler_unit(rest[2])))
    if found.layout is Layout.PAIRS:
        found.layout = Layout.TRIPLES
    return 3
