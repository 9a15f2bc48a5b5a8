"""What can be made to happen to a meter, in a scenario or over HTTP: one class per kind.

An occurrence is described by a table of its ``kind`` and the fields of the kind. It happens at a moment,
which may be past: then the meter's history has it from the start.
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from osgp.catalogue.model import CosemObject

from . import event_occurrences
from . import fields as parsers
from .codec.axdr import Data, encode
from .codec.errors import LocalProtocolError
from .faults import FaultKind
from .fields import shown
from .meter.alarm_bits import note_power_failure
from .meter.control import CONNECTED, DISCONNECTED, READY
from .meter.gas_meter import GasMeter
from .meter.meter import Meter
from .meter.metered import energy
from .meter.outages import Outage
from .meter.record import MAXIMUM_CHANGES, EnergyStep, Pause
from .meter.tariffs import EXPORT, IMPORT, catch_up, note_change
from .occurrence import Occurrence, OccurrenceError, described
from .settings import Behaviour, CounterAtKeyChange
from .values import from_json

_CHANNEL = parsers.integer(1, 4)
_UINT32 = parsers.integer(0, 0xFFFFFFFF)
_RELAY_STATES = {"disconnected": DISCONNECTED, "connected": CONNECTED, "ready": READY}


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFailure(Occurrence):
    """No power: the meter is out of reach meanwhile."""

    kind = "power-failure"
    duration: float = described(parsers.duration)

    def happen(self, meter: Meter, moment: float) -> None:
        """An outage of whole seconds at least."""
        meter.make_record().add_outage(Outage(moment, moment + max(self.duration, 1.0)))
        note_power_failure(meter, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable(Occurrence):
    """The meter works, but its network does not; without a duration until it is ``reachable``."""

    kind = "unreachable"
    duration: float | None = described(parsers.duration, default=None)

    def happen(self, meter: Meter, moment: float) -> None:
        """Out of reach from now on."""
        end = float("inf") if self.duration is None else moment + self.duration
        meter.make_record().unreachable = Pause(moment, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable(Occurrence):
    """The network works again."""

    kind = "reachable"

    def happen(self, meter: Meter, moment: float) -> None:
        """Within reach again."""
        meter.make_record().unreachable = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockShift(Occurrence):
    """The clock jumps ``by`` a duration, forward or (negative) back."""

    kind = "clock-shift"
    by: float = described(parsers.signed_duration)

    def befalls(self, meter: Meter) -> bool:
        """The meter needs a clock."""
        return "CLOCK" in meter.type.tags

    def happen(self, meter: Meter, moment: float) -> None:
        """It goes on from there."""
        catch_up(meter, moment)
        record = meter.make_record()
        record.set_clock(moment, record.clock_offset(moment) + self.by)
        note_change(meter, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class MbusDeviceInstalled(Occurrence):
    """A device on an M-Bus ``channel``, instead of what was there."""

    kind = "mbus-install"
    channel: int = described(_CHANNEL)
    identification: str | None = described(
        parsers.text("[A-Za-z0-9]{1,40}", "identification of letters and digits"), default=None
    )
    identification_number: str | None = described(
        parsers.text("[0-9]{8}", "number of 8 digits"), default=None
    )
    manufacturer: str = described(parsers.text("[A-Z]{3}", "manufacturer of three capitals"), default="SIM")
    version: int = described(parsers.integer(0, 255), default=80)
    device_type: int = described(parsers.integer(1, 255), default=3)
    model: str = described(parsers.text("[ -+\\--~]{1,32}", "model of 1 to 32 characters"), default="SIM-G4")

    def befalls(self, meter: Meter) -> bool:
        """The meter needs the channel."""
        return self.channel in meter.type.channels

    def happen(self, meter: Meter, moment: float) -> None:
        """The device is known under the address of its channel."""
        number = self.identification_number or f"{(meter.number * 10 + self.channel + 4) % 10**8:08d}"
        device = GasMeter(
            identification=self.identification or f"SIMG{int(number):013d}",
            channel=self.channel,
            identification_number=number,
            manufacturer=self.manufacturer,
            version=self.version,
            device_type=self.device_type,
            primary_address=self.channel,
            model=self.model,
        )
        meter.install(self.channel, device, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class MbusDeviceRemoved(Occurrence):
    """Nothing on an M-Bus ``channel`` any more."""

    kind = "mbus-remove"
    channel: int = described(_CHANNEL)

    def befalls(self, meter: Meter) -> bool:
        """The meter needs the channel."""
        return self.channel in meter.type.channels

    def happen(self, meter: Meter, moment: float) -> None:
        """The channel is empty."""
        meter.install(self.channel, None, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySwitches(Occurrence):
    """The relay takes a ``state``: connected, disconnected, or ready for reconnection by hand."""

    kind = "relay"
    state: str = described(parsers.choice(*_RELAY_STATES))

    def befalls(self, meter: Meter) -> bool:
        """The meter needs a relay."""
        return "DISCONNECT_CONTROL" in meter.type.tags

    def happen(self, meter: Meter, moment: float) -> None:
        """Whatever the control mode."""
        meter.switch(_RELAY_STATES[self.state], moment)


def _read_data(value: Any) -> Data:
    data = from_json(value)
    try:
        encode(data)
    except LocalProtocolError as error:
        raise ValueError(str(error)) from None
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeIsSet(Occurrence):
    """An ``attribute`` of an ``object`` (its tag) gets a ``value``, whoever may write it."""

    kind = "attribute"
    object: str = described(parsers.text("[A-Z0-9_]{1,80}", "tag of an object"))
    attribute: int = described(parsers.integer(2, 127), default=2)
    channel: int | None = described(_CHANNEL, default=None)
    value: Data = field(metadata={"parser": _read_data})

    def _find_object(self, meter: Meter) -> CosemObject | None:
        return meter.type.profile[self.object] if self.object in meter.type.tags else None

    def befalls(self, meter: Meter) -> bool:
        """The meter needs the attribute, and the value the right shape."""
        cosem_object = self._find_object(meter)
        if cosem_object is None:
            return False
        try:
            entry = meter.type.objects.get(cosem_object.get_logical_name(self.channel))
        except ValueError as error:
            raise OccurrenceError("channel", str(error)) from None
        attribute = entry.attributes.get(self.attribute) if entry is not None else None
        if attribute is None:
            return False
        if not attribute.shape.fits(self.value):
            raise OccurrenceError("value", f"is none that attribute {self.attribute} of {self.object} takes")
        return True

    def happen(self, meter: Meter, moment: float) -> None:
        """As if a client had written it."""
        cosem_object = self._find_object(meter)
        assert cosem_object is not None
        meter.set(cosem_object.address_attribute(self.attribute, self.channel), encode(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOn(Occurrence):
    """A ``fault`` (:class:`FaultKind`) for so many ``exchanges``, or until it is off, ``after`` so many to
    which it would apply."""

    kind = "fault"
    fault: str = described(parsers.choice(*FaultKind))
    exchanges: int | None = described(parsers.integer(1, 10**9), default=None)
    after: int = described(parsers.integer(0, 10**9), default=0)

    def happen(self, meter: Meter, moment: float) -> None:
        """The fault is on."""
        meter.faults.switch_on(FaultKind(self.fault), self.exchanges, after=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOff(Occurrence):
    """A ``fault`` no more; none of them when none is named."""

    kind = "fault-off"
    fault: str | None = described(parsers.choice(*FaultKind), default=None)

    def happen(self, meter: Meter, moment: float) -> None:
        """The fault is off."""
        meter.faults.switch_off(FaultKind(self.fault) if self.fault else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyJump(Occurrence):
    """The register of a ``direction`` and ``rate`` (1 low, 2 high) jumps by ``wh``, up or (negative) down."""

    kind = "energy-jump"
    wh: int = described(parsers.integer(-0xFFFFFFFF, 0xFFFFFFFF))
    direction: str = described(parsers.choice("import", "export"), default="import")
    rate: int = described(parsers.integer(1, 2), default=2)

    def befalls(self, meter: Meter) -> bool:
        """The meter needs a register that shows it."""
        total = f"ACTIVE_ENERGY_{self.direction.upper()}"
        return not meter.type.tags.isdisjoint((total, f"{total}_RATE_{self.rate}"))

    def happen(self, meter: Meter, moment: float) -> None:
        """It counts on from there."""
        _step(meter, EnergyStep(moment, self.direction.upper(), self.rate - 1, self.wh))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyReset(Occurrence):
    """All energy registers begin again at zero, as those of a meter that was replaced."""

    kind = "energy-reset"

    def befalls(self, meter: Meter) -> bool:
        """The meter needs an energy register."""
        return any(tag.startswith("ACTIVE_ENERGY_") for tag in meter.type.tags)

    def happen(self, meter: Meter, moment: float) -> None:
        """They count on from there."""
        catch_up(meter, moment)
        for direction in (IMPORT, EXPORT):
            for rate, wh in enumerate(energy(meter, direction, moment)):
                _step(meter, EnergyStep(moment, direction, rate, -wh))


def _step(meter: Meter, step: EnergyStep) -> None:
    steps = meter.make_record().energy
    steps.append(step)
    del steps[:-MAXIMUM_CHANGES]


@dataclass(frozen=True, slots=True, kw_only=True)
class NullCompression(Occurrence):
    """Rows leave out stamps that follow from the row before, or (``on`` false) do not."""

    kind = "null-compression"
    on: bool = described(parsers.boolean, default=True)

    def happen(self, meter: Meter, moment: float) -> None:
        """From the next answer on."""
        meter.make_record().null_compressed = self.on


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourChanges(Occurrence):
    """The meter answers after ``latency``, loses a share of requests (``loss``), begins invocation counters
    anew with a new encryption key or not (``counter_at_key_change``), and claims to expect ``told_counter``
    after one that is too low; without any of them as the rest of the fleet."""

    kind = "behaviour"
    latency: float | None = described(parsers.duration, default=None)
    loss: float | None = described(parsers.share, default=None)
    counter_at_key_change: str | None = described(parsers.choice(*CounterAtKeyChange), default=None)
    told_counter: int | None = described(_UINT32, default=None)

    def happen(self, meter: Meter, moment: float) -> None:
        """From the next answer on."""
        usual = meter.settings.behaviour
        latency = self.latency or 0.0
        changed = Behaviour(
            latency=(latency, latency),
            loss=self.loss or 0.0,
            maximum_connections=usual.maximum_connections,
            counter_at_key_change=CounterAtKeyChange(
                self.counter_at_key_change or usual.counter_at_key_change
            ),
            told_counter=self.told_counter,
        )
        meter.behaviour = changed if self != BehaviourChanges() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationCounterMoves(Occurrence):
    """Another tool has talked to the meter: it has accepted invocation counters up to ``value``.

    A lower value than before is that of a meter that has forgotten.
    """

    kind = "invocation-counter"
    value: int = described(_UINT32)

    def befalls(self, meter: Meter) -> bool:
        """Only ciphered associations have counters."""
        return meter.is_ciphered

    def make_misfit(self, meters: Iterable[Meter]) -> OccurrenceError:
        """There are no counters without ciphering."""
        return OccurrenceError("kind", f"{self.kind}: no selected meter has ciphered associations")

    def happen(self, meter: Meter, moment: float) -> None:
        """From the next APDU on."""
        meter.memory.counters.highest = self.value


KINDS: Mapping[str, type[Occurrence]] = {
    each.kind: each
    for each in sorted(
        Occurrence.__subclasses__(), key=lambda each: each.__module__ == event_occurrences.__name__
    )
}
"""The kinds by name."""


def parse(table: Mapping[str, Any]) -> Occurrence:
    """The occurrence that a table describes; OccurrenceError when it describes none."""
    if "kind" not in table:
        raise OccurrenceError("kind", "is missing")
    kind = table["kind"]
    occurrence = KINDS.get(kind) if isinstance(kind, str) else None
    if occurrence is None:
        raise OccurrenceError("kind", f"{shown(kind)} is none of {', '.join(KINDS)}")
    known = {each.name: each for each in fields(occurrence)}
    for name in table:
        if name != "kind" and name not in known:
            raise OccurrenceError(str(name)[:50], f"is no field of {kind}")
    values = {}
    for name, each in known.items():
        if name not in table:
            if each.default is MISSING:
                raise OccurrenceError(name, "is missing")
            continue
        try:
            values[name] = each.metadata["parser"](table[name])
        except ValueError as error:
            raise OccurrenceError(name, str(error)) from None
    parsed = occurrence(**values)
    parsed.complain()
    return parsed
