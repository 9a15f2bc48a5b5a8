"""From a profile to the table of the objects of its meters: rights, and values or what makes them."""

from functools import cache

from osgp.catalogue import obis
from osgp.catalogue import profile as catalogue_profile
from osgp.catalogue.model import Attribute, CosemObject, Profile

from ..codec import axdr
from ..codec.axdr import DataType
from ..codec.errors import LocalProtocolError
from . import buffers, electricity, mbus, modem, power_quality, standing
from .equipment import channels_of
from .query import READ, WRITE, AttributeEntry, MeterType, ObjectEntry
from .registry import provider_of
from .shapes import CATALOGUE_TYPES, Shape, shape_of

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


def _object_entry(cosem_object: CosemObject, channel: int | None) -> ObjectEntry:
    logical_name = cosem_object.logical_name(channel)
    named = AttributeEntry(
        _LOGICAL_NAME,
        READ,
        DataType.OCTET_STRING,
        Shape((DataType.OCTET_STRING,)),
        axdr.octet_string(logical_name),
    )
    others = {
        attribute_id: _attribute_entry(cosem_object, attribute)
        for attribute_id, attribute in cosem_object.attributes.items()
    }
    return ObjectEntry(
        tag=cosem_object.tag,
        class_id=cosem_object.class_id,
        class_version=cosem_object.class_version,
        logical_name=logical_name,
        channel=channel,
        public=cosem_object.tag in PUBLIC_TAGS,
        scaler=_scaler(cosem_object),
        attributes={_LOGICAL_NAME: named, **others},
        methods=cosem_object.methods,
    )


def _scaler(cosem_object: CosemObject) -> int:
    scaler_unit = cosem_object.attributes.get(_SCALER_UNIT)
    stated = scaler_unit.stated_scaler_unit if scaler_unit is not None else None
    return stated.scaler if stated is not None and cosem_object.class_id in _REGISTERS else 0


def _attribute_entry(cosem_object: CosemObject, attribute: Attribute) -> AttributeEntry:
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


def build(profile: Profile, polyphase: bool) -> MeterType:
    """The objects of one profile, for single-phase or polyphase meters."""
    entries = (
        _object_entry(cosem_object, channel)
        for cosem_object in profile.objects(polyphase)
        for channel in channels_of(cosem_object)
    )
    return MeterType(profile, polyphase, {entry.logical_name: entry for entry in entries})


@cache
def meter_type(protocol_name: str, protocol_version: str, polyphase: bool) -> MeterType:
    """The one type for a profile; LookupError when there is no such profile."""
    return build(catalogue_profile(protocol_name, protocol_version), polyphase)
