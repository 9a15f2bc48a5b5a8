"""What happens to meters by itself: incidents of several kinds, drawn per meter and the same at each look.

Of each kind there is one incident in every period; its variants take turns, so that every event comes up in
time. Nothing is stored: an incident is computed from the kind, its number and the meter's identification.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple
from zlib import crc32

from osgp.catalogue.meanings import PHASES

from . import event_names as names
from .equipment import Equipment
from .event_types import Event, EventType
from .load_curve import DAY, START

MINUTE, HOUR = 60, 3_600
CLEARING = "clearing"
"""The kind of the incidents in which somebody clears the alarm registers."""


Details = Callable[[int], tuple[int, int]]
"""From a draw to the raw magnitude and duration of an event."""


class Step(NamedTuple):
    """An event so many seconds after an incident began."""

    type: EventType
    delay: int
    details: Details


Variant = tuple[Step, ...]
Listed = str | tuple[str, int]


class Kind(NamedTuple):
    """A kind of incident, one in every ``period`` seconds. ``mishap``: it sets alarms."""

    name: str
    period: int
    variants: tuple[Variant, ...]
    span: int
    mishap: bool

    def draw(self, identification: str, number: int) -> int:
        """A number that belongs to one incident of one meter."""
        return crc32(f"{identification}:{self.name}:{number}".encode())

    def begin(self, number: int, draw: int) -> float:
        """When the incident begins."""
        return START + number * self.period + draw % (self.period - self.span)

    def happened(self, identification: str, until: float) -> int:
        """How many incidents there have been."""
        number = int(until - START) // self.period
        if number < 0:
            return 0
        return number + (self.begin(number, self.draw(identification, number)) <= until)

    def last(self, identification: str, until: float) -> int | None:
        """The number of the last incident, None before the first."""
        count = self.happened(identification, until)
        return count - 1 if count else None

    def events(self, identification: str, since: float, until: float) -> Iterator[Event]:
        """Its events from ``since`` until ``until``."""
        character = crc32(identification.encode())
        first = max(int(since - START) // self.period, 0)
        for number in range(first, int(max(until - START, -1)) // self.period + 1):
            draw = self.draw(identification, number)
            begin = self.begin(number, draw)
            for event_type, delay, details in self.variants[(number + character) % len(self.variants)]:
                if since <= begin + delay <= until:
                    yield Event(begin + delay, event_type, number, *details(draw))


def _draw_no_details(draw: int) -> tuple[int, int]:
    return 0, 0


def _draw_sag(draw: int) -> tuple[int, int]:
    """Tenths of volts and of seconds."""
    return 1_650 + (draw >> 8) % 350, 5 + (draw >> 12) % 600


def _draw_swell(draw: int) -> tuple[int, int]:
    """Tenths of volts and of seconds."""
    return 2_540 + (draw >> 8) % 350, 5 + (draw >> 12) % 600


def _draw_distortion(draw: int) -> tuple[int, int]:
    """Percent, and nothing."""
    return 9 + (draw >> 8) % 20, 0


class Kinds(NamedTuple):
    """All kinds of a meter: by name, by the logs in which they leave events, and those that mark rows, by the
    M-Bus channel of the buffer (None: of others)."""

    by_name: Mapping[str, Kind]
    by_log: Mapping[str, tuple[Kind, ...]]
    marking: Mapping[int | None, tuple[Kind, ...]]


@cache
def list_kinds(equipment: Equipment, channels: tuple[int, ...]) -> Kinds:
    """The kinds for meters that are so equipped, with M-Bus devices on these channels."""
    make = _Maker(equipment)
    kinds = [*_list_electricity(make, bool(channels)), *_list_tests(make)]
    for place, phase in enumerate(PHASES if equipment.polyphase else PHASES[:1]):
        kinds += _list_of_phase(make, place, phase)
    for channel in channels:
        kinds += _list_of_channel(make, channel)
    by_log: dict[str, list[Kind]] = {}
    marking: dict[int | None, list[Kind]] = {about: [] for about in (None, *channels)}
    for kind in kinds:
        types = {step.type for variant in kind.variants for step in variant}
        for log in {each.log for each in types if each.log is not None}:
            by_log.setdefault(log, []).append(kind)
        marked = {each.channel for each in types if each.row_flags}
        for about, listed in marking.items():
            if not marked.isdisjoint((None, about)):
                listed.append(kind)
    return Kinds(
        {kind.name: kind for kind in kinds},
        {log: tuple(listed) for log, listed in by_log.items()},
        {about: tuple(listed) for about, listed in marking.items()},
    )


class _Maker:
    """Makes kinds of incidents out of names of events."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment

    def __call__(
        self, name: str, days: int, *variants: Iterable[Listed], details: Details = _draw_no_details
    ) -> Kind:
        """A kind whose ``variants`` list names of events, or names with their delays."""
        events = self.equipment.events
        steps = tuple(
            tuple(
                Step(events[each[0]], each[1], details)
                if isinstance(each, tuple)
                else Step(events[each], 0, details)
                for each in variant
            )
            for variant in variants
        )
        span = max((step.delay for variant in steps for step in variant), default=0) + 1
        mishap = any(events.is_alarming(step.type.name) for variant in steps for step in variant)
        return Kind(name, days * DAY, steps, span, mishap)


