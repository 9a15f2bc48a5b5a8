"""What all meters of one profile have in common: the table of their COSEM objects."""

from collections.abc import Mapping
from functools import cache

from osgp.catalogue import obis
from osgp.catalogue import profile as catalogue_profile
from osgp.catalogue.model import Attribute, CosemObject, Profile

from ..codec import axdr
from ..codec.axdr import DataType
from ..codec.errors import LocalProtocolError
from . import buffers, electricity, mbus, modem, power_quality, standing
from .buffers import Column
from .query import Provider
from .registry import provider_of
from .schedules import TESTS
from .shapes import CATALOGUE_TYPES, Shape, shape_of

READ, WRITE = 1, 2
DIAGNOSED_CHANNELS = (1, 2)
"""The M-Bus channels whose diagnostics a definable load profile captures."""

_CAPTURED = {
    47: ((6, 3), (6, 4)),  # signal quality and bit error rate of the cell
    72: ((11, 0),),  # status of the M-Bus device
    77: ((2, 0), (8, 0)),  # signal strength and broken frames
}
"""What is captured of the diagnostic objects, by class: attribute id and data index."""

CHANNELS = (1, 2, 3, 4)
PROTECTED = 0x6C
"""Access bits since version 3 of the association: requests and responses authenticated and encrypted."""

VALUE_MODULES = (buffers, electricity, mbus, modem, power_quality, standing)
"""Importing these registers the providers."""

PUBLIC_TAGS = frozenset(
    (
        "ASSOCIATION_LN",
        "SAP_ASSIGNMENT",
        "LOGICAL_DEVICE_NAME",
        "INVOCATION_COUNTER",
        "DEVICE_ID_1",
        "DEVICE_ID_2",
        "CLOCK",
    )
)
"""What the public client may read."""

_LOGICAL_NAME = 1
_SCALER_UNIT = 3
_REGISTERS = (3, 4)


class AttributeEntry:
    """One attribute: access rights, what it takes, and either its encoded value or what makes it."""

    __slots__ = ("access", "attribute_id", "data_type", "encoded", "provider", "shape")

    def __init__(
        self,
        attribute_id: int,
        access: int,
        data_type: DataType,
        shape: Shape,
        encoded: bytes | None = None,
        provider: Provider | None = None,
    ) -> None:
        self.attribute_id = attribute_id
        self.access = access
        self.data_type = data_type
        self.shape = shape
        self.encoded = encoded
        self.provider = provider


class ObjectEntry:
    """One object at one logical name; objects of M-Bus channels have one entry per channel."""

    __slots__ = (
        "attributes",
        "channel",
        "class_id",
        "class_version",
        "logical_name",
        "methods",
        "public",
        "scaler",
        "tag",
    )

    def __init__(self, cosem_object: CosemObject, channel: int | None) -> None:
        self.tag = cosem_object.tag
        self.scaler = _scaler(cosem_object)
        """Values of a register count in powers of ten of its unit."""
        self.class_id = cosem_object.class_id
        self.class_version = cosem_object.class_version
        self.channel = channel
        self.logical_name = cosem_object.logical_name(channel)
        self.methods = cosem_object.methods
        self.public = cosem_object.tag in PUBLIC_TAGS
        self.attributes: Mapping[int, AttributeEntry] = {
            _LOGICAL_NAME: AttributeEntry(
                _LOGICAL_NAME,
                READ,
                DataType.OCTET_STRING,
                Shape((DataType.OCTET_STRING,)),
                axdr.octet_string(self.logical_name),
            ),
            **{
                attribute_id: _entry(cosem_object, attribute)
                for attribute_id, attribute in cosem_object.attributes.items()
            },
        }


def _scaler(cosem_object: CosemObject) -> int:
    scaler_unit = cosem_object.attributes.get(_SCALER_UNIT)
    stated = scaler_unit.stated_scaler_unit if scaler_unit is not None else None
    return stated.scaler if stated is not None and cosem_object.class_id in _REGISTERS else 0


def _entry(cosem_object: CosemObject, attribute: Attribute) -> AttributeEntry:
    tag, class_id, attribute_id = cosem_object.tag, cosem_object.class_id, attribute.attribute_id
    provider = provider_of(tag, class_id, attribute_id)
    access = (READ if attribute.readable else 0) | (WRITE if attribute.writable else 0)
    shape = shape_of(tag, class_id, attribute_id, attribute.data_type)
    data_type = CATALOGUE_TYPES[attribute.data_type]
    if provider is not None:
        return AttributeEntry(attribute_id, access, data_type, shape, provider=provider)
    return AttributeEntry(
        attribute_id, access, data_type, shape, _default(cosem_object, attribute, data_type)
    )


