"""What came of an action's result before the meter was lost: kept at once, with its readings."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from osgp.messages.operation import ConcludedOperation, Interrupted, MeterOperation, ParameterValues
from osgp.readings import storing
from osgp.requests import states
from osgp.requests.work import WorkAction, WorkDevice
from osgp.visits.leases import LeaseLost
from osgp.visits.result_limits import ResultTooLarge, encode_result

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartialResult:
    """``result`` is that of all attempts, as JSON text; ``readings`` are those that this attempt added.

    A result that would be too large is None: what earlier attempts got of it is kept.
    """

    action: WorkAction
    result: str | None
    readings: storing.PreparedReadings | None

    def store(self) -> None:
        """Store it with the action, which is tried again. Nothing is stored twice.

        Raises LeaseLost if the request is not in our meter session any more.
        """
        action = self.action
        if self.result is None:
            # The next attempt goes on from where an earlier one came to, and gets these readings again.
            return
        session_id = action.request.session_id
        with transaction.atomic():
            if states.keep_partial_result(action.pk, session_id, self.result):
                if self.readings is not None:
                    storing.store(self.readings, action.request.correlation_uid, action.message)
            elif not states.has_partial_result(action.pk, session_id, self.result):
                raise LeaseLost


def make_partial_result(
    operation: MeterOperation,
    action: WorkAction,
    device: WorkDevice,
    parameters: ParameterValues,
    interrupted: Interrupted,
) -> PartialResult | None:
    """Join what came in this attempt with what earlier ones got. None: it cannot be kept.

    An error of the platform here is logged: it must not hide why the attempt ended.
    """
    if isinstance(operation, ConcludedOperation):
        # What its meter answers is not its result yet.
        return None
    result: str | None = None
    try:
        readings = storing.prepare(device, operation.list_readings(parameters, interrupted.result))
        joined = join_earlier(operation, action, operation.represent_result(interrupted.result))
        with suppress(ResultTooLarge):
            result = encode_result(joined)
    except Exception:
        logger.exception("part of %s of %s is lost", action.message, action.request.correlation_uid)
        return None
    return PartialResult(action, result, readings)


def join_earlier(
    operation: MeterOperation, action: WorkAction, result: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a result, as JSON, together with what earlier attempts of the action got of it."""
    if action.partial_result is None:
        return result
    return operation.join(action.partial_result, result)
