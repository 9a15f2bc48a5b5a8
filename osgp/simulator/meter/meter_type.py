"""From a profile to the table of the objects of its meters: rights, and values or what makes them."""

from collections.abc import Iterator
from functools import cache, partial

from osgp.catalogue import obis
from osgp.catalogue.classes import LOGICAL_NAME
from osgp.catalogue.model import Attribute, CosemObject, Profile
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.catalogue.values import SCALER_UNIT

from ..codec import axdr
from ..codec.axdr import DataType
from . import buffers, electricity, key_methods, mbus, modem, power_quality, pushing, standing
from .equipment import Equipment, list_channels
from .event_types import CODE
from .methods import HANDLERS
from .query import READ, WRITE, AttributeEntry, Handler, MeterType, ObjectEntry, Provider, Write
from .registry import BY_CLASS, BY_TAG, ELEMENTS, NUMBERS, TEXTS, VALUE, Count, Number
from .row_flags import make_bit_mapping
from .shapes import CATALOGUE_TYPES, RANGES, RANGES_BY_TAG, Shape, find_shape
from .typed_values import number_provider, text_provider
from .writes import WRITES, choose_destination, clear_buffer, schedule_test, set_alarm_register

VALUE_MODULES = (buffers, electricity, mbus, modem, power_quality, pushing, standing)
"""Importing these registers the providers."""

METHOD_MODULES = (key_methods, pushing)
"""Importing these registers the handlers of methods."""

PUBLIC_CLASSES = frozenset(("association_ln", "sap_assignment", "clock"))
PUBLIC_TAGS = frozenset(("LOGICAL_DEVICE_NAME", "DEVICE_ID_1", "DEVICE_ID_2"))
"""What the public client may read, beside the invocation counter."""

_REGISTERS = ("register", "extended_register")
_BUFFER = ("profile_generic", "buffer")
_CAPTURE_OBJECTS = ("profile_generic", "capture_objects")
_NO_UNIT = ScalerUnit(0, Unit.COUNT)

_LIVE_VALUES = ("CURRENT_LOCAL_DATE_AND_TIME", "OK")
"""What profiles state as value where it is a live meter that has one."""


