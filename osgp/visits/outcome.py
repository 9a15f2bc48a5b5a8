"""The outcome of one action, stored together with its readings and with what it says of the device."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.registry import find_operation
from osgp.readings import storing
from osgp.requests import states
from osgp.requests.models import ActionState
from osgp.requests.work import WorkAction
from osgp.system_notes.keeping import keep
from osgp.system_notes.observations import Observation
from osgp.visits.leases import LeaseLost
from osgp.visits.uncertainty import tell


@dataclass
class ActionOutcome:
    """The outcome of one action: a result or a fault, with which part of a result may have come.

    Both are JSON texts once their sizes are checked (osgp/visits/result_limits.py).
    """

    action: WorkAction
    state: ActionState
    result: Mapping[str, Any] | str | None = None
    fault: Fault | None = None
    partial_result: Mapping[str, Any] | str | None = None
    device_changes: Mapping[str, Any] = field(default_factory=dict)
    readings: storing.PreparedReadings | None = None
    observations: Sequence[Observation] = ()

    @property
    def is_plain(self) -> bool:
        """Whether there is only a result to store."""
        return (
            self.state == ActionState.DONE
            and not self.device_changes
            and not self.observations
            and not find_operation(self.action.message).secret_fields
        )

    def store(self) -> None:
        """Store the outcome. Raises LeaseLost if the request is not in our meter session any more."""
        session_id = self.action.request.session_id
        is_more = self.readings or self.device_changes or self.observations
        with transaction.atomic() if is_more else nullcontext():
            if not states.finish_action(
                self.action.pk,
                session_id,
                self.state,
                result=self.result,
                fault=tell(self.fault),
                partial_result=self.partial_result,
            ):
                raise LeaseLost
            if self.device_changes:
                Device.objects.filter(pk=self.action.device.pk).update(**self.device_changes)
            if self.observations:
                request = self.action.request
                keep(self.action.device.pk, self.observations, request.correlation_uid, self.action.message)
            self.store_readings()

    def store_readings(self) -> None:
        """Store the readings, if any, in the transaction of the outcome."""
        if self.readings is not None:
            storing.store(self.readings, self.action.request.correlation_uid, self.action.message)
