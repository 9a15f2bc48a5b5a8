"""One visit to one meter: every due action for it, in priority order, over one held association."""

import logging
import random
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from osgp import catalogue
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.message_logs.recording import Recording, recorded, recording
from osgp.protocol_dlms import Meter
from osgp.protocol_dlms.errors import DlmsError
from osgp.readings import storing
from osgp.requests import retries, states, work
from osgp.requests.concluding import conclude
from osgp.requests.database import lanes
from osgp.requests.dialling import Dialling
from osgp.requests.leases import Lease, LeaseLost, keeper
from osgp.requests.meter import VisitedMeter
from osgp.requests.models import ActionState, Request, RequestState
from osgp.requests.operation import ConcludedOperation, MeterOperation
from osgp.requests.outcome import Outcome
from osgp.requests.preparing import prepare
from osgp.requests.registry import operation
from osgp.requests.stopping import StopRequested, stop
from osgp.requests.work import WorkAction, WorkDevice, WorkMeter, WorkRequest

logger = logging.getLogger(__name__)

OUTCOME_UNKNOWN = Fault(
    FaultCode.UNABLE_TO_PROCESS_REQUEST,
    "The connection was lost while this was being carried out, and nobody can tell whether it took effect. "
    "It was not repeated.",
    component=Component.CORE,
)
OTHER_SUSPECTS_FIRST = timedelta(seconds=4)
"""How long a request waits, about, while another one that may kill the process is carried out."""
TIME_FOR_BEGINNING = 0.8
"""The part of VISIT_DEADLINE in which further actions are begun: the rest is for the last one to end in."""
DEVICE_FIELDS = frozenset(item.name for item in fields(WorkDevice))


class OutOfTime(Exception):
    """The visit has lasted long enough; what it has not begun is left to the next one."""


def visit_meter(session_id: uuid.UUID, token: uuid.UUID, worker: str, priority: int = 0) -> bool:
    """Claim a session and do the meter's due work. False: the hint was late, doubled or forged.

    ``priority`` is that of the hint, 0 to 9.
    """
    begun = lanes.begin(priority, _begin, session_id, token, worker)
    if begun is None:
        return False
    try:
        with keeper.keep(session_id) as lease:
            Visit(session_id, begun.meter, lease).run(begun)
    except LeaseLost:
        logger.warning("session %s: the lease was lost", session_id)
    finally:
        if begun.suspect:
            _suspect.release()
    return True


_suspect = threading.Lock()
"""Held by the visit with a request that may be what kills workers: one at a time in a process.

When it dies once more, only one of those that were there every time is to blame, and the others go free.
"""


@dataclass(frozen=True)
class Begun:
    """A claimed session with its first work; ``fault`` when the meter cannot even be dialled."""

    meter: WorkMeter
    requests: list[list[WorkAction]]
    dialling: Dialling | None
    fault: Fault | None
    suspect: bool
    """Whether it holds ``_suspect``."""


def _begin(session_id: uuid.UUID, token: uuid.UUID, worker: str) -> Begun | None:
    """Claim, take what is due and prepare to dial: all that needs the database before the meter does."""
    claimed = states.claim_and_take(session_id, token, worker, settings.OSGP["VISIT_REQUEST_LIMIT"])
    if claimed is None:
        return None
    meter_id, requests = claimed
    if requests:
        return _prepare(meter_id, requests)
    if not _suspect.acquire(blocking=False):
        states.postpone_suspects(meter_id, OTHER_SUSPECTS_FIRST * random.uniform(0.5, 1.5))
        states.close(session_id)
        return None
    try:
        requests = _take(session_id, meter_id, suspects=True)
        if requests:
            return _prepare(meter_id, requests, suspect=True)
    except BaseException:
        _suspect.release()
        raise
    _suspect.release()
    states.close(session_id)
    return None


def _prepare(meter_id: int, requests: list[list[WorkAction]], *, suspect: bool = False) -> Begun:
    prepared = prepare(meter_id)
    try:
        return Begun(prepared.meter, requests, Dialling.of(prepared), None, suspect)
    except Fault as fault:
        return Begun(prepared.meter, requests, None, fault, suspect)


def _take(session_id: uuid.UUID, meter_id: int, *, suspects: bool = False) -> list[list[WorkAction]]:
    limit = settings.OSGP["VISIT_REQUEST_LIMIT"]
    if not states.take_requests(session_id, meter_id, limit, suspects=suspects):
        return []
    return work.unfinished(session_id)


