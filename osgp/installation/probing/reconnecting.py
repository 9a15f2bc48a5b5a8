"""Connections after the association: how soon a meter takes the next one, and which of its invocation
counters is that of the key in use."""

import math
import time
from collections.abc import Sequence

from osgp.catalogue import obis
from osgp.catalogue.communication import Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.installation.probing.probe import Probe
from osgp.messages.connections import Connections, Tried
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, errors

PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds after a connection was closed, of which the first is found that the meter accepts."""
PRECISION = 0.5
NOT_ANSWERED = (errors.ConnectionError_, errors.ResponseTimeout, errors.CommunicationTimeout)
"""Errors of a connection that the meter has not taken, or not answered."""
DATA_CLASS, VALUE = 1, 2
USUAL_COUNTERS = tuple(bytes((0, 0, 43, 1, number, 255)) for number in range(4))
"""Of the global unicast keys of clients (Blue Book 6.2, invocation counter objects)."""
MOST_COUNTERS = 8


def try_connections(probe: Probe) -> None:
    """Release the association, and find out how soon the meter takes the public client."""
    meter = probe.meter
    connections = meter.connections
    if connections is None:
        return
    was_open = meter.association.is_open
    meter.association.release()
    counters = _list_counters(probe)
    tried, pause = find_pause(connections, [_address(name) for name in counters])
    after = "the association was released" if was_open else "the connection was lost"
    settings = meter.settings
    if pause is None:
        last = "" if tried.fault is None else f": {tried.fault.message}"
        seen = f"No connection of the public client was answered up to {PAUSES[-1]:g} s after {after}{last}."
        probe.findings.add("pause_between_connections", seen)
        return
    seen = f"The first connection that was answered came {pause:g} s after {after}."
    # Once without a pause does not prove that a pause that is set is not needed.
    needed = max(pause, settings.pause_between_connections)
    probe.findings.add("pause_between_connections", seen, pause, proposed=needed)
    if meter.association.settings.security is Security.HLS5 and tried.fault is None:
        _judge_counters(probe, counters, tried)


def find_pause(
    connections: Connections, attributes: Sequence[AttributeDescriptor] = ()
) -> tuple[Tried, float | None]:
    """Try the public client later and later; return the last try, and how many seconds were enough.

    They count from now, when the last connection was closed that the meter had taken: a meter may count from
    there, or anew from each that it has not taken.
    """
    begun = time.monotonic()
    tried = Tried(None, 0.0)
    for pause in PAUSES:
        tried = connections.call_publicly(attributes, not_before=begun + pause)
        if not isinstance(tried.fault, NOT_ANSWERED):
            waited = time.monotonic() - begun - tried.seconds
            return tried, pause if waited < pause + PRECISION else float(math.ceil(waited))
    return tried, None


def find_current(meter: VisitedMeter) -> bytes | None:
    """The object that is read as the invocation counter; None: none is."""
    if meter.settings.counter_object is not None:
        return obis.parse(meter.settings.counter_object)
    source = meter.profile.invocation_counter
    return None if source is None else meter.profile[source.tag].get_logical_name()


def _list_counters(probe: Probe) -> list[bytes]:
    current = find_current(probe.meter)
    names = [*([current] if current else ()), *probe.counter_objects, *USUAL_COUNTERS]
    return list(dict.fromkeys(names))[:MOST_COUNTERS]


def _address(logical_name: bytes) -> AttributeDescriptor:
    return AttributeDescriptor(DATA_CLASS, logical_name, VALUE)


def _judge_counters(probe: Probe, counters: Sequence[bytes], tried: Tried) -> None:
    """Compare what the public client reads with the values that the association has used.

    The texts have no values: others may use the same key, and what they do is no business of the caller.
    """
    meter = probe.meter
    used = meter.association.statistics.invocation_counters
    if not used:
        return
    # Meters tell the last value that they took, or the next one.
    right = range(min(used) - 1, max(used) + 2)
    told = dict(zip(counters, tried.answers, strict=False))
    fitting = [
        name
        for name, answer in told.items()
        if isinstance(answer, Data) and type(answer.value) is int and answer.value in right
    ]
    readable = [obis.to_text(name) for name, answer in told.items() if isinstance(answer, Data)]
    current = find_current(meter)
    seen = f"The public client can read {', '.join(readable) or 'no invocation counter'}."
    if current in fitting:
        assert current is not None
        text = f"{seen} {obis.to_text(current)} is in line with the values that were used."
        probe.findings.add("counter_object", text, obis.to_text(current))
    elif len(fitting) == 1:
        text = obis.to_text(fitting[0])
        seen = f"{seen} Only {text} is in line with the values that were used."
        probe.findings.add("counter_object", seen, text, proposed=text)
    else:
        number = "None" if not fitting else "More than one"
        probe.findings.add("counter_object", f"{seen} {number} of them is in line with the values used.")
