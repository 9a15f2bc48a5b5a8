"""Connections beyond the association of a visit: for messages that find out how a meter takes them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from osgp import catalogue
from osgp.catalogue.communication import Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.connections import Tried, UnreachedMeter
from osgp.messages.operation import MeterOperation
from osgp.messages.registry import find_operation
from osgp.processes.stopping import StopRequested
from osgp.protocol_dlms import AccessResult, Data, Deadlines, Meter, MeterAddress, errors
from osgp.protocol_dlms.reaching import reach, shorten
from osgp.protocol_dlms.settings import PUBLIC_CLIENT
from osgp.requests.models import ActionState
from osgp.requests.work import WorkAction, WorkMeter
from osgp.visits.calling import Call, KeyPair
from osgp.visits.leases import LeaseLost
from osgp.visits.outcome import ActionOutcome

logger = logging.getLogger(__name__)

LONGEST_ANSWER = 10.0
"""Seconds that an answer may take. What nothing answers would take all the time that there is."""
LONGEST_CALL = 60.0
"""Seconds for all of one connection."""


@dataclass
class TriedConnections:
    """Connections to the meter of a visit, over its line."""

    call: Call
    pair: KeyPair

    @property
    def address(self) -> MeterAddress:
        """Where the meter is dialled."""
        return self.call.address

    @property
    def deadlines(self) -> Deadlines:
        """Those of the visit."""
        return self.call.deadlines

    def connect(self, *, deadline: float | None = None) -> Tried:
        """Connect, and hang up."""
        deadlines = replace(self._deadlines, connect=deadline or self._deadlines.connect)
        return self._try(lambda: self._reach(self.address, deadlines, opens_link=False))

    def open_link(self, address: MeterAddress) -> Tried:
        """Open an HDLC data link with that address, and close it."""
        return self._try(lambda: self._reach(address, self._deadlines, opens_link=True))

    def call_publicly(
        self,
        attributes: Sequence[AttributeDescriptor] = (),
        *,
        not_before: float | None = None,
        address: MeterAddress | None = None,
    ) -> Tried:
        """Associate as the public client, without keys, and read."""
        answers: list[Data | AccessResult | errors.DlmsError] = []

        def read() -> None:
            with Meter.connect(
                address or self.address,
                security=Security.NONE,
                client_address=PUBLIC_CLIENT,
                deadlines=self._deadlines,
                limits=self.call.limits,
                trace=self.call.trace,
                line=self.call.line,
            ) as meter:
                answers.extend(meter.get_each(attributes))

        return self._try(read, not_before)._replace(answers=answers)

    def call_as(self, client_address: int) -> Tried:
        """Associate with the keys of the device from another client address, and release."""
        meter = self.call.meter
        settings = replace(meter.settings, client_address=client_address)
        if self.pair.counter is not None and self.pair.counter.first is None:
            return Tried(errors.InvalidSettings("the invocation counter is not known"), 0.0)
        call = replace(self.call, meter=replace(meter, settings=settings), deadlines=self._deadlines)
        return self._try(lambda: call.associate(self.pair).release())

    @property
    def _deadlines(self) -> Deadlines:
        deadlines = shorten(self.call.deadlines, apdu=LONGEST_ANSWER)
        return replace(deadlines, session=min(deadlines.session, LONGEST_CALL))

    def _reach(self, address: MeterAddress, deadlines: Deadlines, *, opens_link: bool) -> None:
        reach(address, deadlines, self.call.limits, self.call.line, opens_link=opens_link)

    def _try(self, call: Callable[[], None], not_before: float | None = None) -> Tried:
        """Make a connection, after the pause of the meter unless told otherwise."""
        pause, line = self.call.pause, self.call.line
        if not_before is not None:
            pause = replace(pause, ends_at=not_before)
        pause.wait(line)
        line.check()
        begun = time.monotonic()
        fault: errors.DlmsError | None = None
        try:
            call()
        except errors.DlmsError as error:
            line.check()
            fault = error
        finally:
            self.call.pause.begin()
        return Tried(fault, time.monotonic() - begun)


def find_reasons(
    meter: WorkMeter, connections: TriedConnections, requests: Sequence[Sequence[WorkAction]], fault: Fault
) -> list[ActionOutcome]:
    """Have the messages that probe find out why no association could be opened; return their outcomes.

    Raises what ends the visit. An error of the platform is logged: it must not hide why the visit failed.
    """
    outcomes = []
    for actions in requests:
        operation = find_operation(actions[0].message)
        if isinstance(operation, MeterOperation) and operation.probes:
            outcomes.append(_find_reason(operation, actions[0], meter, connections, fault))
    return [outcome for outcome in outcomes if outcome is not None]


def _find_reason(
    operation: MeterOperation,
    action: WorkAction,
    meter: WorkMeter,
    connections: TriedConnections,
    fault: Fault,
) -> ActionOutcome | None:
    unreached = UnreachedMeter(
        meter.identification,
        catalogue.find_profile(meter.protocol_name, meter.protocol_version),
        Security(meter.security),
        meter.settings,
        connections,
        fault,
    )
    try:
        interrupted = operation.find_reason(unreached, operation.parse(action.parameters))
        found = operation.represent_result(interrupted.result)
    except (LeaseLost, StopRequested):
        raise
    except Fault as error:
        connections.call.line.check()
        return ActionOutcome(action, ActionState.FAULT, fault=error)
    except Exception:
        connections.call.line.check()
        logger.exception("%s of %s failed", action.message, action.request.correlation_uid)
        return None
    return ActionOutcome(action, ActionState.FAULT, fault=interrupted.fault, partial_result=found)
