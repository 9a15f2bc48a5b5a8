"""Actions of which the meter has not told, or not in a way that can be trusted, whether they took effect."""

from collections.abc import Mapping
from typing import Any

from osgp.faults import Fault
from osgp.messages.operation import MeterOperation, OutcomeUnknown, ParameterValues
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import ActionResult
from osgp.protocol_dlms.errors import AccessError, DlmsError
from osgp.requests.models import ActionState
from osgp.requests.work import WorkAction

MAY_HAVE_TAKEN_EFFECT = "It may have taken effect all the same."


def may_have_taken_effect(fault: Fault) -> bool:
    """Whether the meter may have done what it was told to, although this is all that is known."""
    return bool(getattr(fault, "may_have_taken_effect", False))


def is_uncertain(fault: Fault) -> bool:
    """Whether an action that must not be repeated, and ended with this fault, may have taken effect.

    It has not if the meter declined something for good, or to invoke a method for now. Faults that last and
    are none of the association are what the message itself found out.
    """
    if may_have_taken_effect(fault):
        return True
    if isinstance(fault, AccessError):
        # An access result may also be that of what is read after a method was invoked.
        return fault.retryable and fault.result is not ActionResult.TEMPORARY_FAILURE
    return fault.retryable or isinstance(fault, DlmsError | OutcomeUnknown)


def read_back(
    operation: MeterOperation, meter: VisitedMeter, parameters: ParameterValues, cause: Fault | None = None
) -> Any:
    """Ask the meter what came of an action that was sent and is not repeated; ``cause``: what kept it from
    telling, if that was in this visit.

    Raises OutcomeUnknown also if the meter refuses to tell, and errors that end the association.
    """
    try:
        return operation.find_outcome(meter, parameters)
    except (AccessError, OutcomeUnknown) as refusal:
        raise make_unknown(cause) from refusal


def make_unknown(cause: Fault | None) -> OutcomeUnknown:
    """Return the fault of an action whose outcome remains unknown, with what it met."""
    return OutcomeUnknown() if cause is None else OutcomeUnknown(cause.message)


def tell(fault: Fault | None) -> Mapping[str, Any] | None:
    """Return a fault as it is stored with its action: it says so if the action may have taken effect."""
    if fault is None:
        return None
    told = fault.as_dict()
    if may_have_taken_effect(fault):
        told["message"] = f"{fault.message.rstrip('.')}. {MAY_HAVE_TAKEN_EFFECT}"
    return told


def put_started_first(requests: list[list[WorkAction]]) -> list[list[WorkAction]]:
    """Ask for unknown outcomes first: what is carried out before could change what the meter says."""
    return sorted(requests, key=lambda actions: actions[0].state != ActionState.STARTED)
