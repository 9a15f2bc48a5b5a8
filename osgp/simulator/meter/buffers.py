"""Class 7, profile generic: buffers that hold no rows but compute them, with selective access."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import (
    NULL_DATA,
    Data,
    DataType,
    array,
    decode,
    double_long_unsigned,
    integer,
    long_unsigned,
    octet_string,
    structure,
)
from ..codec.errors import RemoteProtocolError
from ..codec.requests import Selection
from ..codec.results import DataAccessResult
from . import quirky_rows, shapes
from .definitions import encode_definition, take_element
from .equipment import Column
from .event_types import CODE, COUNTER, DURATION, MAGNITUDE, Event
from .load_curve import START
from .null_compression import StampColumn
from .query import AccessError, LogicalDevice, ObjectEntry, Provider, Query
from .quirky_columns import EXTRA_TAG, change_columns, find_extra_maker, make_cells
from .quirky_times import read_date_time
from .registry import value_of_class
from .rows import Row, Wanted, log_rows, periodic_rows, power_failure_rows
from .typed_values import number_encoder

RANGE_SELECTOR = 1
ENTRY_SELECTOR = 2

PROFILE_GENERIC = "profile_generic"

CLEARING = ("capture_objects", "capture_period")
"""The attributes of a profile generic whose modification clears its buffer (Blue Book)."""

MAXIMUM_ENTRIES = 2_190
"""A client that sets profile_entries higher gets no more rows, unless the profile itself has more."""

QUARTER_HOUR = 900
_UNSTATED_ENTRIES = 960
_CAPTURE_TIME = ("extended_register", "capture_time")
_POWER_FAILURES = "POWER_FAILURE_EVENT_LOG"
_ALL = Wanted()
_NOT_SORTED = structure(long_unsigned(0), octet_string(bytes(6)), integer(0), long_unsigned(0))


def definition(column: Column) -> bytes:
    """The column as a capture object definition."""
    return encode_definition(column.descriptor, column.data_index)


def list_columns(meter: LogicalDevice, entry: ObjectEntry) -> tuple[Column, ...]:
    """What a buffer captures: as the client has set it, or as the profile says, or as the meter differs from
    it."""
    chosen = _list_chosen_columns(meter, entry)
    if chosen is not None:
        return chosen
    columns = meter.type.default_columns(entry.tag, entry.channel)
    quirks = meter.quirks
    return change_columns(quirks, meter.type, columns) if quirks else columns


def list_columns_of_profile(meter: LogicalDevice, entry: ObjectEntry) -> tuple[Column, ...]:
    """What a buffer captures, whatever the meter's quirks."""
    chosen = _list_chosen_columns(meter, entry)
    return meter.type.default_columns(entry.tag, entry.channel) if chosen is None else chosen


def _list_chosen_columns(meter: LogicalDevice, entry: ObjectEntry) -> tuple[Column, ...] | None:
    """As the client has set it; None if it has not."""
    descriptor = entry.descriptors.get("capture_objects")
    chosen = meter.override(descriptor) if descriptor is not None else None
    return None if chosen is None else tuple(_make_column(meter, item) for item in decode(chosen).value)


def _make_column(meter: LogicalDevice, item: Data) -> Column:
    class_id, logical_name, attribute_id, data_index = (part.value for part in item.value)
    found = meter.type.objects.get(logical_name)
    if found is None or found.class_id != class_id or attribute_id not in found.attributes:
        raise AccessError(DataAccessResult.OBJECT_UNDEFINED)
    descriptor = AttributeDescriptor(class_id, logical_name, attribute_id)
    return Column(found.tag, descriptor, data_index, found.channel)


def check_columns(meter: LogicalDevice, capture_objects: Data) -> None:
    """AccessError unless a buffer can capture all of ``capture_objects``."""
    for item in capture_objects.value:
        column = _make_column(meter, item)
        if meter.type.profile[column.tag].interface_class.name == PROFILE_GENERIC:
            raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        if column.data_index:
            captured = decode(meter.get(column.descriptor))
            composite = captured.type in (DataType.ARRAY, DataType.STRUCTURE)
            if not composite or column.data_index > len(captured.value):
                raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)


def _find_chosen(query: Query, attribute: str) -> int | None:
    """What the client has set, None when it has set nothing."""
    descriptor = query.entry.descriptors.get(attribute)
    chosen = query.meter.override(descriptor) if descriptor is not None else None
    return int(decode(chosen).value) if chosen is not None else None


def _find_stated(query: Query, attribute: str, unstated: int) -> int:
    """What the profile says, or else the simulator."""
    cosem_object = query.meter.type.profile[query.entry.tag]
    stated = cosem_object[attribute].value if attribute in cosem_object else None
    return int(stated) if stated is not None else unstated


def find_period(query: Query) -> int:
    """Seconds between two rows; 0 for a log."""
    chosen = _find_chosen(query, "capture_period")
    if chosen is not None:
        return chosen
    return _find_stated(query, "capture_period", QUARTER_HOUR if _is_periodic(query) else 0)