def _default(cosem_object: CosemObject, attribute: Attribute, data_type: DataType) -> bytes:
    """The value that the profile states, or else the plainest of the type."""
    text = attribute.value
    if attribute.stated_scaler_unit is not None:
        scaler, unit = attribute.stated_scaler_unit
        return axdr.structure(axdr.integer(scaler), axdr.enum(unit))
    if data_type is DataType.OCTET_STRING:
        return axdr.octet_string(obis.parse(text) if text else b"")
    if data_type is DataType.BOOLEAN:
        return axdr.boolean(text == "1")
    if data_type is DataType.ARRAY:
        return axdr.array(())
    if data_type is DataType.VISIBLE_STRING:
        return axdr.visible_string(text or "")
    if data_type is DataType.BIT_STRING:
        return axdr.bit_string("")
    if data_type in axdr.FIXED:
        return axdr.encode(axdr.Data(data_type, int(text or "0", 0)))
    raise LocalProtocolError(
        f"{cosem_object.tag} attribute {attribute.attribute_id} ({attribute.data_type}) has no value"
    )


class MeterType:
    """The objects of one profile, for single-phase or polyphase meters, by logical name."""

    def __init__(self, profile: Profile, polyphase: bool) -> None:
        self.profile = profile
        self.polyphase = polyphase
        self.objects: dict[bytes, ObjectEntry] = {}
        for cosem_object in profile.objects(polyphase):
            for channel in CHANNELS if cosem_object.per_channel else (None,):
                entry = ObjectEntry(cosem_object, channel)
                self.objects[entry.logical_name] = entry
        self.alarm_registers = sum(f"ALARM_REGISTER_{number}" in profile for number in (1, 2, 3))
        self.tests = frozenset(
            tag for tag in TESTS if tag in profile and profile[tag].supports(polyphase=polyphase)
        )
        self.mbus_client_version = profile["MBUS_CLIENT_SETUP"].class_version
        # In version 0 of the association object the access mode of a method is a boolean, later an enum.
        self._methods_as_boolean = profile["ASSOCIATION_LN"].class_version == 0
        self._bits = profile["ASSOCIATION_LN"].class_version >= 3
        self._object_lists: dict[tuple[bool, bool], bytes] = {}
        self._columns: dict[tuple[str, int | None], tuple[Column, ...]] = {}

    def default_columns(self, tag: str, channel: int | None) -> tuple[Column, ...]:
        """The columns of a buffer that the client has not chosen: those of the profile, or all that may be
        chosen."""
        columns = self._columns.get((tag, channel))
        if columns is None:
            captured = self.profile.capture_columns(tag, channel)
            if captured:
                columns = tuple(Column(*column) for column in captured)
            else:
                columns = tuple(self._selectable_columns(tag))
            columns = tuple(column for column in columns if column.descriptor.logical_name in self.objects)
            self._columns[tag, channel] = columns
        return columns

    def _selectable_columns(self, tag: str) -> list[Column]:
        """The objects that the power quality profiles of such meters are read for, with the attributes and
        channels that meters capture of them."""
        request = "PERIODIC_PP" if self.polyphase else "PERIODIC_SP"
        columns = []
        for selectable in self.profile[tag].selectable_objects:
            cosem_object = self.profile[selectable]
            if selectable != "CLOCK" and request not in cosem_object.power_quality_requests:
                continue
            for channel in DIAGNOSED_CHANNELS if cosem_object.per_channel else (None,):
                for attribute_id, data_index in _CAPTURED.get(cosem_object.class_id, ((2, 0),)):
                    descriptor = cosem_object.attribute(attribute_id, channel)
                    columns.append(Column(selectable, descriptor, data_index, channel))
        return columns

    def object_list(self, public: bool, ciphered: bool) -> bytes:
        """Attribute 2 of the association object, as the public or the management client sees it."""
        encoded = self._object_lists.get((public, ciphered))
        if encoded is None:
            entries = (entry for entry in self.objects.values() if entry.public or not public)
            # Before version 3 access modes are numbered, with 1 read, 2 write, 3 both. Since then they are
            # bits, with the same meaning of the first two.
            protection = PROTECTED if self._bits and ciphered and not public else 0
            encoded = self._object_lists[public, ciphered] = axdr.array(
                _listed(entry, public, self._methods_as_boolean, protection) for entry in entries
            )
        return encoded


def _listed(entry: ObjectEntry, public: bool, methods_as_boolean: bool, protection: int) -> bytes:
    selectors = axdr.array((axdr.integer(1), axdr.integer(2)))

    def attribute(item: AttributeEntry) -> bytes:
        mode = item.access & READ if public else item.access | protection
        selective = entry.class_id == buffers.PROFILE_GENERIC and item.attribute_id == buffers.BUFFER
        return axdr.structure(
            axdr.integer(item.attribute_id), axdr.enum(mode), selectors if selective else axdr.NULL_DATA
        )

    def method(method_id: int) -> bytes:
        mode = axdr.boolean(not public) if methods_as_boolean else axdr.enum(0 if public else 1 | protection)
        return axdr.structure(axdr.integer(method_id), mode)

    rights = axdr.structure(
        axdr.array(attribute(item) for item in entry.attributes.values()),
        axdr.array(method(method_id) for method_id in entry.methods),
    )
    return axdr.structure(
        axdr.long_unsigned(entry.class_id),
        axdr.unsigned(entry.class_version),
        axdr.octet_string(entry.logical_name),
        rights,
    )


@cache
def meter_type(protocol_name: str, protocol_version: str, polyphase: bool) -> MeterType:
    """The one type for a profile; LookupError when there is no such profile."""
    return MeterType(catalogue_profile(protocol_name, protocol_version), polyphase)
