"""The end of a visit: its meter session is closed, and what became of meter and requests is stored."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.message_logs import failed_calls
from osgp.message_logs.recording import Recording
from osgp.protocol_dlms import InvocationCounter, Step, Traffic
from osgp.protocol_dlms.errors import DlmsError
from osgp.requests import states
from osgp.requests.concerned import list_one
from osgp.requests.work import WorkMeter, WorkRequest
from osgp.system_notes.keeping import keep_if_possible, resolve_reached
from osgp.visits import addressing, shared_fault
from osgp.visits.noticing import judge_counter, judge_fault


@dataclass(frozen=True)
class VisitEnd:
    """How a visit ended. ``fault``: what ended it, if anything did.

    ``cut_short``: it hands back the requests that it has not finished. ``was_away``: the database was, so
    there may be requests that were taken without the visit's knowledge. ``counter`` is the invocation counter
    of the association, None if there was none; ``last`` the request that was carried out last.
    """

    session_id: uuid.UUID
    meter: WorkMeter
    traffic: Traffic
    fault: Fault | None
    cut_short: bool
    was_away: bool
    is_associated: bool
    counter: InvocationCounter | None
    last: WorkRequest
    recording: Recording | None
    is_slow: bool
    """Whether the visit took long for what came of it."""

    def store(self) -> None:
        """Close the meter session. After a fault, retry or fail the requests that still run in it.

        Lock the meter session first, as the reaper does, to avoid deadlocks. If it is closed already, the
        rest is done, too. One statement after most visits.
        """
        noticed = judge_counter(self.counter)
        is_success = self.fault is None and not self.cut_short
        was_unreachable = self.meter.failed_connections > 0
        recovered = self.meter.is_slow and not self.is_slow
        if is_success and not (self.was_away or noticed or was_unreachable or recovered):
            states.close_after_success(self.session_id, **asdict(self.traffic), is_slow=self.is_slow)
            return
        with transaction.atomic():
            if not self._close(is_success=is_success):
                return
            if self.fault is not None and not self.cut_short:
                self._fail(self.fault)
            elif self.cut_short or self.was_away:
                states.hand_back(self.session_id)
                if self.is_slow:
                    Device.objects.filter(pk=self.meter.pk).update(is_slow=True)
            if recovered and is_success:
                states.leave_slow_lane(self.meter.pk)
            if is_success and was_unreachable:
                resolve_reached(self.meter.pk, self.last.message)
            if noticed is not None:
                keep_if_possible(self.meter.pk, noticed, self.last.correlation_uid, self.last.message)

    def _close(self, *, is_success: bool) -> bool:
        traffic = asdict(self.traffic)
        if is_success:
            return states.close_after_success(self.session_id, **traffic, is_slow=self.is_slow)
        fault = None if self.fault is None else {**self.fault.as_dict(), "step": self._find_step(self.fault)}
        return states.close(self.session_id, fault=fault, **traffic)

    def _find_step(self, fault: Fault) -> Step:
        if isinstance(fault, DlmsError) and fault.step is not None:
            return fault.step
        return Step.EXCHANGE if self.is_associated else Step.PREPARATION

    def _fail(self, fault: Fault) -> None:
        told: Mapping[str, Any] = fault.as_dict()
        # What lasts was the outcome of the action that met it (Visit._perform). The others lost their meter.
        shared = {**told, "retryable": True} if self.is_associated else told
        concerned = shared_fault.retry_or_fail(self.session_id, shared, self.meter.settings.attempts)
        if self.is_associated and self.last.pk not in {request.pk for request in concerned}:
            concerned += list_one(self.last.pk)
        states.note_failure(self.meter.pk, is_slow=self.is_slow)
        addressing.drop(self.meter)
        if (observation := judge_fault(self.meter, fault)) is not None:
            keep_if_possible(self.meter.pk, observation, self.last.correlation_uid, self.last.message)
        failed_calls.store(
            failed_calls.FailedCall(
                self.session_id, self.meter, self._find_step(fault), told, self.traffic, concerned
            ),
            number=1 if self.recording is None else self.recording.count + 1,
        )