@dataclass
class Visit:
    """The work of one claimed session."""

    session_id: uuid.UUID
    meter: WorkMeter
    lease: Lease
    fault: Fault | None = None
    cut_short: bool = False
    """Whether the visit was to end before all was done."""
    statistics: dict[str, int] = field(default_factory=dict)
    device_changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What actions changed about devices, for the actions after them."""
    recording: Recording | None = None
    """Of its messages, while somebody debugs."""
    performed: int = 0
    """Actions; each visit has at least one, so that even the slowest meter gets on."""
    begins_until: float = field(
        default_factory=lambda: (
            time.monotonic() + settings.OSGP["VISIT_DEADLINE"].total_seconds() * TIME_FOR_BEGINNING
        )
    )

    def run(self, begun: Begun) -> None:
        """Dial once, and go on until nothing is due or the meter is lost."""
        try:
            if begun.dialling is None:
                assert begun.fault is not None
                raise begun.fault
            self.recording = recording(self.session_id, self.meter, begun.requests)
            self._hold(begun.dialling, begun.requests)
        except LeaseLost:
            raise
        except (StopRequested, OutOfTime):
            self.cut_short = True
        except Fault as fault:
            self.fault = fault
        except Exception:
            logger.exception("session %s: visit to %s failed", self.session_id, self.meter.identification)
            self.fault = _unexpected("The visit to the meter")
        finally:
            if self.recording is not None:
                self.recording.store()
        lanes.run(self._end)

    def _hold(self, dialling: Dialling, requests: list[list[WorkAction]]) -> None:
        self.lease.check()
        stop.check()
        with dialling.association(self.recording.trace if self.recording else None) as association:
            try:
                while requests:
                    for actions in requests[:-1]:
                        lanes.run(self._settle, self._carry_out(association, actions))
                    last = self._carry_out(association, requests[-1])
                    requests = lanes.run(self._settle_and_take, last)
                association.release()
            except (StopRequested, OutOfTime):
                with suppress(DlmsError):
                    association.release()
                raise
            finally:
                statistics = association.statistics
                self.statistics = {
                    "round_trips": statistics.round_trips,
                    "bytes_sent": statistics.bytes_sent,
                    "bytes_received": statistics.bytes_received,
                }

    def _carry_out(self, association: Meter, actions: list[WorkAction]) -> Outcome:
        """Perform the actions of a request in their order. A fault that ends the association goes up.

        Outcomes are stored as they are known, that of the last one together with the request's own: it is
        returned.
        """
        outcome: Outcome | None = None
        for action in actions:
            if outcome is not None:
                lanes.run(outcome.store)
            self.lease.check()
            stop.check()
            if self.performed and self._is_out_of_time():
                raise OutOfTime
            with recorded(self.recording, action):
                outcome = self._perform(association, action)
            self.performed += 1
        assert outcome is not None
        return outcome

    def _perform(self, association: Meter, action: WorkAction) -> Outcome:
        task = operation(action.message)
        assert isinstance(task, MeterOperation)
        if action.state == ActionState.STARTED:
            # A former attempt ended between sending it and learning the answer.
            return Outcome(action, ActionState.UNKNOWN, fault=OUTCOME_UNKNOWN)
        try:
            device = self._device(action)
            parameters = task.parse(action.parameters)
            if not task.repeatable:
                self._start(action)
            result = task.perform(visited_meter(device, association), parameters)
            if isinstance(task, ConcludedOperation):
                result = lanes.run(conclude, task, action, parameters, result)
            changes = task.device_changes(parameters, result)
            stored = task.stored_result(result)
            kept = storing.kept(device, task.readings(parameters, result))
            self.device_changes.setdefault(device.pk, {}).update(changes)
            return Outcome(action, ActionState.DONE, result=stored, device_changes=changes, readings=kept)
        except LeaseLost:
            raise
        except Fault as fault:
            if isinstance(fault, DlmsError) and not association.is_open:
                raise
            return self._failed(action, fault)
        except Exception:
            logger.exception("%s of %s failed", action.message, action.request.correlation_uid)
            return self._failed(action, _unexpected(action.message))

    def _device(self, action: WorkAction) -> WorkDevice:
        """The action's device as it is by now. Raises Fault 221 when this is not the way to it any more."""
        device = action.device
        if self.meter.pk not in {device.pk, device.gateway_id}:
            raise Fault(
                FaultCode.GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE,
                f"{device.identification} is not on a channel of {self.meter.identification} any more.",
            )
        changes = self.device_changes.get(device.pk, {})
        known = {name: value for name, value in changes.items() if name in DEVICE_FIELDS}
        return replace(device, **known) if known else device

    def _is_out_of_time(self) -> bool:
        return time.monotonic() >= self.begins_until

    def _start(self, action: WorkAction) -> None:
        if not lanes.run(states.start_action, action.pk, action.request.session_id):
            raise LeaseLost
        action.state = ActionState.STARTED
        self.lease.check()

    @staticmethod
    def _failed(action: WorkAction, fault: Fault) -> Outcome:
        """A fault that may pass does not say that nothing happened: what must not be repeated is not."""
        if action.state == ActionState.STARTED and fault.retryable:
            return Outcome(action, ActionState.UNKNOWN, fault=OUTCOME_UNKNOWN)
        return Outcome(action, ActionState.FAULT, fault=fault)

    # --- In a database lane --------------------------------------------------------------------------

    def _settle_and_take(self, last: Outcome) -> list[list[WorkAction]]:
        more = self._settle(last)
        if not more or self._is_out_of_time():
            return []
        return _take(self.session_id, self.meter.pk)

    def _settle(self, last: Outcome) -> bool:
        """Store the last outcome of a request, and with it what becomes of the request.

        False: no other request of the meter is due.
        """
        if not last.is_plain or last.action.request.is_bundle:
            self._finish_or_retry(last)
            return True
        with transaction.atomic() if last.readings else nullcontext():
            action = last.action
            succeeded = states.succeed(
                action.request.pk, action.pk, self.session_id, self.meter.pk, last.result or {}
            )
            if succeeded is None:
                raise LeaseLost
            last.store_readings()
            return succeeded.more

    @transaction.atomic
    def _finish_or_retry(self, last: Outcome) -> None:
        """Store the last outcome, and finish the request or plan its next attempt.

        A bundle has succeeded when every action has an outcome of its own, whatever that is. Faults that may
        pass are tried again as long as there are attempts, those of former visits as well.
        """
        last.store()
        request = last.action.request
        fault = last.fault.as_dict() if last.fault else None
        if request.is_bundle:
            fault = work.passing_fault(request.pk)
        if fault is not None and _retry(request, self.session_id, fault):
            states.reopen_actions(request.pk, self.session_id)
            return
        failed = fault is not None and not request.is_bundle
        states.finish_request(
            request.pk,
            self.session_id,
            RequestState.FAILED if failed else RequestState.SUCCEEDED,
            fault=fault if failed else None,
        )
        if request.is_bundle or operation(last.action.message).secret_fields():
            states.forget_secrets([request.pk])

    def _end(self) -> None:
        """Close the session. After a fault, what was taken is retried or fails with it."""
        if self.cut_short:
            states.hand_back(self.session_id)
        elif self.fault is None:
            states.close_after_success(self.session_id, **self.statistics)
            return
        else:
            running = Request.objects.filter(session=self.session_id, state=RequestState.RUNNING)
            for request in running:
                if not _retry(request, self.session_id, self.fault.as_dict()):
                    states.fail_request(request.pk, self.session_id, self.fault.as_dict())
                elif request.is_bundle:
                    states.reopen_actions(request.pk, self.session_id)
            Device.objects.filter(pk=self.meter.pk).update(
                last_failure_at=Now(), failed_connections=F("failed_connections") + 1
            )
        fault = self.fault.as_dict() if self.fault else None
        states.close(self.session_id, fault=fault, **self.statistics)


def visited_meter(device: WorkDevice, association: Meter) -> VisitedMeter:
    """What operations see of a device over its own, or its gateway's, association."""
    return VisitedMeter(
        identification=device.identification,
        profile=catalogue.profile(device.protocol_name, device.protocol_version),
        association=association,
        time_zone=ZoneInfo(device.time_zone),
        channel=device.channel,
        polyphase=device.polyphase,
        selective_access=device.selective_access,
        model=device.model,
        communication_method=device.communication_method,
    )


def _retry(request: Request | WorkRequest, session_id: uuid.UUID, fault: Mapping[str, Any]) -> bool:
    """Plan another attempt; False when there is none, or the session was lost."""
    delay = retries.next_delay(request, retryable=fault["retryable"])
    if delay is None:
        return False
    priority = retries.lowered(request.effective_priority)
    return states.retry_request(request.pk, session_id, delay, fault=fault, priority=priority)


def _unexpected(what: str) -> Fault:
    """An error in the platform itself: the log has the details, the caller a stable code."""
    return Fault(
        FaultCode.UNABLE_TO_PROCESS_REQUEST,
        f"{what} could not be processed because of an internal error.",
        component=Component.CORE,
        retryable=True,
    )
