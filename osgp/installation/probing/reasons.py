"""Why no association could be opened: other addresses and pauses, the harmless first, and few of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from osgp.catalogue import obis
from osgp.catalogue.communication import Carrier, Framing, Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.meter_settings import SETTINGS
from osgp.faults import Fault
from osgp.installation.probing.findings import Findings, describe_current
from osgp.installation.probing.reconnecting import (
    NOT_ANSWERED,
    PAUSES,
    USUAL_COUNTERS,
    find_pause,
)
from osgp.messages.connections import Tried, UnreachedMeter
from osgp.protocol_dlms import Data, MeterAddress, Step, errors
from osgp.protocol_dlms.hdlc_address import check_server_address

LONGEST_CONNECT = 60.0
"""Seconds that a connection may take in a probe."""
MANAGEMENT_LOGICAL_DEVICE = 1
OTHER_CLIENTS = (1, 2, 3)
HDLC_ADDRESSES: tuple[tuple[int | None, int], ...] = ((16, 4), (None, 1), (16, 2), (17, 4), (1, 4), (17, 2))
"""Lower address and octets of addresses that meters have, the most frequent first."""
HUNG_UP = (errors.SocketClosedByRemote, errors.ConnectionReset)
CLIENT_NOT_KNOWN = range(3, 7)
"""Diagnostics of an AARE: calling-AP-title, AP-invocation-identifier, AE-qualifier, AE-invocation-identifier
not recognized (Green Book 9.4.2, acse-service-user)."""
SAP_ASSIGNMENT = AttributeDescriptor(17, bytes((0, 0, 41, 0, 0, 255)), 2)
LOGICAL_DEVICE_NAME = AttributeDescriptor(1, bytes((0, 0, 42, 0, 0, 255)), 2)
MOST_DEVICES = 16
LONGEST_NAME = 40


def find_reasons(meter: UnreachedMeter) -> Findings:
    """Try what may be the reason, depending on how far the call came. Raises only what ends the visit."""
    findings = Findings(describe_current(meter.settings, meter.connections.address))
    fault = meter.fault
    step = fault.step if isinstance(fault, errors.DlmsError) else None
    if isinstance(fault, errors.ConnectionTimedOut) and step is Step.CONNECTION:
        _try_longer(meter, findings)
    elif step is Step.CONNECTION:
        _try_pauses(meter, findings)
    elif step is Step.DATA_LINK:
        _try_links(meter, findings)
    elif step is not None and isinstance(fault, errors.DlmsError):
        _try_public_client(meter, findings)
        if _says_client_is_unknown(fault):
            _try_clients(meter, findings)
    return findings


def make_fault(fault: Fault, findings: Findings) -> Fault:
    """Return the fault that the request ends with: the original, which says that there is more to read.

    It is not tried again: somebody waits for what was found.
    """
    proposals = [each["setting"] for each in findings.list_all() if each["proposed"] is not None]
    text = fault.message.rstrip(".")
    if proposals:
        text += f". The partial result proposes {', '.join(proposals)}"
    elif findings.list_all():
        text += ". The partial result has what was tried"
    return Fault(fault.code, f"{text}.", component=fault.component)


# The connection


def _try_longer(meter: UnreachedMeter, findings: Findings) -> None:
    deadline = meter.connections.deadlines.connect
    if deadline >= LONGEST_CONNECT:
        findings.add("connect_deadline", f"No connection came about within {deadline:g} s.")
        return
    tried = meter.connections.connect(deadline=LONGEST_CONNECT)
    if tried.fault is not None:
        seen = f"No connection came about within {LONGEST_CONNECT:g} s either: {tried.fault.message}."
        findings.add("connect_deadline", seen)
        return
    most = SETTINGS["connect_deadline"].maximum
    assert most is not None
    wanted = min(max(round(2 * tried.seconds), round(2 * deadline)), most)
    findings.add(
        "connect_deadline",
        f"Within {deadline:g} s no connection came about; another one took {tried.seconds:.1f} s.",
        round(tried.seconds, 1),
        proposed=float(wanted),
    )


def _try_pauses(
    meter: UnreachedMeter, findings: Findings, attributes: Sequence[AttributeDescriptor] = ()
) -> Tried:
    """Call the public client, later and later: the meter may not take a connection so soon after another."""
    tried, pause = find_pause(meter.connections, attributes)
    if pause is None:
        told = "" if tried.fault is None else f": {tried.fault.message}"
        seen = f"The public client was not answered up to {PAUSES[-1]:g} s later either{told}."
        findings.add("pause_between_connections", seen)
    else:
        seen = f"The public client was answered {pause:g} s after the connection that failed."
        needed = max(pause, meter.settings.pause_between_connections)
        findings.add("pause_between_connections", seen, pause, proposed=needed)
    return tried


# HDLC


def _try_links(meter: UnreachedMeter, findings: Findings) -> None:
    """Ask with other addresses for a data link, which authenticates nothing."""
    tries: list[str] = []
    connections = meter.connections
    if isinstance(meter.fault, HUNG_UP) and not isinstance(_try_pauses(meter, findings).fault, NOT_ANSWERED):
        return
    for address in list_addresses(connections.address):
        tried = connections.open_link(address)
        tries.append(f"{_name_address(address)}: {_tell(tried, 'UA')}")
        if tried.fault is None:
            seen = f"SNRM to {'; to '.join(tries)}."
            lower, length = address.server_lower_address, address.server_address_length
            findings.add("server_address_length", seen, length, proposed=length)
            if lower is not None:
                findings.add("server_lower_address", seen, lower, proposed=lower)
            return
    findings.add("server_address_length", f"SNRM to {'; to '.join(tries)}.")
    _try_framing(meter, findings)


def _try_framing(meter: UnreachedMeter, findings: Findings) -> None:
    """Try the other framing once: as little as is harmless."""
    connections = meter.connections
    address = replace(connections.address, server_lower_address=None, server_address_length=None)
    if address.framing is Framing.HDLC:
        other = replace(address, framing=Framing.WRAPPER)
        tried = connections.call_publicly(address=other)
    else:
        other = replace(address, framing=Framing.HDLC)
        tried = connections.open_link(other)
    is_right = not isinstance(
        tried.fault, (*NOT_ANSWERED, errors.WrapperHeaderInvalid, errors.InvalidSettings)
    )
    value = other.framing if is_right else None
    findings.add("framing", f"{other.framing}: {_tell(tried, 'answered')}.", value, proposed=value)


def list_addresses(address: MeterAddress) -> Iterator[MeterAddress]:
    """The addresses to try instead of one, all of the same logical device."""
    upper = address.logical_device_address
    for lower, length in HDLC_ADDRESSES:
        if (lower, length) == (address.server_lower_address, address.server_address_length):
            continue
        if lower is None and (address.server_lower_address, address.server_address_length) == (None, None):
            # The shortest address is what was tried.
            continue
        try:
            check_server_address(upper, lower, length)
        except errors.InvalidSettings:
            continue
        yield replace(address, server_lower_address=lower, server_address_length=length)


def _name_address(address: MeterAddress) -> str:
    lower = address.server_lower_address
    parts = f"{address.logical_device_address}" + ("" if lower is None else f"/{lower}")
    octets = address.server_address_length
    return f"{parts} in {octets} octet{'' if octets == 1 else 's'}"


# The public client


def _try_public_client(meter: UnreachedMeter, findings: Findings) -> None:
    """See whether the logical device answers at all, and what it says of itself to anybody."""
    connections = meter.connections
    address = connections.address
    attributes = [SAP_ASSIGNMENT, LOGICAL_DEVICE_NAME]
    reads_counters = meter.security is Security.HLS5
    counters = _list_counters(meter) if reads_counters else []
    attributes += [AttributeDescriptor(1, name, 2) for name in counters]
    if isinstance(meter.fault, HUNG_UP):
        tried = _try_pauses(meter, findings, attributes)
    else:
        tried = connections.call_publicly(attributes)
    seen = f"Logical device {address.logical_device_address}: {_tell(tried, 'it took the public client')}"
    devices = _read_devices(tried)
    if tried.fault is not None and address.logical_device_address != MANAGEMENT_LOGICAL_DEVICE:
        other = replace(address, logical_device_address=MANAGEMENT_LOGICAL_DEVICE)
        tried = connections.call_publicly(attributes, address=other)
        seen += f"; logical device {MANAGEMENT_LOGICAL_DEVICE}: {_tell(tried, 'it took the public client')}"
        devices = _read_devices(tried)
    if devices:
        named = ", ".join(f"{number} ({name})" if name else f"{number}" for number, name in devices)
        seen += f". There are the logical devices {named}"
    in_wrapper = address.carrier is Carrier.TCP and address.framing is Framing.WRAPPER
    if in_wrapper and isinstance(tried.fault, (*NOT_ANSWERED, errors.WrapperHeaderInvalid)):
        # Perhaps it does not understand the frames.
        _try_framing(meter, findings)
    known = [number for number, _ in devices]
    is_listed = address.logical_device_address in known
    value = address.logical_device_address if is_listed else known[0] if len(known) == 1 else None
    findings.add("logical_device_address", f"{seen}.", value, proposed=value)
    if tried.fault is None and reads_counters:
        _tell_counters(meter, findings, counters, tried)


def _list_counters(meter: UnreachedMeter) -> list[bytes]:
    own, source = meter.settings.counter_object, meter.profile.invocation_counter
    current = None
    if own is not None:
        current = obis.parse(own)
    elif source is not None:
        current = meter.profile[source.tag].get_logical_name()
    return list(dict.fromkeys([*([current] if current else ()), *USUAL_COUNTERS]))


def _tell_counters(meter: UnreachedMeter, findings: Findings, counters: list[bytes], tried: Tried) -> None:
    """Which counters the public client may read. Which is the right one shows only in an association."""
    readable = [
        obis.to_text(name)
        for name, answer in zip(counters, tried.answers[2:], strict=False)
        if isinstance(answer, Data) and type(answer.value) is int
    ]
    source, own = meter.profile.invocation_counter, meter.settings.counter_object
    is_read = own is not None or source is not None
    current = obis.to_text(counters[0]) if is_read else None
    proposed = own
    if current not in readable and len(readable) == 1:
        [proposed] = readable
    findings.add(
        "counter_object",
        f"The public client can read {', '.join(readable) or 'no invocation counter'}.",
        readable[0] if len(readable) == 1 else None,
        proposed=proposed,
    )


def _read_devices(tried: Tried) -> list[tuple[int, str]]:
    """The logical devices of the SAP assignment; what cannot be read is left out."""
    if not tried.answers or not isinstance(tried.answers[0], Data):
        return []
    value: Any = tried.answers[0].native
    entries = value if isinstance(value, tuple) else ()
    found = []
    for entry in entries[:MOST_DEVICES]:
        match entry:
            case (int(number), bytes(name)) if 0 < number <= 0xFFFF:
                text = name.decode("ascii", errors="replace")
                found.append(
                    (number, text[:LONGEST_NAME] if text.isprintable() else name.hex()[:LONGEST_NAME])
                )
    return found


# Clients


def _says_client_is_unknown(fault: errors.DlmsError) -> bool:
    """Whether the meter does not know the client; a refused authentication must not be repeated."""
    return (
        isinstance(fault, errors.AssociationRejected)
        and not isinstance(fault, errors.AuthenticationError | errors.AuthenticationRequired)
        and fault.diagnostic in CLIENT_NOT_KNOWN
    )


def _try_clients(meter: UnreachedMeter, findings: Findings) -> None:
    current = meter.settings.client_address
    tries = [f"{current}: {meter.fault.message}"]
    for client in OTHER_CLIENTS:
        if client == current:
            continue
        tried = meter.connections.call_as(client)
        tries.append(f"{client}: {_tell(tried, 'accepted')}")
        if tried.fault is None:
            findings.add("client_address", f"Client {'; '.join(tries)}.", client, proposed=client)
            return
        if not _says_client_is_unknown(tried.fault):
            break
    findings.add("client_address", f"Client {'; '.join(tries)}.")


def _tell(tried: Tried, good: str) -> str:
    if tried.fault is None:
        return f"{good} after {1000 * tried.seconds:.0f} ms"
    if isinstance(tried.fault, NOT_ANSWERED):
        return f"no answer ({tried.fault.message})"
    return tried.fault.message
