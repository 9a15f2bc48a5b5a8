"""Everything needed to call one meter: address, keys, invocation counter."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings as django_settings

from osgp.catalogue.communication import Security
from osgp.devices import keystore
from osgp.devices.keystore import SealedKey
from osgp.devices.meter_settings import MeterSettings, check_together
from osgp.devices.models import KeyState, KeyType
from osgp.devices.needed_keys import NEEDED_KEY_TYPES, make_missing_key_fault
from osgp.devices.securities import make_unsupported_fault
from osgp.devices.system_title import find_title
from osgp.faults import Fault, FaultCode
from osgp.messages.key_transfer import GLOBAL_KEYS
from osgp.messages.knowledge import Knowledge
from osgp.protocol_dlms import Deadlines, Framing, Keys, Line, Meter, MeterAddress, Step, Trace, errors
from osgp.requests.work import WorkMeter
from osgp.visits import acquaintance, addressing
from osgp.visits.calling import Call, KeyPair
from osgp.visits.counter import InLane, ReservedCounter
from osgp.visits.key_recovery import finish_change
from osgp.visits.leases import LeaseLost
from osgp.visits.pausing import Pause, make_pause
from osgp.visits.preparing import PreparedMeter, find_counter
from osgp.visits.probing import TriedConnections

AUTHENTICATION, ENCRYPTION = GLOBAL_KEYS
PENDING_PAIRS = ((AUTHENTICATION, ENCRYPTION), (AUTHENTICATION,), (ENCRYPTION,))
"""Which keys of a meter may be NEW ones after a change that was not finished, the likeliest first."""


@dataclass(frozen=True)
class Dialling:
    """Everything needed to call one meter. ``stored``: its ACTIVE and NEW keys, sealed."""

    meter: WorkMeter
    address: MeterAddress
    active: KeyPair
    deadlines: Deadlines
    client_system_title: bytes
    pause: Pause
    knowledge: Knowledge
    """What was learned of the meter, now and before; shared by all that is done in the visit."""
    stored: Collection[SealedKey] = field(repr=False)

    @classmethod
    def from_prepared(cls, prepared: PreparedMeter) -> "Dialling":
        """Decrypt the keys, and reserve invocation counter values if that is still to do. Call it in a lane.

        Raises Fault when a key is missing or unreadable.
        """
        meter = prepared.meter
        title = bytes.fromhex(meter.settings.client_system_title or find_title())
        _check_settings(meter, title)
        keys = _decrypt_active_keys(prepared)
        counter = None
        if meter.security == Security.HLS5:
            counter_id = find_counter(prepared.keys)
            assert counter_id is not None, "an encryption key without a counter"
            counter = ReservedCounter(counter_id)
            if prepared.block is not None:
                counter.use(prepared.block)
            else:
                counter.reserve()
        return cls(
            meter=meter,
            address=MeterAddress(
                host=meter.network_address,
                port=meter.port,
                logical_device_address=meter.logical_device_address,
                framing=Framing(meter.framing),
                carrier=meter.settings.carrier,
                server_lower_address=meter.settings.server_lower_address,
                server_address_length=meter.settings.server_address_length,
            ),
            active=KeyPair(keys, counter),
            deadlines=make_deadlines(meter.settings),
            client_system_title=title,
            pause=make_pause(meter),
            knowledge=acquaintance.load(meter),
            stored=prepared.keys,
        )

    @property
    def counter(self) -> ReservedCounter | None:
        """The counter of the ACTIVE encryption key, if the association is to be ciphered."""
        return self.active.counter

    @property
    def keys(self) -> Keys:
        """The ACTIVE keys."""
        return self.active.keys

    @contextmanager
    def associating(self, line: Line, run: InLane, trace: Trace | None = None) -> Iterator[Meter]:
        """Dial and associate; close the connection afterwards.

        If the meter turns the ACTIVE keys down and a change of keys was not finished, try its NEW ones, and
        finish it. ``run`` calls functions that need the database. ``trace`` gets each APDU in plain form and
        without secrets. Raises DLMS errors, those for the ACTIVE keys, and what ``line.check`` raises.
        """
        if self.counter is not None:
            self.counter.run = run
        call = self._make_call(line, run, trace)
        meter, pair = call.connect(self.active, self._list_pending_pairs)
        is_ours = True
        try:
            addressing.keep(self.meter, meter.system_title, run)
            if pair.pending:
                with errors.during(Step.KEY_RECOVERY):
                    finish_change(self.meter, meter, pair, self.stored, run)
            yield meter
        except LeaseLost:
            is_ours = False
            raise
        finally:
            meter.close()
            self.pause.begin()
            if is_ours:
                acquaintance.learn_list_size(self.knowledge, meter)
                acquaintance.keep(self.meter, self.knowledge, run)

    def trying(self, line: Line, run: InLane, trace: Trace | None = None) -> TriedConnections:
        """Return connections beside the association, for messages that probe; parameters as before."""
        return TriedConnections(self._make_call(line, run, trace), self.active)

    def _make_call(self, line: Line, run: InLane, trace: Trace | None) -> Call:
        return Call(
            self.meter,
            self.address,
            self.deadlines,
            line,
            run,
            trace,
            self.client_system_title,
            self.pause,
            acquaintance.limit_list(self.knowledge, self.meter.settings.with_list_max),
        )

    def _list_pending_pairs(self) -> list[KeyPair]:
        """List the pairs of keys that the meter may have after a change that was not finished."""
        if self.meter.security != Security.HLS5:
            return []
        new = keystore.unseal(self.meter.pk, self.stored, GLOBAL_KEYS, KeyState.NEW)
        pairs = []
        for pending in PENDING_PAIRS:
            if not new.keys() >= set(pending):
                continue
            counter = self.counter
            if ENCRYPTION in pending:
                counter_id = find_counter(self.stored, KeyState.NEW)
                assert counter_id is not None
                counter = ReservedCounter(counter_id)
            pairs.append(
                KeyPair(
                    Keys(
                        new[AUTHENTICATION] if AUTHENTICATION in pending else self.keys.authentication_key,
                        new[ENCRYPTION] if ENCRYPTION in pending else self.keys.encryption_key,
                    ),
                    counter,
                    frozenset(pending),
                )
            )
        return pairs


def make_deadlines(settings: MeterSettings) -> Deadlines:
    """Return the deadlines for a meter. None is longer than the visit."""
    general: dict[str, timedelta] = django_settings.OSGP
    session = general["VISIT_DEADLINE"].total_seconds()
    connect = settings.connect_deadline or general["CONNECT_DEADLINE"].total_seconds()
    apdu = settings.apdu_deadline or general["APDU_DEADLINE"].total_seconds()
    return Deadlines(
        connect=min(connect, session),
        apdu=min(apdu, session),
        session=session,
        name=general["NAME_DEADLINE"].total_seconds(),
    )


def _check_settings(meter: WorkMeter, title: bytes) -> None:
    """Refuse what cannot be: a model or profile may have got it although it does not go with this meter.

    Title and counter are the nonce for a key: the platform must not use the title of the meter itself.
    Raises Fault 401.
    """
    wrong = check_together(meter.settings, meter.framing, meter.logical_device_address)
    if meter.system_title == title.hex().upper():
        wrong["client_system_title"] = "Is that of the meter itself: one of both must have another."
    for name, text in wrong.items():
        message = f"{meter.identification} cannot be called with its {name}: {text}"
        raise Fault(FaultCode.VALIDATION_ERROR, message)


def _decrypt_active_keys(prepared: PreparedMeter) -> Keys:
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
