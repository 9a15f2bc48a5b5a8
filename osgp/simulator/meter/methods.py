"""The methods of COSEM objects: one handler per class and method, found by decorator.

Those that replace keys are in :mod:`.key_methods`. The reply to the challenge of a high level association
is not here either: it belongs to the association that is being opened.
"""

from collections.abc import Callable

from ..codec.axdr import DataType, decode
from ..codec.results import ActionResult
from .control import FACTORY_MODE, disconnect_remotely, reconnect_remotely
from .event_names import BREAKER_CLOSED, BREAKER_OPENED
from .query import Handler, Invocation, Outcome
from .tariffs import activate

HANDLERS: dict[tuple[str, str], Handler] = {}
"""By the names of class and method."""

SUCCESS: Outcome = (ActionResult.SUCCESS, None)
TYPE_UNMATCHED: Outcome = (ActionResult.TYPE_UNMATCHED, None)


def method(class_name: str, method_name: str) -> Callable[[Handler], Handler]:
    """The decorated function carries out a method."""

    def register(handler: Handler) -> Handler:
        HANDLERS[class_name, method_name] = handler
        return handler

    return register


def _switch(call: Invocation, allowed: Callable[[int, int], int | None], event: str) -> Outcome:
    """Both methods of disconnect control take integer(0), and do what the control mode allows."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return TYPE_UNMATCHED
    meter = call.meter
    control_mode = call.entry.descriptors.get("control_mode")
    chosen = meter.override(control_mode) if control_mode is not None else None
    mode = decode(chosen).value if chosen is not None else FACTORY_MODE
    state = allowed(mode, meter.memory.control_state)
    if state is None:
        return ActionResult.READ_WRITE_DENIED, None
    now = meter.settings.clock()
    if state != meter.memory.control_state:
        meter.record_event(now, event)
    meter.switch(state, now)
    return SUCCESS


@method("disconnect_control", "remote_disconnect")
def remote_disconnect(call: Invocation) -> Outcome:
    """Disconnect control: switch the customer off."""
    return _switch(call, disconnect_remotely, BREAKER_OPENED)


@method("disconnect_control", "remote_reconnect")
def remote_reconnect(call: Invocation) -> Outcome:
    """Disconnect control: switch the customer on, or let the customer do it."""
    return _switch(call, reconnect_remotely, BREAKER_CLOSED)


@method("activity_calendar", "activate_passive_calendar")
def activate_passive_calendar(call: Invocation) -> Outcome:
    """Activity calendar: what was prepared as passive becomes active."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return TYPE_UNMATCHED
    activate(call.meter, call.meter.settings.clock())
    return SUCCESS


@method("mbus_client", "reset_alarm")
def reset_alarm(call: Invocation) -> Outcome:
    """M-Bus client: the alarm of the device is acknowledged."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return TYPE_UNMATCHED
    now = call.meter.settings.clock()
    call.meter.make_record().latch(f"MBUS_ALARM_{call.entry.channel}", now, 0)
    return SUCCESS


@method("mbus_client", "slave_deinstall")
def slave_deinstall(call: Invocation) -> Outcome:
    """M-Bus client: the device on the channel is no longer known."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return TYPE_UNMATCHED
    call.meter.install(call.entry.channel or 0, None, call.meter.settings.clock())
    return SUCCESS
