"""One visit to one meter: carry out all its due actions by priority, over one association."""

import logging
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings

from osgp import platform_time
from osgp.faults import Fault, FaultCode
from osgp.message_logs.recording import Recording, attributing, start_recording
from osgp.messages.connections import Connections
from osgp.messages.knowledge import Knowledge
from osgp.messages.operation import (
    ConcludedOperation,
    Interrupted,
    MeterOperation,
    OutcomeUnknown,
    ParameterValues,
)
from osgp.messages.registry import find_operation
from osgp.messages.visited_meter import VisitedMeter
from osgp.processes.stopping import StopRequested, stop
from osgp.protocol_dlms import InvocationCounter, Meter
from osgp.protocol_dlms.errors import DlmsError
from osgp.readings import storing
from osgp.requests import states, work
from osgp.requests.models import ActionState
from osgp.requests.work import WorkAction, WorkDevice, WorkMeter, WorkRequest
from osgp.visits.beginning import StartedVisit, reserving, start_visit, take_more_urgent, take_requests
from osgp.visits.concluding import conclude
from osgp.visits.dialling import Dialling
from osgp.visits.ending import VisitEnd
from osgp.visits.fault_outcomes import make_fault_outcome, make_internal_fault
from osgp.visits.leases import Lease, LeaseLost, keeper
from osgp.visits.outages import NotStored, PatientLanes
from osgp.visits.outcome import ActionOutcome
from osgp.visits.pace import Pace, SlotGivenBack, is_slow
from osgp.visits.partial_results import PartialResult, join_earlier, make_partial_result
from osgp.visits.probing import find_reasons
from osgp.visits.result_limits import ResultRoom
from osgp.visits.settling import settle
from osgp.visits.uncertainty import is_uncertain, put_started_first, read_back
from osgp.visits.unsolicited import collecting
from osgp.visits.visited_meters import make_visited_meter

logger = logging.getLogger(__name__)

TIME_FOR_BEGINNING = 0.8
"""The part of VISIT_DEADLINE in which a visit starts further actions; the rest is for the last one to end."""
DEVICE_FIELDS = frozenset(item.name for item in fields(WorkDevice))


class OutOfTime(Exception):
    """The visit has lasted long enough; it leaves the other actions to the next one."""


def visit_meter(session_id: uuid.UUID, token: uuid.UUID, worker: str, priority: int = 0) -> bool:
    """Claim a meter session and carry out the due actions of its meter.

    ``priority`` is that of the hint, 0 to 9. Return False if the hint was late, doubled or forged.
    """
    with reserving(session_id) as is_alone:
        return is_alone and _visit(Lease(session_id), token, worker, priority)


def _visit(lease: Lease, token: uuid.UUID, worker: str, priority: int) -> bool:
    try:
        begun = start_visit(lease, token, worker, priority)
        if begun is None:
            return False
        try:
            address = None if begun.dialling is None else begun.dialling.address
            # What was collected is kept when the lease is not extended any more: once its session is closed,
            # an extension would find that lost.
            with collecting(lease, begun.meter, address), keeper.keep(lease):
                Visit(lease, begun.meter, begun.requests[0][0].request).run(begun)
        finally:
            begun.end()
    except LeaseLost:
        logger.warning("visit %s: the lease was lost", lease.session_id)
    except NotStored:
        logger.warning("visit %s: its meter session could not be closed, and runs out", lease.session_id)
    return True


