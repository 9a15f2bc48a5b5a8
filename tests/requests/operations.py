"""Operations for tests of what every operation shares; registered for the time of a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.catalogue import Profile
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation, Operation, ParameterValues, PlatformOperation, Service
from osgp.messages.serializers import DateTimeField, IntegerField, StrictSerializer

if TYPE_CHECKING:
    from osgp.messages.visited_meter import VisitedMeter


class ProbeParameters(StrictSerializer):
    size = IntegerField(min_value=1, max_value=10)
    from_ = DateTimeField(required=False)


class ProbeMeter(MeterOperation):
    """Needs SMR 5 or later and a parameter."""

    message = "ProbeMeter"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Parameters = ProbeParameters

    def supports(self, profile: Profile) -> bool:
        return profile.protocol_name == "SMR"

    def perform(self, meter: "VisitedMeter", parameters: ParameterValues) -> Mapping[str, Any]:
        return {}


class ProbePlatform(PlatformOperation):
    """Refuses devices that exist."""

    message = "ProbePlatform"
    service = Service.INSTALLATION
    Parameters = ProbeParameters

    def check(self, organisation: Organisation, device: Device | None, parameters: ParameterValues) -> None:
        if device is not None:
            raise Fault(FaultCode.EXISTING_DEVICE, f"{device.identification} exists.")

    def perform(
        self, organisation: Organisation, device_identification: str, parameters: ParameterValues
    ) -> tuple[Device | None, Mapping[str, Any]]:
        return None, {}


@contextmanager
def registered(*operation_classes: type[Operation]) -> Iterator[None]:
    """Make operations known for the time being."""
    for operation_class in operation_classes:
        registry.register(operation_class)
    try:
        yield
    finally:
        for operation_class in operation_classes:
            del registry._operations[operation_class.message]
