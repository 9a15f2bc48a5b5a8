"""The values in a push: those of the push object list, or of a body in a layout of its own."""

from collections.abc import Iterable, Mapping

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import NULL_DATA, array, decode, double_long_unsigned, encode, octet_string, structure
from ..codec.cosem_time import encode_date_time
from ..codec.requests import Selection
from ..meter.buffers import PROFILE_GENERIC, RANGE_SELECTOR
from ..meter.definitions import encode_definition, take_element
from ..meter.meter import Meter
from ..meter.pushing import IDENTIFICATION
from ..meter.query import AccessError
from .orders import Body, Layout, OrderError

Definition = tuple[AttributeDescriptor, int]
"""An attribute and its data index."""

_PUSH_CLASS = 40
_LOGICAL_NAME, _OBJECT_LIST, _SCALER_UNIT = 1, 2, 3
_REGISTERS = ("register", "extended_register")
_ENERGY = ("ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_EXPORT")
_ALL_ATTRIBUTES = 0
ROWS_OF_A_LIST = 4
"""Of a buffer in a push object list: the last hour, as a rule."""


class Values:
    """Encodes values of one meter at one moment.

    ``registers`` are what alarm registers show, by tag; ``name`` is the push setup to which all of it
    belongs. What the meter does not have is null-data.
    """

    def __init__(self, meter: Meter, name: bytes, registers: Mapping[str, int]) -> None:
        self.meter = meter
        self.name = name
        self.registers = registers

    def encode_list(self, definitions: Iterable[Definition]) -> bytes:
        """A structure of the values of a push object list."""
        listed = tuple(definitions)
        return structure(*(self.encode(definition, listed) for definition in listed))

    def encode(self, definition: Definition, listed: tuple[Definition, ...] = ()) -> bytes:
        """One value; ``listed`` is what a list shows that contains itself."""
        descriptor, data_index = definition
        class_id, logical_name, attribute_id = descriptor
        if class_id == _PUSH_CLASS and logical_name == self.name:
            if attribute_id == _LOGICAL_NAME:
                return octet_string(self.name)
            if attribute_id == _OBJECT_LIST:
                return array(encode_definition(*each) for each in listed)
        entry = self.meter.type.objects.get(logical_name)
        if entry is None or entry.class_id != class_id:
            known = descriptor == IDENTIFICATION
            return octet_string(self.meter.identification.encode()) if known else NULL_DATA
        if attribute_id == _ALL_ATTRIBUTES:
            return structure(*(self._read(each) for each in entry.descriptors.values()))
        if entry.tag in self.registers and descriptor == entry.descriptors.get("value"):
            return double_long_unsigned(self.registers[entry.tag])
        if self._get_class(entry.tag) == PROFILE_GENERIC and descriptor == entry.descriptors.get("buffer"):
            return self.encode_rows(entry.tag, ROWS_OF_A_LIST)
        value = self._read(descriptor)
        return take_element(value, data_index) if data_index else value

    def encode_rows(self, tag: str, rows: int) -> bytes:
        """The last rows of a buffer; OrderError when the meter has no such one."""
        meter = self.meter
        entry = meter.type.find_tagged(tag)
        clock = meter.type.clock
        if entry is None or self._get_class(tag) != PROFILE_GENERIC or clock is None:
            raise OrderError("body", f"buffer: {tag} is no profile of this meter")
        period = decode(meter.get(entry.descriptors["capture_period"])).value
        if not period:
            return array(encode(row) for row in decode(meter.get(entry.descriptors["buffer"])).value[-rows:])
        now = meter.settings.clock()
        # So that the first row has a full stamp, and none has to be left out.
        begin = meter.local_time(now - rows * period + 1)
        selected = structure(
            encode_definition(clock),
            octet_string(encode_date_time(begin)),
            octet_string(encode_date_time(meter.local_time(now))),
            array(()),
        )
        try:
            return meter.get(entry.descriptors["buffer"], Selection(RANGE_SELECTOR, decode(selected)))
        except AccessError as error:
            raise OrderError("body", f"buffer: {tag} cannot be read by time") from error

    def encode_body(self, body: Body) -> bytes:
        """The value of a body in its layout."""
        objects = body.objects or self._list_usual_objects()
        identification = self.encode((IDENTIFICATION, 0))
        if body.layout is Layout.VALUES:
            return structure(*(self.encode(each) for each in objects))
        if body.layout is Layout.PAIRS:
            pairs = ((octet_string(each[0].logical_name), self.encode(each)) for each in objects)
            return structure(*(part for pair in pairs for part in pair))
        if body.layout is Layout.NESTED:
            return array(self._nest(each) for each in objects)
        if body.layout is Layout.OWN_LIST:
            own = AttributeDescriptor(_PUSH_CLASS, self.name, _OBJECT_LIST)
            return self.encode_list(((own, 0), *objects))
        if body.layout is Layout.NAMED:
            values = (self.encode(each) for each in objects)
            return structure(identification, octet_string(self.name), *values)
        return structure(identification, octet_string(self.name), self.encode_rows(body.buffer, body.rows))

    def _nest(self, definition: Definition) -> bytes:
        logical_name = definition[0].logical_name
        parts = [octet_string(logical_name), self.encode(definition)]
        entry = self.meter.type.objects.get(logical_name)
        if entry is not None and self._get_class(entry.tag) in _REGISTERS:
            parts.append(self._read(AttributeDescriptor(entry.class_id, logical_name, _SCALER_UNIT)))
        return structure(*parts)

    def _list_usual_objects(self) -> tuple[Definition, ...]:
        equipment = self.meter.type
        found = [IDENTIFICATION]
        if equipment.clock is not None:
            found.append(equipment.clock)
        found += (
            equipment.profile[tag].address_attribute("value") for tag in _ENERGY if tag in equipment.tags
        )
        return tuple((descriptor, 0) for descriptor in found)

    def _get_class(self, tag: str) -> str:
        return self.meter.type.profile[tag].interface_class.name

    def _read(self, descriptor: AttributeDescriptor) -> bytes:
        try:
            return self.meter.get(descriptor)
        except AccessError:
            return NULL_DATA
