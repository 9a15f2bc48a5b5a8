"""GetSpecificConfigurationObject: read any one attribute."""

from typing import Annotated, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField, ObisCodeField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, is_secret


class GetSpecificConfigurationObjectParameters(TypedDict):
    """Where the attribute is."""

    class_id: Annotated[int, IntegerField(min_value=0, max_value=65535)]
    obis_code: Annotated[str, ObisCodeField()]
    attribute: Annotated[
        int,
        IntegerField(min_value=-128, max_value=127),
        "Negative numbers are the manufacturer's own, 0 is all of them.",
    ]


class GetSpecificConfigurationObjectResult(TypedDict):
    """The attribute and its value."""

    class_id: int
    obis_code: Annotated[str, ObisCodeField()]
    attribute: int
    value: Annotated[Data, "The value with its DLMS type."]


@register
class GetSpecificConfigurationObject(
    MeterOperation[GetSpecificConfigurationObjectParameters, GetSpecificConfigurationObjectResult]
):
    """Read one attribute of any object, whether or not the meter's profile knows it.

    The answer has the DLMS type of the value. What the meter refuses ends with fault 412, which names the
    access result. The rows of a profile's buffer come all at once, as far as a reply of 4 MiB holds them. The
    secrets of associations and of PPP and SMTP setups are not read.
    """

    message = "GetSpecificConfigurationObject"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})

    def check_parameters(self, parameters: GetSpecificConfigurationObjectParameters) -> None:
        """Refuse what may not be shown. Raises ValidationError."""
        if is_secret(_make_descriptor(parameters)):
            raise ValidationError({"attribute": ["Holds a secret, which is not read."]})

    def perform(
        self, meter: VisitedMeter, parameters: GetSpecificConfigurationObjectParameters
    ) -> GetSpecificConfigurationObjectResult:
        return {**parameters, "value": meter.association.get(_make_descriptor(parameters))}


def _make_descriptor(parameters: GetSpecificConfigurationObjectParameters) -> AttributeDescriptor:
    return AttributeDescriptor(
        parameters["class_id"], obis.parse(parameters["obis_code"]), parameters["attribute"]
    )