def _is_periodic(query: Query) -> bool:
    """Whether the rows are captured by the clock, not when something happens."""
    tag = query.entry.tag
    return tag not in query.meter.type.events.logs and tag != _POWER_FAILURES


def count_entries(query: Query) -> int:
    """How many rows the buffer keeps."""
    stated = _find_stated(query, "profile_entries", _UNSTATED_ENTRIES)
    chosen = _find_chosen(query, "profile_entries")
    return stated if chosen is None else min(chosen, max(stated, MAXIMUM_ENTRIES))


_RANGE_SHAPE = shapes.structure(
    shapes.OBJECT_DEFINITION, shapes.DATE_TIME, shapes.DATE_TIME, shapes.array(shapes.OBJECT_DEFINITION, 64)
)
_ENTRY_SHAPE = shapes.structure(
    shapes.DOUBLE_LONG_UNSIGNED, shapes.DOUBLE_LONG_UNSIGNED, shapes.LONG_UNSIGNED, shapes.LONG_UNSIGNED
)


def _read_range(query: Query, selection: Selection) -> tuple[Wanted, tuple[Data, ...]]:
    if not _RANGE_SHAPE.fits(selection.parameters):
        raise AccessError(DataAccessResult.TYPE_UNMATCHED)
    restricting, begin, end, selected = selection.parameters.value
    if tuple(part.value for part in restricting.value[:3]) != query.meter.type.clock:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    quirks = query.meter.quirks
    if quirks:
        quirky_rows.check_range(quirks, begin.value, end.value, selected.value)
    try:
        oldest = read_date_time(query.meter, begin.value).timestamp()
        newest = read_date_time(query.meter, end.value).timestamp()
    except RemoteProtocolError as error:
        raise AccessError(DataAccessResult.TYPE_UNMATCHED) from error
    return Wanted(max(oldest, START), newest), selected.value


def _select_columns(columns: Sequence[Column], wanted: Sequence[Data]) -> list[int]:
    """The positions of the wanted columns, in the order of the buffer; all when none is named."""
    if not wanted:
        return list(range(len(columns)))
    names = {(*column.descriptor, column.data_index): position for position, column in enumerate(columns)}
    try:
        return sorted(names[tuple(part.value for part in item.value)] for item in wanted)
    except KeyError as error:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED) from error


@value_of_class("profile_generic", "buffer")
def buffer(query: Query) -> bytes:
    """The rows, oldest first; all, a range of time (selector 1) or of entries (selector 2), and of
    columns."""
    quirks = query.meter.quirks
    columns = list_columns(query.meter, query.entry)
    selection = query.selection
    positions = list(range(len(columns)))
    wanted = Wanted()
    if selection is not None and selection.selector == RANGE_SELECTOR:
        wanted, named = _read_range(query, selection)
        positions = _select_columns(columns, named)
    elif selection is not None and selection.selector != ENTRY_SELECTOR:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    rows = _list_told_rows(query, wanted) if quirks else list_rows(query, wanted)
    if selection is not None and selection.selector == ENTRY_SELECTOR:
        rows, positions = _select_entries(selection, rows, positions)
        if quirks:
            quirky_rows.check_entries(quirks)
    if quirks:
        if selection is not None and selection.selector == RANGE_SELECTOR:
            quirky_rows.check_rows(quirks, rows)
        quirky_rows.count_answer(query)
    makers = [_find_maker(query, columns[position]) for position in positions]
    return array(structure(*[make(row) for make in makers]) for row in rows)


def _select_entries(
    selection: Selection, rows: list[Row], positions: list[int]
) -> tuple[list[Row], list[int]]:
    if not _ENTRY_SHAPE.fits(selection.parameters):
        raise AccessError(DataAccessResult.TYPE_UNMATCHED)
    first, last, first_column, last_column = (part.value for part in selection.parameters.value)
    if first < 1 or first_column < 1:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    return rows[first - 1 : last or None], positions[first_column - 1 : last_column or None]


def _list_told_rows(query: Query, wanted: Wanted) -> list[Row]:
    """The rows as a meter with quirks tells them."""
    quirks = query.meter.quirks
    if wanted == _ALL or quirky_rows.BORDERS.isdisjoint(quirks):
        rows = list_rows(query, wanted)
    else:
        rows = quirky_rows.choose(quirks, list_rows(query, _ALL), wanted)
    return quirky_rows.arrange(quirks, rows)


def list_rows(query: Query, wanted: Wanted) -> list[Row]:
    """The rows with stamps that are wanted, oldest first, as far as the buffer goes back."""
    meter, now, tag = query.meter, query.moment, query.entry.tag
    entries = count_entries(query)
    if tag in meter.type.events.logs:
        return log_rows(meter, tag, now, entries, wanted)
    if tag == _POWER_FAILURES:
        return power_failure_rows(meter, now, entries, wanted)
    period = find_period(query)
    if not period and _find_stated(query, "capture_period", QUARTER_HOUR):
        # Told to capture nothing by itself (Blue Book); in other profiles 0 stands for each month.
        return []
    rows = periodic_rows(meter, period, now, entries, wanted, query.channel)
    cleared = _find_clearing(query)
    return [row for row in rows if row.moment > cleared] if cleared else rows


