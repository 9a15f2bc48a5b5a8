"""Cosem-Attribute-Descriptor and Cosem-Method-Descriptor of the Green Book: what a request addresses.

They carry no data type, and can name objects that no profile lists.
"""

from typing import NamedTuple

from osgp.catalogue import obis


class AttributeDescriptor(NamedTuple):
    """One attribute: class id 0..65535, logical name of 6 bytes, attribute id 1..127 (0: all)."""

    class_id: int
    logical_name: bytes
    attribute_id: int

    def __str__(self) -> str:
        return f"{self.class_id}/{obis.to_text(self.logical_name)}/{self.attribute_id}"


class MethodDescriptor(NamedTuple):
    """One method: class id 0..65535, logical name of 6 bytes, method id 1..127."""

    class_id: int
    logical_name: bytes
    method_id: int

    def __str__(self) -> str:
        return f"{self.class_id}/{obis.to_text(self.logical_name)}/method {self.method_id}"
