"""Object definitions: what buffers capture and push setups push (Blue Book, classes 7 and 40)."""

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import NULL_DATA, DataType, decode, encode, integer, long_unsigned, octet_string, structure

_COMPOSITE = (DataType.ARRAY, DataType.STRUCTURE)


def encode_definition(descriptor: AttributeDescriptor, data_index: int = 0) -> bytes:
    """An attribute, or with a data index one element of it, as such lists name it."""
    class_id, logical_name, attribute_id = descriptor
    return structure(
        long_unsigned(class_id), octet_string(logical_name), integer(attribute_id), long_unsigned(data_index)
    )


def take_element(value: bytes, data_index: int) -> bytes:
    """One element, counted from 1, of an encoded array or structure; null-data when it has no such one."""
    data = decode(value)
    elements = data.value if data.type in _COMPOSITE else ()
    # An array that a list reaches into may have become shorter since it was chosen.
    return encode(elements[data_index - 1]) if data_index <= len(elements) else NULL_DATA