def _find_clearing(query: Query) -> float:
    """When the buffer was cleared because it was set up in another way; 0 if never."""
    record, descriptors = query.meter.record, query.entry.descriptors
    cleared = record.cleared.get((query.entry.tag, query.channel)) if record is not None else None
    if cleared is None or all(query.meter.override(descriptors[name]) is None for name in CLEARING):
        return 0.0
    return cleared


Maker = Callable[[Row], bytes]


def _find_maker(query: Query, column: Column) -> Maker:
    """What makes the cells of a column."""
    meter = query.meter
    if column.tag == EXTRA_TAG:
        return find_extra_maker(meter, column)
    make, is_stamp = find_value_maker(query, column)
    if meter.quirks:
        period = find_period(query) if _is_periodic(query) else None
        return make_cells(meter, column, make, is_stamp=is_stamp, period=period)
    if is_stamp and meter.is_null_compressed and _is_periodic(query):
        return StampColumn(make, find_period(query), meter.zone)
    return make


def find_value_maker(query: Query, column: Column) -> tuple[Maker, bool]:
    """What makes the values of a column, each in full; and whether they are stamps."""
    meter = query.meter
    entry = meter.type.objects[column.descriptor.logical_name]
    attribute = entry.attributes[column.descriptor.attribute_id]
    part = _find_part_of_event(column.tag) if query.entry.tag in meter.type.events.logs else None
    encode_number = number_encoder(attribute.data_type)
    if part is not None and encode_number is not None:
        return partial(_encode_event, part, encode_number), False
    fixed, provider = attribute.encoded, attribute.provider
    if provider is None:
        value = fixed or NULL_DATA
        element = take_element(value, column.data_index) if column.data_index else value
        return lambda _: element, False
    class_name = meter.type.profile[column.tag].interface_class.name
    is_stamp = column.descriptor == meter.type.clock or (class_name, attribute.name) == _CAPTURE_TIME
    return _make_maker(query, column, provider), is_stamp and not column.data_index


def _make_maker(query: Query, column: Column, provider: Provider) -> Maker:
    meter, channel = query.meter, column.channel
    entry = meter.type.objects[column.descriptor.logical_name]
    attribute = entry.attributes[column.descriptor.attribute_id]
    elements = attribute.elements if column.data_index else None
    if channel is None and not column.data_index:
        return lambda row: provider(Query(meter, row.moment, entry, None, None, row.offset, row.flags))

    def make(row: Row) -> bytes:
        if channel is not None and meter.gas_meter(channel, row.moment) is None:
            return NULL_DATA
        asked = Query(meter, row.moment, entry, offset=row.offset, flags=row.flags)
        if elements is not None:
            parts = elements(asked)
            # The column may reach further than what there is by now.
            return parts[column.data_index - 1] if column.data_index <= len(parts) else NULL_DATA
        value = provider(asked)
        return take_element(value, column.data_index) if column.data_index else value

    return make


_PARTS_OF_EVENT: Mapping[str, Callable[[Event], int]] = {
    CODE: lambda event: event.code,
    MAGNITUDE: lambda event: event.magnitude,
    DURATION: lambda event: event.duration,
    COUNTER: lambda event: event.number,
}
"""What a column of a log tells of an event, by the end of its tag."""


def _find_part_of_event(tag: str) -> Callable[[Event], int] | None:
    return next((part for end, part in _PARTS_OF_EVENT.items() if tag.endswith(end)), None)


def _encode_event(part: Callable[[Event], int], encode_number: Callable[[int], bytes], row: Row) -> bytes:
    return encode_number(part(row.event)) if row.event is not None else NULL_DATA


@value_of_class("profile_generic", "capture_objects")
def capture_objects(query: Query) -> bytes:
    """The definitions of the columns."""
    return array(definition(column) for column in list_columns(query.meter, query.entry))


@value_of_class("profile_generic", "capture_period")
def capture_period(query: Query) -> bytes:
    """Seconds; 0 for a log, and for what is captured each month."""
    return double_long_unsigned(find_period(query))


@value_of_class("profile_generic", "sort_object")
def sort_object(query: Query) -> bytes:
    """The clock, if the meter has one."""
    clock = query.meter.type.clock
    return _NOT_SORTED if clock is None else definition(Column("CLOCK", clock, 0, None))


@value_of_class("profile_generic", "entries_in_use")
def entries_in_use(query: Query) -> bytes:
    """How many rows there are."""
    return double_long_unsigned(len(_list_told_rows(query, _ALL)))


@value_of_class("profile_generic", "profile_entries")
def profile_entries(query: Query) -> bytes:
    """How many rows there can be."""
    return double_long_unsigned(count_entries(query))
