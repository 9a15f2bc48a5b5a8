"""GetSpecificConfigurationObject: read any one attribute."""

from typing import Annotated, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField, ObisCodeField
from osgp.messages.value_sizes import estimate_json_size
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, is_secret

LARGEST_VALUE = 4 * 1024 * 1024
"""Octets of JSON, about. It is not even made of a larger one."""


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
    access result. The rows of a profile's buffer come all at once, up to a reply of 4 MiB, other values up to
    1 MiB; a value that has more than 4 MiB as JSON ends with fault 414. Of a string of more than 131072
    octets, bits or characters the first ones are shown, with its `length`. The secrets of associations and of
    PPP and SMTP setups are not read.
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
        value = meter.association.get(_make_descriptor(parameters))
        if estimate_json_size(value, LARGEST_VALUE) > LARGEST_VALUE:
            raise Fault(
                FaultCode.UNABLE_TO_PROCESS_REQUEST,
                f"The value has more than {LARGEST_VALUE} octets as JSON. The rows of a buffer can be read "
                "in parts, by the message that is for them.",
                component=Component.PROTOCOL_DLMS,
            )
        return {**parameters, "value": value}


def _make_descriptor(parameters: GetSpecificConfigurationObjectParameters) -> AttributeDescriptor:
    return AttributeDescriptor(
        parameters["class_id"], obis.parse(parameters["obis_code"]), parameters["attribute"]
    )
