"""Operations for tests of what every operation shares; registered for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation, Operation, PlatformOperation, Sender, Service
from osgp.messages.serializers import IntegerField
from osgp.messages.shapes import NoResult

if TYPE_CHECKING:
    from osgp.messages.visited_meter import VisitedMeter


SampleParameters = TypedDict(
    "SampleParameters",
    {"size": Annotated[int, IntegerField(min_value=1, max_value=10)], "from": NotRequired[datetime]},
)


class SampleMeter(MeterOperation[SampleParameters, NoResult]):
    """Needs SMR 4.3 or later and a parameter."""

    message = "SampleMeter"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = ("CDMA_DIAGNOSTIC",)

    def perform(self, meter: "VisitedMeter", parameters: SampleParameters) -> NoResult:
        return {}


class SamplePlatform(PlatformOperation[SampleParameters, NoResult]):
    """Refuses devices that exist."""

    message = "SamplePlatform"
    service = Service.INSTALLATION

    def check(self, sender: Sender, device: Device | None, parameters: SampleParameters) -> None:
        if device is not None:
            raise Fault(FaultCode.EXISTING_DEVICE, f"{device.identification} exists.")

    def perform(
        self, sender: Sender, device_identification: str, parameters: SampleParameters
    ) -> tuple[Device | None, NoResult]:
        return None, {}


@contextmanager
def registered(*operation_classes: type[Operation[Any, Any]]) -> Iterator[None]:
    """Make operations known for the time being."""
    for operation_class in operation_classes:
        registry.register(operation_class)
    try:
        yield
    finally:
        for operation_class in operation_classes:
            del registry._operations[operation_class.message]
