"""What a visit notices of its meter, beside what its requests observe: from the fault that ended it, and from
the invocation counter.
"""

from django.conf import settings

from osgp.devices.invocation_counters import END
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import InvocationCounter
from osgp.protocol_dlms.association import REJECTED_PERMANENT
from osgp.protocol_dlms.errors import (
    AssociationRejected,
    AuthenticationError,
    AuthenticationRequired,
    InvocationCounterLowered,
    InvocationCounterNotTrusted,
    UnableToDecipher,
)
from osgp.protocol_dlms.steps import Step
from osgp.requests.work import WorkMeter
from osgp.system_notes import kinds
from osgp.system_notes.observations import Noticed, Observation
from osgp.visits.counter import ReservedCounter

REPLACE_KEYS = "AddDevice with overwrite replaces them"
REFUSALS = 3
"""Failures in a row after which a meter that refuses associations without a reason means it."""


def judge_fault(meter: WorkMeter, fault: Fault) -> Observation | None:
    """Return what an operator has to do something about; None if the fault may pass or is the request's."""
    details = {"code": int(fault.code), "name": fault.code.name}
    if isinstance(fault, InvocationCounterLowered):
        return Observation(
            kinds.INVOCATION_COUNTER_OUT_OF_STEP,
            Noticed(
                "The meter turns the platform down, and its invocation counter is lower than the platform's.",
                "If it is another meter than the registered one, register it with its keys (AddDevice with "
                "overwrite); otherwise it needs a new encryption key.",
                details,
            ),
        )
    if isinstance(fault, InvocationCounterNotTrusted):
        return Observation(
            kinds.INVOCATION_COUNTER_OUT_OF_STEP,
            Noticed(
                "The meter claims an invocation counter that could not be verified.",
                "If the meter is right, send SetInvocationCounter with what it claims; the fault of the "
                "visit has the value.",
                details,
            ),
        )
    if _is_refusal(meter, fault):
        return Observation(
            kinds.ASSOCIATION_REFUSED,
            Noticed(
                f"No association can be opened: {fault.message}.",
                f"Check the security and the keys that the meter is registered with ({REPLACE_KEYS}), and "
                "whether its address leads to another meter.",
                details,
            ),
            judged_by={
                "security": meter.security,
                "network_address": meter.network_address,
                "port": meter.port,
                "logical_device_address": meter.logical_device_address,
            },
        )
    if fault.code == FaultCode.KEY_NOT_PRESENT:
        to_do = "Register the meter's keys (AddDevice with overwrite), or correct its security."
    elif fault.code == FaultCode.READING_KEY_EXCEPTION and not fault.retryable:
        to_do = f"Check the key-encryption keys of the workers. If the meter's keys are lost, {REPLACE_KEYS}."
    else:
        return None
    return Observation(
        kinds.KEY_UNAVAILABLE,
        Noticed(f"The meter cannot be dialled: {fault.message}", to_do, details),
        judged_by={"security": meter.security},
    )


def _is_refusal(meter: WorkMeter, fault: Fault) -> bool:
    if isinstance(fault, AuthenticationError | AuthenticationRequired):
        # Amidst a change of keys the next visit knows more.
        return not fault.retryable
    if isinstance(fault, UnableToDecipher) and fault.step in (Step.ASSOCIATION, Step.AUTHENTICATION):
        return not fault.retryable
    is_final = isinstance(fault, AssociationRejected) and fault.result == REJECTED_PERMANENT
    return is_final and meter.failed_connections + 1 >= REFUSALS


def judge_counter(counter: InvocationCounter | None) -> Observation | None:
    """Return what to notice of the counter of the encryption key in use; None while it is low enough.

    The text does not say the value: others may use the same key, and what they do is their own business.
    """
    threshold: int = settings.OSGP["INVOCATION_COUNTER_THRESHOLD"]
    if not isinstance(counter, ReservedCounter) or counter.unused < threshold:
        return None
    return Observation(
        kinds.INVOCATION_COUNTER_THRESHOLD_REACHED,
        Noticed(
            f"The invocation counter of the encryption key has reached {threshold:,}. It ends at "
            f"{END - 1:,}, and the meter cannot be reached after that.",
            "Send GenerateAndReplaceKeys: the counter of a new key begins anew.",
            {"threshold": threshold},
        ),
    )
