"""From a profile to the table of the objects of its meters: rights, and values or what makes them."""

from functools import cache

from osgp.catalogue import obis
from osgp.catalogue.model import Attribute, CosemObject, Profile
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.catalogue.values import SCALER_UNIT

from ..codec import axdr
from ..codec.axdr import DataType
from . import buffers, electricity, mbus, modem, power_quality, standing
from .equipment import channels_of
from .query import READ, WRITE, AttributeEntry, MeterType, ObjectEntry, Provider
from .registry import BY_CLASS, BY_TAG, NUMBERS, TEXTS
from .shapes import CATALOGUE_TYPES, Shape, shape_of
from .typed_values import number_provider, text_provider

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

_LOGICAL_NAME, _VALUE, _SCALER_AND_UNIT = 1, 2, 3
_REGISTERS = (3, 4)
_NO_UNIT = ScalerUnit(0, Unit.COUNT)

_LIVE_VALUES = ("CURRENT_LOCAL_DATE_AND_TIME", "OK")
"""What profiles state as value where it is a live meter that has one."""


def _object_entry(cosem_object: CosemObject, channel: int | None) -> ObjectEntry:
    logical_name = cosem_object.get_logical_name(channel)
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
        attributes={_LOGICAL_NAME: named, **others},
        methods=cosem_object.methods,
    )


def _scaler_unit(cosem_object: CosemObject) -> ScalerUnit:
    """That of the profile, or else the one in which the simulator counts."""
    attribute = cosem_object.attributes.get(_SCALER_AND_UNIT) if cosem_object.class_id in _REGISTERS else None
    if attribute is not None and attribute.stated_scaler_unit is not None:
        return attribute.stated_scaler_unit
    number = NUMBERS.get(cosem_object.tag)
    return number.scaler_unit if number is not None else _NO_UNIT


def _provider(cosem_object: CosemObject, attribute_id: int, data_type: DataType) -> Provider | None:
    """What makes an attribute in its data type; None when nothing does."""
    tag = cosem_object.tag
    if attribute_id == _VALUE and tag in NUMBERS:
        return number_provider(NUMBERS[tag], data_type, _scaler_unit(cosem_object).scaler)
    if attribute_id == _VALUE and tag in TEXTS:
        return text_provider(TEXTS[tag], data_type)
    return (
        BY_TAG.get((tag, attribute_id, data_type))
        or BY_TAG.get((tag, attribute_id, None))
        or BY_CLASS.get((cosem_object.class_id, attribute_id))
    )


def _attribute_entry(cosem_object: CosemObject, attribute: Attribute) -> AttributeEntry:
    attribute_id = attribute.attribute_id
    access = (READ if attribute.readable else 0) | (WRITE if attribute.writable else 0)
    shape = shape_of(cosem_object.tag, cosem_object.class_id, attribute_id, attribute.data_type)
    data_type = CATALOGUE_TYPES[attribute.data_type]
    provider = _provider(cosem_object, attribute_id, data_type)
    encoded = _factory_value(cosem_object, attribute, data_type) if provider is None else None
    return AttributeEntry(attribute_id, access, data_type, shape, encoded, provider)


def _factory_value(cosem_object: CosemObject, attribute: Attribute, data_type: DataType) -> bytes:
    """The value that the profile states, or else the plainest of the type."""
    if attribute.data_type == SCALER_UNIT:
        scaler, unit = attribute.stated_scaler_unit or _scaler_unit(cosem_object)
        return axdr.structure(axdr.integer(scaler), axdr.enum(unit))
    text = attribute.value if attribute.value not in _LIVE_VALUES else None
    if data_type is DataType.OCTET_STRING:
        return axdr.octet_string(obis.parse(text) if text else b"")
    if data_type is DataType.BOOLEAN:
        return axdr.boolean(text == "1")
    if data_type in axdr.FIXED:
        return axdr.encode(axdr.Data(data_type, int(text or "0")))
    return axdr.plainest(data_type)


@cache
def meter_type(profile: Profile, polyphase: bool) -> MeterType:
    """The one type of single-phase or polyphase meters of a profile."""
    entries = (
        _object_entry(cosem_object, channel)
        for cosem_object in profile.list_objects(polyphase)
        for channel in channels_of(cosem_object)
    )
    return MeterType(profile, polyphase, {entry.logical_name: entry for entry in entries})