def _list_electricity(make: _Maker, gas: bool) -> list[Kind]:
    registers = make.equipment.alarm_registers
    cleared = [
        event_type.name
        for event_type in map(make.equipment.register_cleared, registers.values())
        if event_type is not None
    ]
    second_error = [["ERROR_REGISTER_2_CLEARED"]] if 2 in registers else []
    gas_sessions = [["RETRIEVE_METER_READINGS_G"], ["RETRIEVE_INTERVAL_DATA_G"]] if gas else []
    firmware: list[Listed] = [
        "FIRMWARE_READY_FOR_ACTIVATION",
        ("FIRMWARE_ACTIVATED", HOUR),
        ("SUCCESSFUL_SELFCHECK_AFTER_FIRMWARE_UPDATE", HOUR + 2 * MINUTE),
    ]
    module: list[Listed] = ["COMMUNICATION_MODULE_REMOVED", ("COMMUNICATION_MODULE_INSERTED", 10 * MINUTE)]
    tariffs: list[Listed] = [names.PASSIVE_TARIFF_UPDATED, (names.TARIFF_ACTIVATED, DAY)]
    return [
        make(
            "housekeeping",
            7,
            [names.CLOCK_UPDATE],
            tariffs,
            ["BATTERY_VOLTAGE_LOW"],
            ["ERROR_REGISTER_CLEARED"],
            firmware,
            module,
            *second_error,
        ),
        make(
            "hardware",
            90,
            [names.CLOCK_INVALID],
            ["REPLACE_BATTERY"],
            ["HARDWARE_ERROR_PROGRAM_MEMORY"],
            ["HARDWARE_ERROR_RAM"],
            ["HARDWARE_ERROR_NV_MEMORY"],
            ["WATCHDOG_ERROR"],
            ["HARDWARE_ERROR_MEASUREMENT_SYSTEM"],
        ),
        make(CLEARING, 30, cleared),
        make(
            "tampering",
            75,
            ["TERMINAL_COVER_REMOVED", ("TERMINAL_COVER_CLOSED", 600)],
            ["STRONG_DC_FIELD_DETECTED", ("NO_STRONG_DC_FIELD_ANYMORE", HOUR)],
            ["METER_COVER_REMOVED", ("METER_COVER_CLOSED", 900)],
            ["MODULE_COVER_OPENED", ("MODULE_COVER_CLOSED", 300)],
        ),
        make("configuring", 80, [names.CONFIGURATION_CHANGE]),
        make("login", 50, [names.FAILED_LOGIN]),
        make(
            "session",
            2,
            ["RETRIEVE_METER_READINGS_E"],
            ["RETRIEVE_INTERVAL_DATA_E"],
            *gas_sessions,
            ["RETRIEVE_METER_READINGS_E"],
            ["METROLOGICAL_MAINTENANCE"],
            ["RETRIEVE_INTERVAL_DATA_E"],
            ["TECHNICAL_MAINTENANCE"],
        ),
    ]


def _list_tests(make: _Maker) -> list[Kind]:
    return [make(test.lower().replace("_", "-"), 200, [test]) for test in sorted(make.equipment.tests)]


def _list_of_phase(make: _Maker, place: int, phase: str) -> list[Kind]:
    under, over, normal = f"UNDER_VOLTAGE_{phase}", f"OVER_VOLTAGE_{phase}", f"VOLTAGE_{phase}_NORMAL"
    distorted, undistorted = f"THD_OVER_LIMIT_{phase}", f"THD_NORMAL_{phase}"
    kinds = [
        make(f"voltage{place}", 9, [under, (normal, 30 * MINUTE)], [over, (normal, 900)]),
        make(f"sag{place}", 23, [f"VOLTAGE_SAG_IN_PHASE_{phase}"], details=_draw_sag),
        make(f"swell{place}", 37, [f"VOLTAGE_SWELL_IN_PHASE_{phase}"], details=_draw_swell),
        make(
            f"distortion{place}",
            45,
            [distorted, (f"THD_LONG_OVER_LIMIT_{phase}", 10 * MINUTE), (undistorted, 90 * MINUTE)],
            [distorted, (undistorted, 5 * MINUTE)],
            details=_draw_distortion,
        ),
    ]
    if make.equipment.polyphase:
        outage: list[Listed] = [f"PHASE_OUTAGE_{phase}", (f"PHASE_RETURNED_{phase}", 20 * MINUTE)]
        kinds.append(make(f"phase{place}", 120, outage))
    return kinds


def _list_of_channel(make: _Maker, channel: int) -> list[Kind]:
    place = channel - 1
    events = f"M_BUS_CHANNEL_{channel}"
    lost: list[Listed] = [f"COMMUNICATION_ERROR_{events}", (f"COMMUNICATION_OK_{events}", 2 * HOUR)]
    quiet = [[name.format(channel=channel)] for name in (*names.FIRMWARE, *names.MBUS_KEYS)]
    flags = sorted(make.equipment.events.status_flags.items(), key=lambda item: item[1])
    loud = [[names.MBUS_STATUS.format(flag=flag, channel=channel)] for flag, _ in flags]
    return [
        make(
            f"mbus{place}",
            20,
            [f"CLOCK_ADJUSTED_{events}"],
            [f"REPLACE_BATTERY_{events}"],
            [f"PERMANENT_ERROR_FROM_M_BUS_DEVICE_CHANNEL_{channel}"],
            [f"DEAD_BATTERY_ERROR_M_BUS_DEVICE_CHANNEL_{channel}"],
        ),
        make(f"mbus-mishap{place}", 50, lost, [f"FRAUD_ATTEMPT_{events}"], [names.new_device(channel)]),
        make(f"auxiliary{place}", 10, *quiet),
        *([make(f"mbus-status{place}", 8, *loud)] if loud else []),
    ]
