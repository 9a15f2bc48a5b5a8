"""One simulated meter: identity, time, keys, and access to its attributes and methods."""

from datetime import datetime, timedelta, timezone, tzinfo
from zlib import crc32

from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor

from ..codec.axdr import Data, DataType, decode, encode
from ..codec.requests import Selection
from ..codec.results import ActionResult, DataAccessResult
from ..faults import FaultBox, FaultKind
from ..settings import Behaviour, FleetSettings, Security, Transport
from . import event_codes, history
from .buffers import BUFFER, CAPTURE_OBJECTS, PROFILE_GENERIC, check_columns
from .control import CONNECTED
from .identity import MANUFACTURER, KeyName, derive, lls_password, system_title
from .incidents import Kinds, kinds_of
from .load_curve import Household
from .mbus import GasMeter
from .memory import Memory
from .meter_type import READ, WRITE, AttributeEntry, MeterType, ObjectEntry
from .methods import Invocation, handler_of
from .query import AccessError, AssociationView, Query
from .record import MAXIMUM_CHANGES, Record
from .shapes import RANGES
from .writes import write_of

_CLOCK = bytes((0, 0, 1, 0, 0, 255))
_TIME_ZONE = AttributeDescriptor(8, _CLOCK, 3)
_DAYLIGHT_SAVINGS_ENABLED = AttributeDescriptor(8, _CLOCK, 8)
_PROFILE_BUFFER = (PROFILE_GENERIC, BUFFER)
_CAPTURE_OBJECTS = (PROFILE_GENERIC, CAPTURE_OBJECTS)


