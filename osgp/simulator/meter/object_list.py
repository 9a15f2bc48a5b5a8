"""Class 15, association LN: the list of the objects with the access rights of a client."""

from functools import cache

from ..codec import axdr
from .query import READ, AttributeEntry, MeterType, ObjectEntry

PROTECTED = 0x6C
"""Access bits since version 3 of the association: requests and responses authenticated and encrypted."""


@cache
def encode_object_list(meter_type: MeterType, version: int, public: bool, ciphered: bool) -> bytes:
    """Attribute 2 of an association object of a ``version``, as the public or the management client sees
    it."""
    # Before version 3 access modes are numbered, with 1 read, 2 write, 3 both. Since then they are bits,
    # with the same meaning of the first two.
    protection = PROTECTED if version >= 3 and ciphered and not public else 0
    # In version 0 the access mode of a method is a boolean, later an enum.
    methods_as_boolean = version == 0
    return axdr.array(
        _encode_entry(entry, public, methods_as_boolean, protection)
        for entry in meter_type.objects.values()
        if entry.public or not public
    )


def _encode_entry(entry: ObjectEntry, public: bool, methods_as_boolean: bool, protection: int) -> bytes:
    selectors = axdr.array((axdr.integer(1), axdr.integer(2)))

    def attribute(item: AttributeEntry) -> bytes:
        mode = item.access & READ if public else item.access | protection
        return axdr.structure(
            axdr.integer(item.attribute_id), axdr.enum(mode), selectors if item.selective else axdr.NULL_DATA
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
