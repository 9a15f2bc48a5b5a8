"""GetSpecificConfigurationObject: read any one attribute."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.serializers import DataField, IntegerField, ObisCodeField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import is_secret


class GetSpecificConfigurationObjectParameters(StrictSerializer):
    class_id = IntegerField(min_value=0, max_value=65535)
    obis_code = ObisCodeField()
    attribute = IntegerField(
        min_value=-128,
        max_value=127,
        help_text="Negative numbers are the manufacturer's own, 0 is all of them.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether the answer may be shown."""
        if is_secret(_descriptor(attrs)):
            raise ValidationError({"attribute": ["Holds a secret, which is not read."]})
        return attrs


class GetSpecificConfigurationObjectResult(StrictSerializer):
    class_id = IntegerField()
    obis_code = ObisCodeField()
    attribute = IntegerField()
    value = DataField(help_text="The value with its DLMS type.")


@register
class GetSpecificConfigurationObject(MeterOperation):
    """Read one attribute of any object, whether or not the meter's profile knows it.

    The answer has the DLMS type of the value. What the meter refuses ends with fault 412, which names the
    access result. The rows of a profile's buffer come all at once, as far as a reply of 4 MiB holds them. The
    secrets of associations and of PPP and SMTP setups are not read.
    """

    message = "GetSpecificConfigurationObject"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    Parameters = GetSpecificConfigurationObjectParameters
    Result = GetSpecificConfigurationObjectResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        return {**parameters, "value": meter.association.get(_descriptor(parameters))}


def _descriptor(parameters: ParameterValues) -> AttributeDescriptor:
    return AttributeDescriptor(
        parameters["class_id"], obis.parse(parameters["obis_code"]), parameters["attribute"]
    )
