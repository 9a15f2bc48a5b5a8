"""From a device row to a held association: address, keys, invocation counter."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings

from osgp import catalogue
from osgp.catalogue.communication import Security
from osgp.devices import invocation_counters, keystore
from osgp.devices.models import KeyType
from osgp.devices.needed_keys import NEEDED_KEY_TYPES, make_missing_key_fault
from osgp.devices.securities import make_unsupported_fault
from osgp.faults import Component, Fault, FaultCode
from osgp.processes.database import lanes
from osgp.protocol_dlms import (
    Deadlines,
    Framing,
    Keys,
    Line,
    Meter,
    MeterAddress,
    Trace,
    errors,
    read_invocation_counter,
)
from osgp.requests.work import WorkMeter
from osgp.visits.preparing import PreparedMeter

logger = logging.getLogger(__name__)

InLane = Callable[[Callable[[], None]], None]
"""Calls a function in a database lane."""

CLIENT_SYSTEM_TITLE = b"OSGPHES\x01"
COUNTER_TOO_LOW = (errors.InvocationCounterTooLow, errors.SocketClosedByRemote, errors.AssociationRejected)
"""How meters say that the invocation counter is too low, among other things; most just hang up."""
LARGEST_LEAP = 1_000_000
"""How far an unprotected answer may raise the counter: a forged one must not use up its 32 bits."""
HIGHEST_START = 4_000_000_000
"""How high it may start a counter that was not known, for the same reason."""


@dataclass
class ReservedCounter:
    """Hands out invocation counter values from blocks that the database reserved for this visit."""

    meter_id: int
    first: int | None = None
    """First value of the latest block; None while the meter's counter is not known."""
    run: InLane = lanes.run
    """How the database is called."""
    _block: Iterator[int] = field(default_factory=lambda: iter(()))

    def reserve(self) -> None:
        """Reserve a block before using it; do nothing while the counter is not known."""
        block = invocation_counters.reserve(self.meter_id, settings.OSGP["INVOCATION_COUNTER_BLOCK"])
        if block is not None:
            self.use(block)

    def use(self, block: range) -> None:
        """Hand out the values of this reserved block from now on; drop the rest of the former block."""
        self.first, self._block = block.start, iter(block)

    def take_value(self) -> int:
        """Return the value for the next ciphered APDU, from a new block if necessary."""
        value = next(self._block, None)
        if value is None:
            self.run(self.reserve)
            value = next(self._block)
        return value


@dataclass(frozen=True)
class Dialling:
    """Everything needed to call one meter."""

    meter: WorkMeter
    address: MeterAddress
    keys: Keys = field(repr=False)
    deadlines: Deadlines
    counter: ReservedCounter | None

    @classmethod
    def from_prepared(cls, prepared: PreparedMeter) -> "Dialling":
        """Decrypt the keys, and reserve invocation counter values if that is still to do. Call it in a lane.

        Raises Fault when a key is missing or unreadable.
        """
        meter = prepared.meter
        overall: Deadlines = Deadlines(
            connect=settings.OSGP["CONNECT_DEADLINE"].total_seconds(),
            apdu=settings.OSGP["APDU_DEADLINE"].total_seconds(),
            session=settings.OSGP["VISIT_DEADLINE"].total_seconds(),
        )
        counter = ReservedCounter(meter.pk) if meter.security == Security.HLS5 else None
        dialling = cls(
            meter=meter,
            address=MeterAddress(
                host=meter.network_address,
                port=meter.port,
                logical_device_address=meter.logical_device_address,
                framing=Framing(meter.framing),
            ),
            keys=_decrypt_keys(prepared),
            deadlines=overall,
            counter=counter,
        )
        if counter is not None and prepared.block is not None:
            counter.use(prepared.block)
        elif counter is not None:
            counter.reserve()
        return dialling

    @contextmanager
    def associating(self, line: Line, run: InLane, trace: Trace | None = None) -> Iterator[Meter]:
        """Dial and associate; close the connection afterwards.

        ``run`` calls functions that need the database. ``trace`` gets each APDU in plain form and without
        secrets. Raises DLMS errors, and what ``line.check`` raises.
        """
        if self.counter is not None:
            self.counter.run = run
        call = _Call(self, line, run, trace)
        meter = call.connect()
        try:
            yield meter
        finally:
            meter.close()


