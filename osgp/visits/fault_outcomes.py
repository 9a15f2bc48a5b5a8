"""Faults as outcomes of actions."""

from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import OutcomeUnknown
from osgp.requests.models import ActionState
from osgp.requests.work import WorkAction
from osgp.visits.outcome import ActionOutcome
from osgp.visits.partial_results import PartialResult
from osgp.visits.uncertainty import is_uncertain, make_unknown


def make_fault_outcome(action: WorkAction, fault: Fault, came: PartialResult | None) -> ActionOutcome:
    """Return a fault as an outcome, with what came before; UNKNOWN for a STARTED action that may have
    succeeded.
    """
    state = ActionState.FAULT
    if action.state == ActionState.STARTED and is_uncertain(fault):
        state = ActionState.UNKNOWN
        fault = fault if isinstance(fault, OutcomeUnknown) else make_unknown(fault)
    if came is None:
        return ActionOutcome(action, state, fault=fault)
    return ActionOutcome(action, state, fault=fault, partial_result=came.result, readings=came.readings)


def make_internal_fault(what: str) -> Fault:
    """Return the fault for an error of the platform itself; only the log has the details."""
    return Fault(
        FaultCode.UNABLE_TO_PROCESS_REQUEST,
        f"{what} could not be processed because of an internal error.",
        component=Component.CORE,
        retryable=True,
    )
