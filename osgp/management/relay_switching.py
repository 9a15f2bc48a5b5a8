"""The base of the messages that switch the relay of a meter: nothing of it happens twice or unseen."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, NamedTuple, TypedDict

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.devices.models import RelayStatus
from osgp.faults import Component, Fault, FaultCode
from osgp.management.disconnect_control import TAG, ask_for_switch
from osgp.messages.operation import MeterOperation, OutcomeUnknown, Service
from osgp.messages.partial_reads import ReadField, read_fields
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType


class RelaySwitchingResult(TypedDict):
    """The state of the relay, as the meter tells it. If it is the same before and after, nothing was sent."""

    before: Annotated[
        RelayStatus | None,
        "Null if the answer of the meter was lost, and its state was read afterwards.",
    ]
    after: Annotated[RelayStatus, "Read back. This is the status now stored with the device."]
    control_mode: Annotated[
        int | None, "0 to 6: who may switch, and how (Blue Book, class 70). Null if the meter did not tell."
    ]
    as_of: Annotated[datetime, "When the platform asked for the state after."]


class _Switch(NamedTuple):
    """What a meter said of its disconnect control at one time."""

    output: ReadField
    state: ReadField
    mode: ReadField
    as_of: datetime

    @classmethod
    def read(cls, meter: VisitedMeter) -> "_Switch":
        """Read it all in as few round trips as possible. Raises errors that end the association."""
        as_of = platform_time.now()
        output, state, mode = read_fields(meter, ask_for_switch(meter))
        return cls(output, state, mode, as_of)

    def describe(self) -> str:
        """The state in words: without the output if that fits, or is not known."""
        state = str(self.state.value)
        if self.contradicts_itself:
            return f"{state}, although its output has {'power' if self.output.value else 'no power'}"
        return state

    @property
    def contradicts_itself(self) -> bool:
        """Whether the output, as far as it is known, does not fit the control state."""
        is_connected = self.state.value == RelayStatus.CONNECTED
        return self.output.fault is None and self.output.value is not is_connected


class RelaySwitching(MeterOperation[NoParameters, RelaySwitchingResult]):
    """A message that invokes a method of the disconnect control once, at most."""

    service = Service.MANAGEMENT
    granted_to: ClassVar = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.RELAY})
    needs = (TAG,)
    repeatable = False
    marks_start = True

    method: ClassVar[str]
    """Of the disconnect control."""
    noun: ClassVar[str]
    """What the message does, as faults call it."""

    @abstractmethod
    def is_wanted(self, mode: int | None, state: RelayStatus) -> bool | None:
        """Return whether this state is the one that is wanted; None if only the mode could tell."""

    @abstractmethod
    def find_next_state(self, mode: int, state: RelayStatus) -> RelayStatus | None:
        """Return the state that the method leads to from this state, None if the mode does not allow it."""

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> RelaySwitchingResult:
        """Look whether it is allowed and of any use, switch, and look again.

        Raises Fault 407, before anything is sent, if the control mode does not allow it.
        """
        before = _Switch.read(meter)
        for field in (before.state, before.mode):
            if field.fault:
                raise field.fault
        state, mode = before.state.value, before.mode.value
        if before.contradicts_itself:
            raise _make_fault(
                FaultCode.ILLEGAL_RESPONSE,
                f"The relay is {before.describe()}. Nothing was sent.",
            )
        if self.is_wanted(mode, state):
            return {"before": state, "after": state, "control_mode": mode, "as_of": before.as_of}
        expected = self.find_next_state(mode, state)
        if expected is None:
            raise _make_fault(
                FaultCode.UNSUPPORTED_DEVICE_ACTION,
                f"The relay is {state}, and control mode {mode} allows no remote {self.noun} from there. "
                "Nothing was sent.",
            )
        meter.mark_started()
        meter.action(TAG, self.method, Data(DataType.INTEGER, 0))
        after = _Switch.read(meter)
        if after.state.fault:
            raise OutcomeUnknown from after.state.fault
        if after.state.value != expected or after.contradicts_itself:
            raise _make_fault(
                FaultCode.ILLEGAL_RESPONSE,
                f"The meter accepted the {self.noun}, but its relay is {after.describe()} afterwards "
                f"instead of {expected} (control mode {mode}).",
            )
        return {"before": state, "after": expected, "control_mode": mode, "as_of": after.as_of}

    def find_outcome(self, meter: VisitedMeter, parameters: NoParameters) -> RelaySwitchingResult:
        """Whether the relay is as wanted, by whatever it became so."""
        now = _Switch.read(meter)
        if now.state.fault:
            raise OutcomeUnknown from now.state.fault
        state, mode = now.state.value, now.mode.value
        is_wanted = self.is_wanted(mode, state)
        if is_wanted is None:
            raise OutcomeUnknown
        if not is_wanted or now.contradicts_itself:
            raise _make_fault(
                FaultCode.UNABLE_TO_PROCESS_REQUEST,
                f"The answer to the {self.noun} was lost or could not be trusted. The relay is "
                f"{now.describe()} now. The {self.noun} was not repeated.",
            )
        return {"before": None, "after": state, "control_mode": mode, "as_of": now.as_of}

    def list_device_changes(
        self, parameters: NoParameters, result: RelaySwitchingResult
    ) -> Mapping[str, Any]:
        return {"relay_status": result["after"], "relay_status_as_of": result["as_of"]}


def _make_fault(code: FaultCode, message: str) -> Fault:
    return Fault(code, message, component=Component.PROTOCOL_DLMS)