class _Builder:
    """Makes the entries of meters that are so equipped."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._profile = equipment.profile
        counter = equipment.profile.invocation_counter
        self._counter = electricity.INVOCATION_COUNTER if counter is None else counter.tag
        self._numbers: dict[str, Number | Count] = dict(self._list_numbers_of_profile())

    def objects(self) -> dict[bytes, ObjectEntry]:
        """All objects by logical name."""
        entries = (
            self._make_object_entry(cosem_object, channel)
            for cosem_object in self._profile.list_objects(self._equipment.polyphase)
            for channel in list_channels(cosem_object)
        )
        return {entry.logical_name: entry for entry in entries}

    def _make_object_entry(self, cosem_object: CosemObject, channel: int | None) -> ObjectEntry:
        logical_name = cosem_object.get_logical_name(channel)
        interface_class = cosem_object.interface_class
        named = AttributeEntry(
            interface_class.find_attribute_id(LOGICAL_NAME),
            LOGICAL_NAME,
            READ,
            DataType.OCTET_STRING,
            Shape((DataType.OCTET_STRING,)),
            axdr.octet_string(logical_name),
        )
        others = {
            attribute_id: self._make_attribute_entry(cosem_object, attribute)
            for attribute_id, attribute in cosem_object.attributes.items()
        }
        public = interface_class.name in PUBLIC_CLASSES or cosem_object.tag in (*PUBLIC_TAGS, self._counter)
        return ObjectEntry(
            tag=cosem_object.tag,
            class_id=cosem_object.class_id,
            class_version=cosem_object.class_version,
            logical_name=logical_name,
            channel=channel,
            public=public,
            attributes={named.attribute_id: named, **others},
            methods=cosem_object.methods,
            handlers=_find_handlers(cosem_object),
        )

    def _list_numbers_of_profile(self) -> Iterator[tuple[str, Number | Count]]:
        """What shows the invocation counter, the statuses of rows, alarms and the last codes of logs."""
        equipment = self._equipment
        yield self._counter, NUMBERS[electricity.INVOCATION_COUNTER]
        for tag in equipment.statuses:
            flags = self._profile[tag].flags
            if flags is not None:
                yield tag, Number(partial(electricity.row_status, make_bit_mapping(flags)), _NO_UNIT)
        for tag in equipment.alarm_registers.values():
            yield tag, Number(partial(power_quality.alarm_register, tag), _NO_UNIT)
        for tag in equipment.alarm_filters.values():
            yield tag, Number(partial(pushing.alarm_filter, tag), _NO_UNIT)
        for log in equipment.events.logs:
            for column in self._profile.list_capture_columns(log):
                if column.tag.endswith(CODE):
                    yield column.tag, Number(partial(power_quality.last_code, log), _NO_UNIT)

    def _find_number(self, cosem_object: CosemObject) -> Number | Count | None:
        return self._numbers.get(cosem_object.tag) or NUMBERS.get(cosem_object.tag)

    def _find_scaler_unit(self, cosem_object: CosemObject) -> ScalerUnit:
        """That of the profile, or else the one in which the simulator counts."""
        is_register = cosem_object.interface_class.name in _REGISTERS
        if is_register and "scaler_unit" in cosem_object:
            stated = cosem_object["scaler_unit"].stated_scaler_unit
            if stated is not None:
                return stated
        number = self._find_number(cosem_object)
        return number.scaler_unit if number is not None else _NO_UNIT

    def _find_provider(
        self, cosem_object: CosemObject, attribute: Attribute, data_type: DataType
    ) -> Provider | None:
        """What makes an attribute in its data type; None when nothing does."""
        tag, name = cosem_object.tag, attribute.name
        number = self._find_number(cosem_object)
        if name == VALUE and number is not None:
            return number_provider(number, data_type, self._find_scaler_unit(cosem_object).scaler)
        if name == VALUE and tag in TEXTS:
            return text_provider(TEXTS[tag], data_type)
        return (
            BY_TAG.get((tag, name, data_type))
            or BY_TAG.get((tag, name, None))
            or BY_CLASS.get((cosem_object.interface_class.name, name))
        )

    def _write(self, cosem_object: CosemObject, attribute: Attribute) -> Write | None:
        """What writing an attribute does, None when it only keeps the value."""
        tag, name = cosem_object.tag, attribute.name
        if tag in self._equipment.alarm_registers.values() and name == VALUE:
            return set_alarm_register
        if tag in self._equipment.tests and name == "execution_time":
            return schedule_test
        if (cosem_object.interface_class.name, name) == pushing.DESTINATION:
            return choose_destination
        if cosem_object.interface_class.name == buffers.PROFILE_GENERIC and name in buffers.CLEARING:
            return partial(clear_buffer, name)
        return WRITES.get((tag, name))

    def _make_attribute_entry(self, cosem_object: CosemObject, attribute: Attribute) -> AttributeEntry:
        name = (cosem_object.interface_class.name, attribute.name)
        data_type = CATALOGUE_TYPES[attribute.data_type]
        provider = self._find_provider(cosem_object, attribute, data_type)
        return AttributeEntry(
            attribute.attribute_id,
            attribute.name,
            (READ if attribute.readable else 0) | (WRITE if attribute.writable else 0),
            data_type,
            find_shape(cosem_object, attribute),
            self._find_factory_value(cosem_object, attribute, data_type) if provider is None else None,
            provider,
            elements=ELEMENTS.get(name),
            allowed=RANGES_BY_TAG.get((cosem_object.tag, attribute.name)) or RANGES.get(name),
            check=buffers.check_columns if name == _CAPTURE_OBJECTS else None,
            write=self._write(cosem_object, attribute),
            selective=name == _BUFFER,
        )

    def _find_factory_value(
        self, cosem_object: CosemObject, attribute: Attribute, data_type: DataType
    ) -> bytes:
        """The value that the profile states, or else the plainest of the type."""
        if attribute.data_type == SCALER_UNIT:
            scaler, unit = attribute.stated_scaler_unit or self._find_scaler_unit(cosem_object)
            return axdr.structure(axdr.integer(scaler), axdr.enum(unit))
        text = attribute.value if attribute.value not in _LIVE_VALUES else None
        if data_type is DataType.OCTET_STRING:
            return axdr.octet_string(obis.parse(text) if text else b"")
        if data_type is DataType.BOOLEAN:
            return axdr.boolean(text == "1")
        if data_type in axdr.FIXED:
            return axdr.encode(axdr.Data(data_type, int(text or "0")))
        return axdr.make_plainest(data_type)


def _find_handlers(cosem_object: CosemObject) -> dict[int, Handler]:
    """What carries out the methods of an object, also those that the profile does not list."""
    interface_class = cosem_object.interface_class
    return {
        method_id: HANDLERS[interface_class.name, name]
        for method_id, name in interface_class.methods.items()
        if (interface_class.name, name) in HANDLERS
    }


@cache
def meter_type(profile: Profile, polyphase: bool) -> MeterType:
    """The one type of single-phase or polyphase meters of a profile."""
    return MeterType(profile, polyphase, lambda equipment: _Builder(equipment).objects())
