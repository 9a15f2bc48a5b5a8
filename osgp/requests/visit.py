"""One visit to one meter: every due action for it, in priority order, over one held association."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms import Meter
from osgp.protocol_dlms.errors import DlmsError
from osgp.requests import retries, states
from osgp.requests.database import database, give_back_connection
from osgp.requests.dialling import Dialling
from osgp.requests.leases import Lease, LeaseLost, keeper
from osgp.requests.meter import VisitedMeter
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.operation import MeterOperation
from osgp.requests.registry import operation

logger = logging.getLogger(__name__)

OUTCOME_UNKNOWN = Fault(
    FaultCode.UNABLE_TO_PROCESS_REQUEST,
    "The connection was lost while this was being carried out, and nobody can tell whether it took effect. "
    "It was not repeated.",
    component=Component.CORE,
)


def visit_meter(session_id: uuid.UUID, token: uuid.UUID, worker: str) -> bool:
    """Claim a session and do the meter's due work. False: the hint was late, doubled or forged."""
    if not states.claim(session_id, token, worker):
        return False
    with keeper.keep(session_id) as lease:
        try:
            Visit(session_id, lease).run()
        except LeaseLost:
            logger.warning("session %s: the lease was lost", session_id)
        finally:
            give_back_connection()
    return True


@dataclass
class Visit:
    """The work of one claimed session."""

    session_id: uuid.UUID
    lease: Lease
    fault: Fault | None = None
    statistics: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Take due work, dial once, and go on until nothing is due or the meter is lost."""
        actions = self._take()
        if not actions:
            states.close(self.session_id)
            return
        meter = actions[0].request.meter
        assert meter is not None
        try:
            self._hold(meter, actions)
        except LeaseLost:
            raise
        except Fault as fault:
            self._fail_visit(fault)
        except Exception:
            logger.exception("session %s: visit to %s failed", self.session_id, meter.identification)
            self._fail_visit(_unexpected("The visit to the meter"))
        self._close(meter)

    def _take(self) -> list[Action]:
        return states.take_requests(self.session_id, settings.OSGP["VISIT_REQUEST_LIMIT"])

    def _hold(self, meter: Device, actions: list[Action]) -> None:
        dialling = Dialling.prepare(meter)
        give_back_connection()
        self.lease.check()
        with dialling.association() as association:
            try:
                while actions:
                    for request, its_actions in groupby(actions, key=lambda action: action.request):
                        self._carry_out(association, request, list(its_actions))
                    with database():
                        actions = self._take()
                association.release()
            finally:
                statistics = association.statistics
                self.statistics = {
                    "round_trips": statistics.round_trips,
                    "bytes_sent": statistics.bytes_sent,
                    "bytes_received": statistics.bytes_received,
                }

    def _carry_out(self, association: Meter, request: Request, actions: list[Action]) -> None:
        """Perform a request's actions. A fault that ends the association goes up, its request unfinished."""
        outcomes = []
        for action in actions:
            self.lease.check()
            outcomes.append(self._perform(association, action))
            if len(actions) > 1:
                with database():
                    outcomes[-1].store()
        with database(), transaction.atomic():
            if len(actions) == 1:
                outcomes[0].store()
            self._settle(request, outcomes)

    def _perform(self, association: Meter, action: Action) -> "Outcome":
        task = operation(action.message)
        assert isinstance(task, MeterOperation)
        if action.state == ActionState.STARTED:
            # A former attempt ended between sending it and learning the answer.
            return Outcome(action, ActionState.UNKNOWN, fault=OUTCOME_UNKNOWN)
        try:
            device = action.device or action.request.meter
            assert device is not None
            meter = visited_meter(device, association)
            parameters = task.parse(action.parameters)
            if not task.repeatable:
                with database():
                    if not states.start_action(action):
                        raise LeaseLost
                    action.state = ActionState.STARTED
            result = task.perform(meter, parameters)
            return Outcome(
                action,
                ActionState.DONE,
                result=task.stored_result(result),
                device_changes=task.device_changes(parameters, result),
            )
        except LeaseLost:
            raise
        except Fault as fault:
            if isinstance(fault, DlmsError) and not association.is_open:
                raise
            return self._failed(action, fault)
        except Exception:
            logger.exception("%s of %s failed", action.message, action.request.correlation_uid)
            return self._failed(action, _unexpected(action.message))

    @staticmethod
    def _failed(action: Action, fault: Fault) -> "Outcome":
        """A fault that may pass does not say that nothing happened: what must not be repeated is not."""
        if action.state == ActionState.STARTED and fault.retryable:
            return Outcome(action, ActionState.UNKNOWN, fault=OUTCOME_UNKNOWN)
        return Outcome(action, ActionState.FAULT, fault=fault)

    def _settle(self, request: Request, outcomes: "list[Outcome]") -> None:
        """Finish a request whose actions all have an outcome, or plan its next attempt."""
        again = [outcome for outcome in outcomes if outcome.fault is not None and outcome.fault.retryable]
        if again:
            assert again[0].fault is not None
            delay = retries.next_delay(request, retryable=True, now=timezone.now())
            if delay is not None:
                for outcome in again:
                    outcome.keep_for_retry()
                states.retry_request(
                    request,
                    delay,
                    fault=again[0].fault.as_dict(),
                    priority=retries.lowered(request.effective_priority),
                )
                return
        faults = [outcome.fault for outcome in outcomes if outcome.fault is not None]
        if faults and not request.is_bundle:
            states.finish_request(request, RequestState.FAILED, fault=faults[0].as_dict())
        else:
            states.finish_request(request, RequestState.SUCCEEDED, fault=None)

    def _fail_visit(self, fault: Fault) -> None:
        """The meter was not reached, or was lost: what was taken is retried, or fails with this fault."""
        self.fault = fault
        with database():
            running = list(Request.objects.filter(session=self.session_id, state=RequestState.RUNNING))
            for request in running:
                with transaction.atomic():
                    delay = retries.next_delay(request, retryable=fault.retryable, now=timezone.now())
                    if delay is None:
                        states.fail_request(request, fault.as_dict())
                    else:
                        states.retry_request(
                            request,
                            delay,
                            fault=fault.as_dict(),
                            priority=retries.lowered(request.effective_priority),
                        )

    def _close(self, meter: Device) -> None:
        device = Device.objects.filter(pk=meter.pk)
        with database():
            states.close(
                self.session_id, fault=self.fault.as_dict() if self.fault else None, **self.statistics
            )
            if self.fault is None:
                device.update(last_success_at=Now(), failed_connections=0)
            else:
                device.update(last_failure_at=Now(), failed_connections=F("failed_connections") + 1)