class Meter:
    """A meter behind a logical device address.

    ``number`` is the digits of its identification; ``port_index`` says on which of the fleet's ports it
    listens.
    """

    __slots__ = (
        "_memory",
        "gas_meters",
        "identification",
        "logical_device_address",
        "number",
        "port_index",
        "security",
        "settings",
        "transport",
        "type",
    )

    def __init__(
        self,
        identification: str,
        number: int,
        meter_type: MeterType,
        settings: FleetSettings,
        *,
        security: Security = Security.HLS5,
        transport: Transport = Transport.WRAPPER,
        logical_device_address: int = 1,
        port_index: int = 0,
        gas_meters: tuple[GasMeter, ...] = (),
    ) -> None:
        self.identification = identification
        self.number = number
        self.type = meter_type
        self.settings = settings
        self.security = security
        self.transport = transport
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
            memory = self._memory = Memory()
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
        return derive(self.settings.seed, self.identification, name)

    def replace_key(self, name: KeyName, key: bytes) -> None:
        """From now on the key is ``key``; invocation counters start again with a new encryption key."""
        memory = self.memory
        memory.keys = {**(memory.keys or {}), name: key}
        if name is KeyName.ENCRYPTION:
            memory.counters.start_again()

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

    @property
    def household(self) -> Household:
        """What the meter measures."""
        memory = self.memory
        if memory.household is None:
            memory.household = Household(derive(self.settings.seed, self.identification, "household"))
        return memory.household

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
        for attribute_id in range(5, 10):
            # What a client wrote was about the device that was there before.
            descriptor = self.type.profile["MBUS_CLIENT_SETUP"].attribute(attribute_id, channel)
            if self.memory.overrides is not None:
                self.memory.overrides.pop(descriptor, None)
        if gas_meter is not None:
            history.record_event(self, moment, event_codes.new_device(channel))

    @property
    def kinds(self) -> Kinds:
        """The kinds of incidents that can befall the meter."""
        meter_type = self.type
        channels = tuple(gas_meter.channel for gas_meter in self.gas_meters)
        return kinds_of(self.polyphase, meter_type.alarm_registers, meter_type.tests, channels)

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
        return history.clock_offset(self, moment)

    @property
    def zone(self) -> tzinfo:
        """The zone in which the meter shows time; a fixed one when its clock was set up so."""
        zone = self.settings.zone
        time_zone = self.override(_TIME_ZONE)
        daylight_saving = self.override(_DAYLIGHT_SAVINGS_ENABLED)
        if time_zone is None and (daylight_saving is None or decode(daylight_saving).value):
            return zone
        deviation = decode(time_zone).value if time_zone is not None else self._standard_deviation()
        return timezone(timedelta(minutes=-deviation))

    def _standard_deviation(self) -> int:
        winter = datetime(2021, 1, 1, tzinfo=self.settings.zone).utcoffset() or timedelta()
        return -int(winter.total_seconds()) // 60

    def local_time(self, moment: float, offset: float | None = None) -> datetime:
        """What the meter's clock shows at a moment of true time; ``offset`` when it is known already."""
        if offset is None:
            offset = history.clock_offset(self, moment)
        memory = self._memory
        zone = self.zone if memory is not None and memory.overrides else self.settings.zone
        return datetime.fromtimestamp(moment + offset, zone)

    # Faults

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

    def _find(self, descriptor: AttributeDescriptor) -> tuple[ObjectEntry, AttributeEntry]:
        entry = self.type.objects.get(descriptor.logical_name)
        if entry is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED)
        if entry.class_id != descriptor.class_id:
            raise AccessError(DataAccessResult.OBJECT_CLASS_INCONSISTENT)
        attribute = entry.attributes.get(descriptor.attribute_id)
        if attribute is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED)
        return entry, attribute

    def get(
        self,
        descriptor: AttributeDescriptor,
        selection: Selection | None = None,
        association: AssociationView | None = None,
    ) -> bytes:
        """The encoded value of an attribute; AccessError when it is refused.

        Without an ``association`` access rights do not apply.
        """
        entry, attribute = self._find(descriptor)
        if association is not None and (
            not attribute.access & READ or (association.is_public and not entry.public)
        ):
            raise AccessError(DataAccessResult.READ_WRITE_DENIED)
        if selection is not None and (entry.class_id, attribute.attribute_id) != _PROFILE_BUFFER:
            raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
        memory = self._memory
        if memory is not None and memory.overrides is not None:
            overridden = memory.overrides.get(descriptor)
            if overridden is not None:
                return overridden
        if attribute.provider is None:
            assert attribute.encoded is not None
            return attribute.encoded
        return attribute.provider(Query(self, self.settings.clock(), entry, association, selection))

    def set(
        self,
        descriptor: AttributeDescriptor,
        encoded: bytes,
        association: AssociationView | None = None,
    ) -> None:
        """Set an attribute to an encoded value; AccessError when it is refused.

        Without an ``association`` access rights do not apply, data types do.
        """
        entry, attribute = self._find(descriptor)
        if association is not None and (not attribute.access & WRITE or association.is_public):
            raise AccessError(DataAccessResult.READ_WRITE_DENIED)
        data = decode(encoded)
        if not attribute.shape.fits(data):
            raise AccessError(DataAccessResult.TYPE_UNMATCHED)
        if data.type in (DataType.DATE_TIME, DataType.DATE, DataType.TIME) and attribute.data_type is (
            DataType.OCTET_STRING
        ):
            encoded = encode(Data(DataType.OCTET_STRING, data.value))
        name = (descriptor.class_id, descriptor.attribute_id)
        if name == _CAPTURE_OBJECTS:
            check_columns(self, data)
        if name in RANGES and data.value not in RANGES[name]:
            raise AccessError(DataAccessResult.OTHER_REASON)
        write = write_of(entry.tag, descriptor.attribute_id)
        kept_elsewhere = write is not None and write(self, entry, data, self.settings.clock())
        overrides = self.memory.overrides
        if overrides is None:
            overrides = self.memory.overrides = {}
        overrides.pop(descriptor, None)
        if not kept_elsewhere:
            overrides[descriptor] = encoded

    def forget(self, descriptor: AttributeDescriptor) -> None:
        """Undo what an attribute was set to."""
        entry, _ = self._find(descriptor)
        record = self.record
        if record is not None and descriptor.attribute_id == 2:
            record.latches.pop(entry.tag, None)
            if entry.tag == "CLOCK":
                record.clock.clear()
        if self.memory.overrides is not None:
            self.memory.overrides.pop(descriptor, None)

    # Methods

    def invoke(
        self, descriptor: MethodDescriptor, parameter: bytes | None, association: AssociationView
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke a method: its result and the encoded data that it returns, if any."""
        entry = self.type.objects.get(descriptor.logical_name)
        if entry is None:
            return ActionResult.OBJECT_UNDEFINED, None
        if entry.class_id != descriptor.class_id:
            return ActionResult.OBJECT_CLASS_INCONSISTENT, None
        handler = handler_of(descriptor.class_id, descriptor.method_id)
        if handler is None:
            known = descriptor.method_id in entry.methods
            return (ActionResult.READ_WRITE_DENIED if known else ActionResult.OBJECT_UNDEFINED), None
        if association.is_public:
            return ActionResult.READ_WRITE_DENIED, None
        data = decode(parameter) if parameter is not None else None
        return handler(Invocation(self, entry, data))
