"""GetAssociationLnObjects: the objects of a meter with the rights that the platform has on them."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.adhoc.listed_objects import (
    ListedObject,
    describe_object,
    describe_unreadable,
    read_object_list,
)
from osgp.cosem import object_list
from osgp.messages.listed_objects import ASSOCIATION
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import Unavailable
from osgp.messages.visited_meter import VisitedMeter


class AttributeRight(TypedDict):
    """Access to one attribute."""

    attribute: int
    access_mode: object_list.AttributeAccessMode
    access_mode_code: Annotated[int, "As the meter sends it; bits from class version 3 on."]
    protection: Annotated[
        Sequence[object_list.Protection],
        "How requests and answers must be protected; from class version 3 on.",
    ]
    access_selectors: Annotated[Sequence[int], "Kinds of selective access that the attribute offers."]


class MethodRight(TypedDict):
    """Access to one method."""

    method: int
    access_mode: object_list.MethodAccessMode
    access_mode_code: int
    protection: Sequence[object_list.Protection]


class AssociationLnObject(ListedObject):
    """One object and the rights on it."""

    attributes: list[AttributeRight]
    methods: list[MethodRight]


class GetAssociationLnObjectsResult(TypedDict):
    """The object list of the association."""

    association_version: Annotated[int, "Version of the association's class."]
    objects: list[AssociationLnObject]
    unavailable: Annotated[
        list[Unavailable], "Invalid entries of the meter's object list, such as object_list[12]."
    ]
    complete: Annotated[bool, "False when the list was longer than any real meter's and was cut."]


@register
class GetAssociationLnObjects(MeterOperation[NoParameters, GetAssociationLnObjectsResult]):
    """Read the objects of a meter and the access rights on their attributes and methods.

    The rights are those of the association through which the platform talks to the meter.
    """

    message = "GetAssociationLnObjects"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    needs = (ASSOCIATION,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetAssociationLnObjectsResult:
        found = read_object_list(meter)
        return {
            "association_version": found.version,
            "objects": [
                {
                    **describe_object(meter.profile, listed),
                    "attributes": [_describe_attribute_right(right) for right in listed.attributes],
                    "methods": [_describe_method_right(right) for right in listed.methods],
                }
                for listed in found.objects
            ],
            "unavailable": describe_unreadable(found.unreadable),
            "complete": found.is_complete,
        }


def _describe_attribute_right(right: object_list.AttributeRight) -> AttributeRight:
    return {
        "attribute": right.attribute_id,
        "access_mode": right.mode,
        "access_mode_code": right.code,
        "protection": right.protection,
        "access_selectors": right.selectors,
    }


def _describe_method_right(right: object_list.MethodRight) -> MethodRight:
    return {
        "method": right.method_id,
        "access_mode": right.mode,
        "access_mode_code": right.code,
        "protection": right.protection,
    }