@dataclass
class Outcome:
    """What came of one action."""

    action: Action
    state: ActionState
    result: Mapping[str, Any] | None = None
    fault: Fault | None = None
    device_changes: Mapping[str, Any] = field(default_factory=dict)

    def store(self) -> None:
        """Keep the outcome; raises LeaseLost when somebody else decides by now."""
        fault = self.fault.as_dict() if self.fault else None
        if not states.finish_action(self.action, self.state, result=self.result, fault=fault):
            raise LeaseLost
        if self.device_changes and self.action.device is not None:
            Device.objects.filter(pk=self.action.device.pk).update(**self.device_changes)

    def keep_for_retry(self) -> None:
        """The action has another attempt before it."""
        states.reopen_action(self.action)


def visited_meter(device: Device, association: Meter) -> VisitedMeter:
    """What operations see of a device over its own, or its gateway's, association."""
    return VisitedMeter(
        identification=device.identification,
        profile=device.profile,
        association=association,
        time_zone=ZoneInfo(device.time_zone),
        channel=device.channel,
        polyphase=device.polyphase,
        selective_access=device.selective_access,
        model=device.model,
    )


def _unexpected(what: str) -> Fault:
    """An error in the platform itself: the log has the details, the caller a stable code."""
    return Fault(
        FaultCode.UNABLE_TO_PROCESS_REQUEST,
        f"{what} could not be processed because of an internal error.",
        component=Component.CORE,
        retryable=True,
    )
