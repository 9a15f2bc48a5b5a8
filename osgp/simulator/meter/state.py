"""The state of a simulated meter: identity, time, keys, faults, and what was done to it."""

from datetime import datetime, tzinfo
from typing import Generic, TypeVar
from zlib import crc32

from osgp.catalogue.communication import Framing, Security
from osgp.catalogue.cosem import AttributeDescriptor

from ..alarms import Raised
from ..faults import FaultBox, FaultKind
from ..quirks import Quirk
from ..settings import Behaviour, CounterAtKeyChange, FleetSettings
from . import clock_shifts
from .clock_zone import find_clock_zone
from .control import CONNECTED
from .equipment import MBUS_CLIENT_SETUP, Equipment
from .event_names import new_device
from .event_types import Event
from .gas_meter import GasMeter
from .identity import MANUFACTURER, KeyName, derive, lls_password, system_title
from .incidents import Kinds, list_kinds
from .load_curve import Household
from .mbus_keys import EncryptionKeyStatus, MbusKeys
from .memory import Memory
from .record import MAXIMUM_CHANGES, Record

_OF_DEVICE = ("primary_address", "identification_number", "manufacturer_id", "version", "device_type")
"""The attributes of an M-Bus client that are about the device on the channel, not about the channel."""

TypeOfMeter = TypeVar("TypeOfMeter", bound=Equipment, covariant=True)


