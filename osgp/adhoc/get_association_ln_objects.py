"""GetAssociationLnObjects: the objects of a meter with the rights that the platform has on them."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.adhoc.listed_objects import (
    ASSOCIATION,
    ListedObjectSerializer,
    UnreadableSerializer,
    describe,
    describe_unreadable,
    read_object_list,
)
from osgp.catalogue import Profile
from osgp.cosem.object_list import (
    AttributeAccessMode,
    AttributeRight,
    MethodAccessMode,
    MethodRight,
    Protection,
)
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, ChoiceField, IntegerField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter


class AttributeRightSerializer(StrictSerializer):
    """Access to one attribute."""

    attribute = IntegerField()
    access_mode = ChoiceField(AttributeAccessMode)
    access_mode_code = IntegerField(help_text="As the meter says it; bits from class version 3 on.")
    protection = serializers.ListField(
        child=ChoiceField(Protection),
        help_text="How requests and answers have to be protected; told by class version 3 and later.",
    )
    access_selectors = serializers.ListField(
        child=IntegerField(), help_text="Kinds of selective access that the attribute offers."
    )


class MethodRightSerializer(StrictSerializer):
    """Access to one method."""

    method = IntegerField()
    access_mode = ChoiceField(MethodAccessMode)
    access_mode_code = IntegerField()
    protection = serializers.ListField(child=ChoiceField(Protection))


class AssociationLnObjectSerializer(ListedObjectSerializer):
    """One object and the rights on it."""

    attributes = AttributeRightSerializer(many=True)
    methods = MethodRightSerializer(many=True)


class GetAssociationLnObjectsResult(StrictSerializer):
    association_version = IntegerField(help_text="Version of the association's class.")
    objects = AssociationLnObjectSerializer(many=True)
    unreadable = UnreadableSerializer(many=True, help_text="What in the list makes no sense.")
    complete = BooleanField(help_text="False when the list was longer than any real meter's and was cut.")


@register
class GetAssociationLnObjects(MeterOperation):
    """Read which objects a meter has, and which attributes and methods of them may be used, and how.

    The rights are those of the association through which the platform talks to the meter.
    """

    message = "GetAssociationLnObjects"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    Result = GetAssociationLnObjectsResult

    def supports(self, profile: Profile) -> bool:
        return ASSOCIATION in profile

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        found = read_object_list(meter)
        return {
            "association_version": found.version,
            "objects": [
                {
                    **describe(meter.profile, listed),
                    "attributes": [_attribute_right(right) for right in listed.attributes],
                    "methods": [_method_right(right) for right in listed.methods],
                }
                for listed in found.objects
            ],
            "unreadable": describe_unreadable(found.unreadable),
            "complete": found.is_complete,
        }


def _attribute_right(right: AttributeRight) -> dict[str, Any]:
    return {
        "attribute": right.attribute_id,
        "access_mode": right.mode,
        "access_mode_code": right.code,
        "protection": right.protection,
        "access_selectors": right.selectors,
    }


def _method_right(right: MethodRight) -> dict[str, Any]:
    return {
        "method": right.method_id,
        "access_mode": right.mode,
        "access_mode_code": right.code,
        "protection": right.protection,
    }