@dataclass(frozen=True)
class _Call:
    """The steps between the platform and a meter up to the association."""

    dialling: Dialling
    line: Line
    run: InLane
    trace: Trace | None

    def connect(self) -> Meter:
        """Associate, with the counter of the meter if ours is unknown or too low."""
        counter = self.dialling.counter
        if counter is not None and counter.first is None:
            self._read_counter(counter)
        try:
            return self._associate()
        except COUNTER_TOO_LOW as error:
            # The counter of the meter shows whether that was the reason.
            if counter is None or not self._read_counter(counter):
                raise
            identification = self.dialling.meter.identification
            logger.info("%s: invocation counter too low (%s)", identification, error.code.name)
            return self._associate()

    def _associate(self) -> Meter:
        dialling = self.dialling
        return Meter.connect(
            dialling.address,
            security=Security(dialling.meter.security),
            keys=dialling.keys,
            counter=dialling.counter,
            client_system_title=CLIENT_SYSTEM_TITLE,
            challenge_length=dialling.meter.challenge_length,
            with_list_max=dialling.meter.with_list_max,
            deadlines=dialling.deadlines,
            trace=self.trace,
            line=self.line,
        )

    def _read_counter(self, counter: ReservedCounter) -> bool:
        """Read the counter of the meter as the public client; return whether ours had to be raised.

        A meter may well have a lower counter than ours: we reserve whole blocks and use few of their values.
        """
        dialling = self.dialling
        try:
            latest = self._read_latest()
        except errors.DlmsError:
            if counter.first is None:
                raise
            return False
        ours = counter.first
        if ours is not None and latest < ours:
            return False
        if latest > (HIGHEST_START if ours is None else ours + LARGEST_LEAP):
            raise Fault(
                FaultCode.UNABLE_TO_DECYPHER,
                f"The meter claims invocation counter {latest}, the platform's is "
                f"{'unknown' if ours is None else ours}: the claim is not trusted.",
                component=Component.PROTOCOL_DLMS,
            )
        self.run(partial(invocation_counters.adopt, dialling.meter.pk, latest + 1))
        self.run(counter.reserve)
        return True

    def _read_latest(self) -> int:
        """Return the counter of the meter; 0 if its profile has none to read. Raises DLMS errors."""
        dialling = self.dialling
        profile = catalogue.find_profile(dialling.meter.protocol_name, dialling.meter.protocol_version)
        source = profile.invocation_counter
        if source is None:
            return 0
        try:
            return read_invocation_counter(
                dialling.address,
                profile[source.tag].address_attribute("value"),
                dialling.deadlines,
                trace=self.trace,
                line=self.line,
            )
        except errors.AccessError:
            if source.when_refused == "FAIL":
                raise
            return 0


def _decrypt_keys(prepared: PreparedMeter) -> Keys:
    """Decrypt the ACTIVE keys that the security of the meter needs.

    Raises Fault 806 for a missing one, and 413 for a security without support.
    """
    meter = prepared.meter
    if meter.security not in NEEDED_KEY_TYPES:
        raise make_unsupported_fault(meter.security)
    wanted = NEEDED_KEY_TYPES[meter.security]
    found = keystore.unseal(meter.pk, prepared.keys, wanted) if wanted else {}
    for key_type in wanted:
        if key_type not in found:
            raise make_missing_key_fault(key_type, meter.identification)
    return Keys(
        authentication_key=found.get(KeyType.E_METER_AUTHENTICATION_KEY),
        encryption_key=found.get(KeyType.E_METER_ENCRYPTION_KEY_UNICAST),
        lls_password=found.get(KeyType.LLS_PASSWORD),
    )