@dataclass
class Visit:
    """A visit under a lease. ``fault``: what ended it, if anything did."""

    lease: Lease
    meter: WorkMeter
    last: WorkRequest
    """The request that is being carried out, or was last; at first the one to begin with."""
    database: PatientLanes = field(init=False)
    room: ResultRoom = field(init=False)
    fault: Fault | None = None
    cut_short: bool = False
    """Whether it hands back the requests that it has not finished."""
    is_associated: bool = False
    """Whether an association was opened."""
    counter: InvocationCounter | None = None
    """The invocation counter of the association, once it is over."""
    connections: Connections | None = None
    """Those beside the association, for messages that probe."""
    knowledge: Knowledge = field(default_factory=Knowledge)
    """What was learned of the meter, from when it is dialled."""
    device_changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Changes of devices by actions of this visit, for the actions after them."""
    recording: Recording | None = None
    """Recording of its APDUs, if a device is debugged."""
    begun_at: datetime = field(default_factory=lambda: platform_time.now())
    began: float = field(default_factory=time.monotonic)
    performed: int = 0
    """Number of actions. Each visit performs at least one, so that even the slowest meter gets on."""
    begins_until: float = field(
        default_factory=lambda: (
            time.monotonic() + settings.OSGP["VISIT_DEADLINE"].total_seconds() * TIME_FOR_BEGINNING
        )
    )
    may_have_taken: bool = False
    """Whether requests may run in the meter session that the visit does not know of."""

    def __post_init__(self) -> None:
        self.database = PatientLanes(self.lease)
        self.room = ResultRoom(self.database)

    @property
    def session_id(self) -> uuid.UUID:
        """The id of the meter session."""
        return self.lease.session_id

    def run(self, begun: StartedVisit) -> None:
        """Dial once, and carry out actions until nothing is due or the connection is lost."""
        try:
            if begun.dialling is None:
                assert begun.fault is not None
                raise begun.fault
            if not self.meter.is_slow:
                self.lease.line.pace = Pace(keeper.are_slots_in_use)
            self.recording = start_recording(self.session_id, self.meter, begun.requests)
            self._hold(begun.dialling, put_started_first(begun.requests))
        except LeaseLost:
            raise
        except (StopRequested, OutOfTime):
            self.cut_short = True
        except Fault as fault:
            self.lease.check()
            self.fault = fault
            # After an outage of ours, the meter may have hung up because it heard nothing for too long.
            self.cut_short = isinstance(fault, SlotGivenBack) or (
                isinstance(fault, DlmsError) and self.database.was_away
            )
            is_call = isinstance(fault, DlmsError) and fault.step is not None and not self.is_associated
            if is_call and begun.dialling is not None and not self.cut_short:
                self._find_reasons(begun.dialling, begun.requests, fault)
        except Exception:
            logger.exception("visit %s to %s failed", self.session_id, self.meter.identification)
            self.fault = make_internal_fault("The visit to the meter")
        finally:
            if self.recording is not None:
                self.recording.store()
        self.database.run(self._end)

    def _hold(self, dialling: Dialling, requests: list[list[WorkAction]]) -> None:
        self.lease.check()
        stop.check()
        self.knowledge = dialling.knowledge
        ways = self.lease.line, self.database.run, self.recording.trace if self.recording else None
        with dialling.associating(*ways) as association:
            self.is_associated = True
            self.connections = dialling.trying(*ways)
            try:
                while requests:
                    actions, *rest = requests
                    last = self._carry_out(association, actions)
                    if last.fault is not None and _is_lost(association, last.fault):
                        self.database.run(self._settle, last)
                        raise last.fault
                    if not association.is_open:
                        # A message that probes has released it.
                        self.database.run(self._settle, last)
                        if rest:
                            raise OutOfTime
                        break
                    requests = self.database.run(self._settle_and_take, last, rest)
                association.release()
            except (StopRequested, OutOfTime):
                with suppress(DlmsError):
                    association.release()
                raise
            finally:
                self.counter = association.settings.counter

    def _find_reasons(self, dialling: Dialling, requests: list[list[WorkAction]], fault: Fault) -> None:
        """Have messages that probe find out why there is no association, which is their outcome."""
        trace = self.recording.trace if self.recording else None
        with suppress(StopRequested):
            connections = dialling.trying(self.lease.line, self.database.run, trace)
            for outcome in find_reasons(self.meter, connections, requests, fault):
                self.database.run(self._settle, outcome)

    def _carry_out(self, association: Meter, actions: list[WorkAction]) -> ActionOutcome:
        """Perform the actions of a request in their order. Raises faults that end the association.

        Store each outcome at once, but return the last one: it is stored together with that of the request.
        """
        outcome: ActionOutcome | None = None
        self.last = actions[0].request
        for action in actions:
            if outcome is not None:
                self.database.run(self._store, outcome)
                if outcome.fault is not None and _is_lost(association, outcome.fault):
                    raise outcome.fault
            self.lease.check()
            stop.check()
            if self.performed and self._is_out_of_time():
                raise OutOfTime
            with attributing(self.recording, action):
                outcome = self._perform(association, action)
            self.performed += 1
        assert outcome is not None
        return outcome

    def _perform(self, association: Meter, action: WorkAction) -> ActionOutcome:
        """Carry out an action; return its outcome. Raises faults that end the association, and may pass."""
        operation = find_operation(action.message)
        assert isinstance(operation, MeterOperation)
        came: PartialResult | None = None
        try:
            device = self._find_device(action)
            parameters = operation.parse(action.parameters)
            meter = make_visited_meter(
                action,
                device,
                association,
                self.begun_at,
                self.database,
                self.meter.settings,
                self.knowledge,
            )
            if action.has_partial_result:
                action.partial_result = self.database.run(work.load_partial_result, action.pk)
                meter = replace(meter, earlier=action.partial_result)
            if operation.probes:
                meter = replace(meter, connections=self.connections)
            # The device may have got another profile since the request was accepted.
            operation.check_profile(meter.profile, parameters)
            try:
                result = self._ask(operation, action, meter, parameters)
            except Interrupted as interrupted:
                came = make_partial_result(operation, action, device, parameters, interrupted)
                raise interrupted.fault from interrupted
            # After we have hung up, its result does not come from the meter.
            self.lease.check()
            if isinstance(operation, ConcludedOperation):
                result = self.database.run(conclude, operation, action, parameters, result)
            changes = operation.list_device_changes(parameters, result)
            stored = join_earlier(operation, action, operation.represent_result(result))
            readings = storing.prepare(device, operation.list_readings(parameters, result))
            self.device_changes.setdefault(device.pk, {}).update(changes)
            outcome = ActionOutcome(
                action,
                ActionState.DONE,
                result=stored,
                device_changes=changes,
                readings=readings,
                observations=meter.observations,
            )
            return self.room.fit(outcome)
        except LeaseLost:
            raise
        except Fault as fault:
            self.lease.check()
            if _is_lost(association, fault) and (
                fault.retryable or action.state == ActionState.STARTED or operation.goes_on
            ):
                if came is not None:
                    self.database.run(came.store)
                raise
            return self.room.fit(make_fault_outcome(action, fault, came))
        except Exception:
            self.lease.check()
            logger.exception("%s of %s failed", action.message, action.request.correlation_uid)
            return make_fault_outcome(action, make_internal_fault(action.message), came)

    def _ask(
        self, operation: MeterOperation, action: WorkAction, meter: VisitedMeter, parameters: ParameterValues
    ) -> Any:
        """Return what the operation says, or what the meter says of an attempt whose outcome is not known."""
        if action.state == ActionState.STARTED:
            return read_back(operation, meter, parameters)
        if operation.marks_start:
            meter = replace(meter, mark_started=partial(self._start, action))
        elif not operation.repeatable:
            self._start(action)
        try:
            return operation.perform(meter, parameters)
        except (LeaseLost, OutcomeUnknown):
            raise
        except Fault as fault:
            is_asked = action.state == ActionState.STARTED and meter.association.is_open
            if not (is_asked and is_uncertain(fault)):
                raise
            self.lease.check()
            return read_back(operation, meter, parameters, fault)

    def _find_device(self, action: WorkAction) -> WorkDevice:
        """Return the device with the changes of this visit. Raises Fault 221 if it left this gateway."""
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
        if not self.database.run(self._mark_started, action):
            raise LeaseLost
        action.state = ActionState.STARTED
        self.lease.check()

    # --- In a database lane; called again if the answer was lost --------------------------------------

    def _mark_started(self, action: WorkAction) -> bool:
        return states.start_action(action.pk, self.session_id) or states.is_started(
            action.pk, self.session_id
        )

    def _store(self, outcome: ActionOutcome) -> None:
        """Store an outcome that is not the last one of its request."""
        try:
            outcome.store()
        except LeaseLost:
            if not states.has_outcome(outcome.action.pk, self.session_id):
                raise

    def _settle_and_take(self, last: ActionOutcome, rest: list[list[WorkAction]]) -> list[list[WorkAction]]:
        """Settle the request, and return the next ones: new urgent ones first, then the rest."""
        more = self._settle(last)
        # First what a call took whose answer was lost: it may be a suspect, which is taken alone.
        if self.may_have_taken and (taken := work.list_unfinished(self.session_id)):
            self.may_have_taken = False
            return taken
        if not more or self._is_out_of_time():
            return rest
        self.may_have_taken = True
        if rest:
            next_priority = rest[0][0].request.effective_priority
            taken = take_more_urgent(self.session_id, self.meter.pk, next_priority) or rest
        else:
            taken = take_requests(self.session_id, self.meter.pk)
        self.may_have_taken = False
        return taken

    def _settle(self, last: ActionOutcome) -> bool:
        """Store the last outcome of a request, and finish or retry the request.

        Return False if no other request of the meter is due.
        """
        try:
            return settle(last, self.meter)
        except LeaseLost:
            if not states.is_settled(last.action.request.pk, self.session_id):
                raise
            return True

    def _end(self) -> None:
        """Close the meter session, and store what became of its requests."""
        VisitEnd(
            session_id=self.session_id,
            meter=self.meter,
            traffic=self.lease.line.traffic,
            fault=self.fault,
            cut_short=self.cut_short,
            was_away=self.database.was_away,
            is_associated=self.is_associated,
            counter=self.counter,
            last=self.last,
            recording=self.recording,
            # What the meter answers after an outage of ours says nothing of its pace.
            is_slow=is_slow(self.lease.line.traffic, time.monotonic() - self.began)
            and not self.database.was_away,
        ).store()


def _is_lost(association: Meter, fault: Fault) -> bool:
    """Whether a fault has ended the association."""
    return isinstance(fault, DlmsError) and not association.is_open
