"""The methods of COSEM objects: one handler per class and method id, found by decorator.

The reply to the challenge of a high level association (class 15, method 1) is not here: it belongs to the
association that is being opened.
"""

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import Data, DataType, decode
from ..codec.ciphering import KEY_OCTETS
from ..codec.results import ActionResult
from . import event_codes, shapes
from .control import FACTORY_MODE, remotely_disconnected, remotely_reconnected
from .identity import KeyName
from .query import LogicalDevice, ObjectEntry


class Invocation(NamedTuple):
    """One method call: the meter, the object and the decoded parameter."""

    meter: LogicalDevice
    entry: ObjectEntry
    parameter: Data | None


Outcome = tuple[ActionResult, bytes | None]
Handler = Callable[[Invocation], Outcome]

_HANDLERS: dict[tuple[int, int], Handler] = {}

_CONTROL_MODE = 4

_SUCCESS: Outcome = (ActionResult.SUCCESS, None)
_TYPE_UNMATCHED: Outcome = (ActionResult.TYPE_UNMATCHED, None)


def method(class_id: int, method_id: int) -> Callable[[Handler], Handler]:
    """The decorated function carries out a method."""

    def register(handler: Handler) -> Handler:
        _HANDLERS[class_id, method_id] = handler
        return handler

    return register


def handler_of(class_id: int, method_id: int) -> Handler | None:
    """The handler of a method; None when the simulator does not carry it out."""
    return _HANDLERS.get((class_id, method_id))


def _switch(call: Invocation, allowed: Callable[[int, int], int | None]) -> Outcome:
    """Both methods of disconnect control take integer(0), and do what the control mode allows."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return _TYPE_UNMATCHED
    meter = call.meter
    chosen = meter.override(AttributeDescriptor(70, call.entry.logical_name, _CONTROL_MODE))
    mode = decode(chosen).value if chosen is not None else FACTORY_MODE
    state = allowed(mode, meter.memory.control_state)
    if state is None:
        return ActionResult.READ_WRITE_DENIED, None
    meter.switch(state, meter.settings.clock())
    return _SUCCESS


@method(70, 1)
def remote_disconnect(call: Invocation) -> Outcome:
    """Disconnect control: switch the customer off."""
    return _switch(call, remotely_disconnected)


@method(70, 2)
def remote_reconnect(call: Invocation) -> Outcome:
    """Disconnect control: switch the customer on, or let the customer do it."""
    return _switch(call, remotely_reconnected)


@method(20, 1)
def activate_passive_calendar(call: Invocation) -> Outcome:
    """Activity calendar: what was prepared as passive becomes active."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return _TYPE_UNMATCHED
    memory = call.meter.memory
    overrides = memory.overrides or {}
    for passive in range(6, 10):
        prepared = overrides.get(AttributeDescriptor(20, call.entry.logical_name, passive))
        if prepared is not None:
            overrides[AttributeDescriptor(20, call.entry.logical_name, passive - 4)] = prepared
    call.meter.record_event(call.meter.settings.clock(), event_codes.TARIFF_ACTIVATED)
    return _SUCCESS


@method(72, 4)
def reset_alarm(call: Invocation) -> Outcome:
    """M-Bus client: the alarm of the device is acknowledged."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return _TYPE_UNMATCHED
    now = call.meter.settings.clock()
    call.meter.make_record().latch(f"MBUS_ALARM_{call.entry.channel}", now, 0)
    return _SUCCESS


@method(72, 2)
def slave_deinstall(call: Invocation) -> Outcome:
    """M-Bus client: the device on the channel is no longer known."""
    if call.parameter is None or call.parameter.type is not DataType.INTEGER:
        return _TYPE_UNMATCHED
    call.meter.install(call.entry.channel or 0, None, call.meter.settings.clock())
    return _SUCCESS


_TRANSFERRED_KEYS = shapes.array(shapes.structure(shapes.ENUM, shapes.OCTET_STRING), maximum=4)
_KEY_IDS = {0: KeyName.ENCRYPTION, 2: KeyName.AUTHENTICATION}


@method(64, 2)
def transfer_keys(call: Invocation) -> Outcome:
    """Security setup: new global keys, each wrapped (RFC 3394) with the master key. All of them or none.

    The answer still goes out under the old keys; after it the association goes on under the new ones.
    """
    if call.parameter is None or not _TRANSFERRED_KEYS.fits(call.parameter):
        return _TYPE_UNMATCHED
    master = call.meter.key(KeyName.MASTER)
    keys: dict[KeyName, bytes] = {}
    for item in call.parameter.value:
        key_id, wrapped = (part.value for part in item.value)
        try:
            key = aes_key_unwrap(master, wrapped)
        except (InvalidUnwrap, ValueError):
            return ActionResult.OTHER_REASON, None
        if key_id not in _KEY_IDS or len(key) != KEY_OCTETS:
            return ActionResult.OTHER_REASON, None
        keys[_KEY_IDS[key_id]] = key
    for name, key in keys.items():
        call.meter.replace_key(name, key)
    return _SUCCESS
