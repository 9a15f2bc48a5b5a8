"""The steps from an address to an association: which keys the meter has, and which counter it expects.

A meter that expects a higher invocation counter says so without protection, to the public client or with an
exception-response. Anybody on the line could say it. So it is tried in one association, with values that
count as used, and kept once the meter has proven there that it has the keys (HLS pass 4).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from osgp import catalogue
from osgp.catalogue import obis
from osgp.catalogue.communication import Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.models import KeyType
from osgp.protocol_dlms import (
    Deadlines,
    Keys,
    Limits,
    Line,
    Meter,
    MeterAddress,
    Trace,
    errors,
    read_invocation_counter,
)
from osgp.requests.work import WorkMeter
from osgp.visits.counter import InLane, ReservedCounter
from osgp.visits.pausing import Pause

logger = logging.getLogger(__name__)

COUNTER_TOO_LOW = (errors.InvocationCounterError, errors.SocketClosedByRemote, errors.AssociationRejected)
"""How meters say that the invocation counter is too low, among other things; most just hang up."""
NOT_THE_KEYS = (
    errors.InvalidAddress,
    errors.InvalidSettings,
    errors.ConnectionRefused,
    errors.ConnectionEstablishError,
    errors.ConnectionTimedOut,
    errors.CommunicationTimeout,
)
"""Errors that other keys would not help against: the meter has not been reached."""
DATA_CLASS, VALUE = 1, 2
"""Invocation counters are Data objects (Blue Book 4.3.1), whose value is attribute 2."""
VALUES_OF_A_TRY = 3
"""Counter values until the meter has proven itself: AARQ, HLS pass 3, and the proof that is in it."""


@dataclass(frozen=True)
class KeyPair:
    """The keys for an association, and the counter of its encryption key.

    ``pending``: which of them are NEW, after a change of keys that was not finished.
    """

    keys: Keys = field(repr=False)
    counter: ReservedCounter | None
    pending: frozenset[KeyType] = frozenset()


@dataclass
class Call:
    """The way to one meter."""

    meter: WorkMeter
    address: MeterAddress
    deadlines: Deadlines
    line: Line
    run: InLane
    trace: Trace | None
    client_system_title: bytes
    pause: Pause
    with_list_max: int
    _latest: int | None = None
    """The counter of the meter as the public client read it during this call."""

    def connect(self, active: KeyPair, list_pending: Callable[[], list[KeyPair]]) -> tuple[Meter, KeyPair]:
        """Associate with the ACTIVE keys, or with one of the pending pairs; return the pair as well.

        Raises the error for the ACTIVE keys if no pair is right.
        """
        try:
            return self._connect(active), active
        except NOT_THE_KEYS:
            raise
        except errors.DlmsError as error:
            refusal = error
        for pair in list_pending():
            assert pair.counter is not None
            pair.counter.run = self.run
            if pair.counter.first is None:
                self.run(pair.counter.reserve)
            try:
                meter = self._connect(pair)
            except errors.DlmsError:
                continue
            logger.warning("%s has keys of a change that was not finished", self.meter.identification)
            return meter, pair
        raise refusal

    def _connect(self, pair: KeyPair) -> Meter:
        """Associate, with the counter of the meter if ours is unknown or too low."""
        counter = pair.counter
        if counter is None:
            return self.associate(pair)
        if counter.first is None:
            return self._try_counter(pair, counter, self._find_start(counter))
        known_from = counter.first
        try:
            return self.associate(pair)
        except COUNTER_TOO_LOW as error:
            expected = self._find_expected(error, counter, known_from)
            logger.info("%s: invocation counter too low (%s)", self.meter.identification, error.code.name)
        return self._try_counter(pair, counter, expected)

    def _find_expected(self, refusal: errors.DlmsError, counter: ReservedCounter, known_from: int) -> int:
        """Return the lowest counter that the meter accepts, if it is higher than what it just got.

        Otherwise raise ``refusal``, or fault 808 if the meter's counter is lower than ours was.
        """
        if isinstance(refusal, errors.InvocationCounterTooLow):
            expected = refusal.expected
        else:
            try:
                expected = self._read_latest() + 1
            except errors.DlmsError:
                raise refusal from None
        if expected > counter.unused:
            return expected
        told = isinstance(refusal, errors.AuthenticationError | errors.AuthenticationRequired)
        if expected <= known_from and self._latest and not told:
            raise errors.InvocationCounterLowered(expected - 1, refusal) from refusal
        raise refusal

    def _find_start(self, counter: ReservedCounter) -> int:
        try:
            return self._read_latest() + 1
        except errors.DlmsError:
            if counter.is_known_from_before():
                return 0
            raise

    def _try_counter(self, pair: KeyPair, counter: ReservedCounter, expected: int) -> Meter:
        try:
            return self._prove_counter(pair, counter, expected)
        except errors.InvocationCounterTooLow as error:
            # What the public client reads may be old.
            if error.expected <= counter.unused:
                raise
            return self._prove_counter(pair, counter, error.expected)

    def _prove_counter(self, pair: KeyPair, counter: ReservedCounter, expected: int) -> Meter:
        """Associate with a counter that the meter claimed; keep it if the meter proves itself."""
        counter.try_from(expected, VALUES_OF_A_TRY)
        try:
            meter = self.associate(pair)
        except errors.DlmsError:
            counter.drop()
            raise
        try:
            counter.keep()
        except BaseException:
            meter.close()
            self.pause.begin()
            raise
        return meter

    def associate(self, pair: KeyPair) -> Meter:
        """Associate once with these keys, and with the counter as it is."""
        settings = self.meter.settings
        with self.pause.connecting(self.line, keeps_open=True):
            return Meter.connect(
                self.address,
                security=Security(self.meter.security),
                keys=pair.keys,
                counter=pair.counter,
                client_address=settings.client_address,
                client_system_title=self.client_system_title,
                challenge_length=self.meter.challenge_length,
                with_list_max=self.with_list_max,
                deadlines=self.deadlines,
                limits=self.limits,
                trace=self.trace,
                line=self.line,
            )

    @property
    def limits(self) -> Limits:
        """The limits that the settings of the meter make."""
        settings = self.meter.settings
        return Limits(
            apdu_size=settings.receive_size,
            hdlc_information_size=settings.hdlc_information_size,
            hdlc_window=settings.hdlc_window,
        )

    def _read_latest(self) -> int:
        """Return the counter of the meter; 0 if its profile has none to read. Raises DLMS errors."""
        if self._latest is None:
            self._latest = self._ask_for_latest()
        return self._latest

    def _ask_for_latest(self) -> int:
        profile = catalogue.find_profile(self.meter.protocol_name, self.meter.protocol_version)
        source, own = profile.invocation_counter, self.meter.settings.counter_object
        if own is not None:
            counter = AttributeDescriptor(DATA_CLASS, obis.parse(own), VALUE)
        elif source is not None:
            counter = profile[source.tag].address_attribute("value")
        else:
            return 0
        try:
            with self.pause.connecting(self.line):
                return read_invocation_counter(
                    self.address, counter, self.deadlines, self.limits, trace=self.trace, line=self.line
                )
        except errors.AccessError:
            if source is None or source.when_refused == "FAIL":
                raise
            return 0
