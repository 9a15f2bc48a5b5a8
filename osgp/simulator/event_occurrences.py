"""Events and alarms that can be made to happen to a meter: any that its profile has."""

from collections.abc import Iterable
from dataclasses import dataclass

from . import fields as parsers
from .fields import shown
from .meter import history
from .meter.alarm_bits import raise_alarm
from .meter.event_types import Alarm, Event, EventType
from .meter.meter import Meter
from .occurrence import Occurrence, OccurrenceError, described


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOccurs(Occurrence):
    """An event, by the ``code`` or the ``name`` that the profile has for it, in the ``log`` (its tag or its
    category) that is named, or in the only one in which it can be."""

    kind = "event"
    code: int | None = described(parsers.integer(0, 0xFFFF), default=None)
    name: str | None = described(parsers.text("[A-Z0-9_]{1,100}", "name of an event"), default=None)
    log: str | None = described(parsers.text("[A-Z0-9_]{1,80}", "tag or category of a log"), default=None)
    magnitude: int = described(parsers.integer(0, 0xFFFF), default=0)
    duration: int = described(parsers.integer(0, 0xFFFF), default=0)

    def complain(self) -> None:
        """Either the code or the name."""
        if self.code is None and self.name is None:
            raise OccurrenceError("code", "is missing, and so is name")
        if self.code is not None and self.name is not None:
            raise OccurrenceError("name", "goes without code")

    def _list_event_types(self, meter: Meter) -> list[EventType]:
        """What it can be in a meter, in all logs or in the one that is named."""
        events = meter.type.events
        logs = events.logs if self.log is None else (events.log_named(self.log),)
        return [
            event_type
            for log in logs
            if log is not None
            for event_type in events.in_log(log).values()
            if self.name == event_type.name or self.code == event_type.code
        ]

    def _find_event_type(self, meter: Meter) -> EventType | None:
        found = self._list_event_types(meter)
        return found[0] if len(found) == 1 else None

    def befalls(self, meter: Meter) -> bool:
        """The meter needs a log for it."""
        return self._find_event_type(meter) is not None

    def make_misfit(self, meters: Iterable[Meter]) -> OccurrenceError:
        """Whether the log or the event is unknown, or the log has to be named."""
        types = {meter.type for meter in meters}
        what, field_name = (self.name, "name") if self.code is None else (self.code, "code")
        logs = {log: None for each in types for log in each.events.logs}
        if self.log is not None and not any(each.events.log_named(self.log) for each in types):
            return OccurrenceError("log", f"{shown(self.log)} is none of {', '.join(logs)}")
        if any(len(self._list_event_types(meter)) > 1 for meter in meters):
            clears = any(
                event_type.clears for meter in meters for event_type in self._list_event_types(meter)
            )
            verb = "clears" if clears else "may be in"
            return OccurrenceError("log", f"is needed, since {what} {verb} any of them")
        if self.log is not None or not any(each.events.knows(what) for each in types):
            where = f"in {self.log}" if self.log else "in any log"
            return OccurrenceError(field_name, f"{what} is no event {where}")
        return Occurrence.make_misfit(self, meters)

    def happen(self, meter: Meter, moment: float) -> None:
        """The event is logged, and sets what it sets."""
        event_type = self._find_event_type(meter)
        assert event_type is not None
        assert event_type.log is not None
        number = history.count_recorded(meter, event_type.log)
        event = Event(moment, event_type, number, self.magnitude, self.duration)
        meter.add_event(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmIsSet(Occurrence):
    """A ``bit`` of an alarm ``register`` (its number), or the alarm of a ``name``, without an event."""

    kind = "alarm"
    register: int | None = described(parsers.integer(1, 999), default=None)
    bit: int | None = described(parsers.integer(0, 63), default=None)
    name: str | None = described(parsers.text("[A-Z0-9_]{1,100}", "name of an alarm"), default=None)

    def complain(self) -> None:
        """Either register and bit or the name."""
        for field_name, value in (("register", self.register), ("bit", self.bit)):
            if self.name is None and value is None:
                raise OccurrenceError(field_name, "is missing")
            if self.name is not None and value is not None:
                raise OccurrenceError("name", f"goes without {field_name}")

    def _find_alarm(self, meter: Meter) -> Alarm | None:
        if self.name is not None:
            return meter.type.events.alarm(self.name)
        tag = meter.type.alarm_registers.get(self.register or 0)
        return Alarm(tag, self.bit or 0) if tag is not None else None

    def befalls(self, meter: Meter) -> bool:
        """The meter needs the register, and the bit has to mean something."""
        alarm = self._find_alarm(meter)
        if alarm is None:
            return False
        flags = meter.type.profile[alarm.register].flags
        if flags is None or alarm.bit not in flags.names:
            raise OccurrenceError("bit", f"{self.bit} means nothing in alarm register {self.register}")
        return True

    def happen(self, meter: Meter, moment: float) -> None:
        """The bit is set until it is cleared."""
        alarm = self._find_alarm(meter)
        assert alarm is not None
        raise_alarm(meter, alarm, moment)