class MeterState(Generic[TypeOfMeter]):
    """A meter behind a logical device address, as far as it does not matter how its objects are read.

    ``number`` is the digits of its identification; ``port_index`` says on which of the fleet's ports it
    listens.
    """

    __slots__ = (
        "_memory",
        "framing",
        "gas_meters",
        "identification",
        "logical_device_address",
        "number",
        "port_index",
        "security",
        "settings",
        "type",
    )

    def __init__(
        self,
        identification: str,
        number: int,
        meter_type: TypeOfMeter,
        settings: FleetSettings,
        *,
        security: Security = Security.HLS5,
        framing: Framing = Framing.WRAPPER,
        logical_device_address: int = 1,
        port_index: int = 0,
        gas_meters: tuple[GasMeter, ...] = (),
    ) -> None:
        self.identification = identification
        self.number = number
        self.type = meter_type
        self.settings = settings
        self.security = security
        self.framing = framing
        self.logical_device_address = logical_device_address
        self.port_index = port_index
        self.gas_meters = gas_meters
        self._memory: Memory | None = None

    def __repr__(self) -> str:
        return f"<Meter {self.identification} {self.type.profile.key}>"

    @property
    def memory(self) -> Memory:
        """What the meter remembers; made when first asked for."""
        memory = self._memory
        if memory is None:
            memory = self._memory = Memory(self.settings.first_counter)
        return memory

    @property
    def is_touched(self) -> bool:
        """Whether anybody has talked to the meter yet."""
        return self._memory is not None

    # Identity

    @property
    def polyphase(self) -> bool:
        """Whether the meter has three phases."""
        return self.type.polyphase

    @property
    def is_ciphered(self) -> bool:
        """Whether the management association is ciphered."""
        return self.security is Security.HLS5

    @property
    def system_title(self) -> bytes:
        """The meter's system title, 8 octets."""
        return system_title(self.number)

    @property
    def logical_device_name(self) -> bytes:
        """16 octets."""
        return f"{MANUFACTURER}{self.number:013d}".encode()

    @property
    def lls_password(self) -> str:
        """The password for low level security."""
        return lls_password(self.settings.seed, self.identification)

    def key(self, name: KeyName) -> bytes:
        """A key of the meter, 16 octets."""
        memory = self._memory
        if memory is not None and memory.keys and name in memory.keys:
            return memory.keys[name]
        owner = "" if self.settings.shared_keys else self.identification
        return derive(self.settings.seed, owner, name)

    def replace_key(self, name: KeyName, key: bytes) -> None:
        """From now on the key is ``key``; with a new encryption key invocation counters start again, unless
        the meter keeps them."""
        memory = self.memory
        memory.keys = {**(memory.keys or {}), name: key}
        restarts = self.behaviour.counter_at_key_change == CounterAtKeyChange.RESTART
        if name is KeyName.ENCRYPTION and restarts:
            memory.counters.highest = -1

    def gas_meter(self, channel: int, moment: float | None = None) -> GasMeter | None:
        """The gas meter on an M-Bus channel, now or at a moment."""
        record = self.record
        if record is not None and record.mbus:
            changed, installed = record.on_channel(
                channel, self.settings.clock() if moment is None else moment
            )
            if changed:
                return installed
        for gas_meter in self.gas_meters:
            if gas_meter.channel == channel:
                return gas_meter
        return None

    def mbus_key(self, gas_meter: GasMeter, name: KeyName) -> bytes:
        """A key of a device behind the meter, 16 octets."""
        keys = self._find_mbus_keys(gas_meter)
        if keys is not None and name is KeyName.MBUS_USER:
            return keys.user_key
        if keys is not None and name in keys.others:
            return keys.others[name]
        return derive(self.settings.seed, gas_meter.identification, name)

    def mbus_key_status(self, channel: int, moment: float | None = None) -> EncryptionKeyStatus:
        """How far the last change of the user key of the device on a channel has come."""
        gas_meter = self.gas_meter(channel, moment)
        if gas_meter is None:
            return EncryptionKeyStatus.NO_ENCRYPTION_KEY
        keys = self._find_mbus_keys(gas_meter)
        return keys.status if keys is not None else EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE

    def make_mbus_keys(self, gas_meter: GasMeter) -> MbusKeys:
        """The keys of a device behind the meter, to be changed."""
        memory = self.memory
        if memory.mbus_keys is None:
            memory.mbus_keys = {}
        if gas_meter.identification not in memory.mbus_keys:
            user_key = self.mbus_key(gas_meter, KeyName.MBUS_USER)
            memory.mbus_keys[gas_meter.identification] = MbusKeys(user_key)
        return memory.mbus_keys[gas_meter.identification]

    def _find_mbus_keys(self, gas_meter: GasMeter) -> MbusKeys | None:
        memory = self._memory
        known = memory.mbus_keys if memory is not None else None
        return known.get(gas_meter.identification) if known else None

    @property
    def household(self) -> Household:
        """What the meter measures."""
        memory = self._memory or self.memory
        household = memory.household
        if household is None:
            character = derive(self.settings.seed, self.identification, "household")
            household = memory.household = Household(character)
        return household

    # History

    @property
    def record(self) -> Record | None:
        """What was done to the meter, None when nothing was."""
        memory = self._memory
        return memory.record if memory is not None else None

    def make_record(self) -> Record:
        """What was done to the meter; made when there is none yet."""
        memory = self.memory
        if memory.record is None:
            memory.record = Record()
        return memory.record

    def record_event(self, moment: float, name: str) -> None:
        """Note an event, if meters of this type tell of it in any way."""
        event_type = self.type.events[name]
        if event_type.is_noticed:
            self.add_event(Event(moment, event_type))

    def add_event(self, event: Event) -> None:
        """Note an event, and the alarm that it raises."""
        self.make_record().add_event(event)
        alarm = event.type.alarm
        if alarm is not None:
            raised = Raised(self.identification, alarm.register, alarm.bit, event.moment)
            self.settings.alarms.note_raised(raised)

    def switch(self, state: int, moment: float) -> None:
        """Take a control state (:mod:`.control`); nothing is delivered while disconnected."""
        self.memory.control_state = state
        if state == CONNECTED:
            record = self.record
            if record is not None:
                record.reconnect(moment)
        else:
            self.make_record().disconnect(moment)

    def install(self, channel: int, gas_meter: GasMeter | None, moment: float) -> None:
        """From ``moment`` on ``gas_meter`` is on an M-Bus channel, or nothing is."""
        record = self.make_record()
        record.mbus.append((moment, channel, gas_meter))
        del record.mbus[:-MAXIMUM_CHANGES]
        if self.memory.overrides is not None and channel in self.type.channels:
            client_setup = self.type.profile[MBUS_CLIENT_SETUP]
            for attribute in _OF_DEVICE:
                self.memory.overrides.pop(client_setup.address_attribute(attribute, channel), None)
        if gas_meter is not None:
            self.record_event(moment, new_device(channel))

    @property
    def kinds(self) -> Kinds:
        """The kinds of incidents that can befall the meter."""
        return list_kinds(self.type, tuple(gas_meter.channel for gas_meter in self.gas_meters))

    def is_troubled_at(self, moment: float) -> bool:
        """Whether mishaps are drawn for that time."""
        calm_from = self.settings.calm_from
        return calm_from is None or moment < calm_from

    def is_reachable(self, moment: float) -> bool:
        """Whether the meter has power and a network (outages that are drawn do not count)."""
        record = self.record
        if record is None:
            return True
        cut_off = record.unreachable
        return not record.is_dark(moment) and not (cut_off and cut_off.begin <= moment < cut_off.end)

    @property
    def is_null_compressed(self) -> bool:
        """Whether rows leave out their stamp when it follows from the row before."""
        record = self.record
        if record is not None and record.null_compressed is not None:
            return record.null_compressed
        share = self.settings.null_compressed
        return bool(share) and crc32(f"{self.identification}:null".encode()) % 1_000 < share * 1_000

    # Time

    def clock_offset_at(self, moment: float) -> float:
        """Seconds that the meter's clock was ahead of true time."""
        offset = 0.0
        if self.is_troubled_at(moment):
            offset = clock_shifts.find_offset(self.identification, moment)
        record = self.record
        if record is not None and record.clock:
            offset += record.clock_offset(moment)
        return offset

    @property
    def zone(self) -> tzinfo:
        """The zone in which the meter shows time: the fleet's until the settings of its clock are written."""
        memory, clock = self._memory, self.type.clock_settings
        if clock is None or memory is None or not memory.overrides:
            return self.settings.zone
        overrides = memory.overrides
        if overrides.keys().isdisjoint(clock.descriptors):
            return self.settings.zone
        written = tuple(overrides.get(each) for each in clock.descriptors)
        return find_clock_zone(written, clock.tells_daylight_saving, self.settings.zone)

    def local_time(self, moment: float, offset: float | None = None) -> datetime:
        """What the meter's clock shows at a moment of true time; ``offset`` when it is known already."""
        if offset is None:
            offset = self.clock_offset_at(moment)
        return datetime.fromtimestamp(moment + offset, self.zone)

    # Faults

    @property
    def quirks(self) -> frozenset[Quirk]:
        """How the meter differs from the books."""
        memory = self._memory
        own = memory.quirks if memory is not None else None
        return self.settings.quirks if own is None else own

    @property
    def faults(self) -> FaultBox:
        """The faults that the meter has been told to have."""
        memory = self.memory
        if memory.faults is None:
            memory.faults = []
        return FaultBox(memory.faults)

    @property
    def has_faults(self) -> bool:
        """Whether any fault is on."""
        memory = self._memory
        return memory is not None and bool(memory.faults)

    def take_fault(self, *kinds: FaultKind) -> FaultKind | None:
        """The fault among ``kinds`` that this exchange has, if any."""
        memory = self._memory
        if memory is None or not memory.faults:
            return None
        kind = FaultBox(memory.faults).take(*kinds)
        if kind is not None:
            memory.statistics.faults += 1
        return kind

    @property
    def behaviour(self) -> Behaviour:
        """How the meter answers: its own way when it was given one, else the fleet's."""
        memory = self._memory
        return (memory.behaviour if memory is not None else None) or self.settings.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour | None) -> None:
        self.memory.behaviour = behaviour

    # Attributes

    def override(self, descriptor: AttributeDescriptor) -> bytes | None:
        """The encoded value to which an attribute was set, None when it never was."""
        memory = self._memory
        if memory is None or memory.overrides is None:
            return None
        return memory.overrides.get(descriptor)


LivingMeter = MeterState[Equipment]
"""A meter of whatever type, for its history and what it measures."""
