"""Messages that do to a meter, and tell a test, what real ones seldom do."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NotRequired, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter


class ProbeParameters(TypedDict):
    """What a test may give a probe."""

    name: NotRequired[str]
    size: NotRequired[Annotated[int, IntegerField(min_value=1, max_value=10)]]


class ProbeResult(TypedDict):
    """Which probe it was."""

    name: str


class Probe(MeterOperation[ProbeParameters, ProbeResult]):
    """Reads the clock; ``hooks`` by name are called before that and may raise or break the meter."""

    message = "Probe"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})

    performed: ClassVar[list[str]] = []
    hooks: ClassVar[dict[str, Callable[[], Any]]] = {}

    def perform(self, meter: VisitedMeter, parameters: ProbeParameters) -> ProbeResult:
        name = parameters.get("name", "")
        self.performed.append(name)
        if name in self.hooks:
            self.hooks[name]()
        meter.get("CLOCK", "time")
        return {"name": name}


class ProbeOnce(Probe):
    """The same, not to be repeated blindly."""

    message = "ProbeOnce"
    repeatable = False


class ProbeNewMeters(Probe):
    """The same, for SMR 5.5 meters only."""

    message = "ProbeNewMeters"
    needs = ("LAST_GASP_TEST",)


class ProbeAlone(Probe):
    """The same, not to be bundled."""

    message = "ProbeAlone"
    bundleable = False


ALL = (Probe, ProbeOnce, ProbeNewMeters, ProbeAlone)


def passing() -> None:
    """A fault that another attempt may make good."""
    raise Fault(
        FaultCode.ILLEGAL_RESPONSE, "It made no sense.", component=Component.PROTOCOL_DLMS, retryable=True
    )


def lasting() -> None:
    """A fault that no attempt makes good."""
    raise Fault(FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE, "Refused.", component=Component.PROTOCOL_DLMS)


def times(count: int, act: Callable[[], Any]) -> Callable[[], None]:
    """A hook that acts the first ``count`` times."""
    left = [None] * count

    def hook() -> None:
        if left:
            left.pop()
            act()

    return hook
