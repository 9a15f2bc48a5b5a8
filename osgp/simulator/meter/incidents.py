"""What happens to meters by itself: incidents of several kinds, drawn per meter and the same at each look.

Of each kind there is one incident in every period; its variants take turns, so that every event comes up in
time. Nothing is stored: an incident is computed from the kind, its number and the meter's identification.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple
from zlib import crc32

from . import event_codes as codes
from .event_codes import ALARMS, LOG_OF, Event
from .load_curve import DAY, START

MINUTE, HOUR = 60, 3_600
CLEARING = "clearing"
"""The kind of the incidents in which somebody clears the alarm registers."""


class Step(NamedTuple):
    """An event so many seconds after an incident began."""

    code: int
    delay: int = 0


Variant = tuple[Step, ...]
Listed = int | tuple[int, int]


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
            for code, delay in self.variants[(number + character) % len(self.variants)]:
                if since <= begin + delay <= until:
                    magnitude, duration = _details(code, draw)
                    yield Event(begin + delay, LOG_OF[code], code, number, magnitude, duration)


def _details(code: int, draw: int) -> tuple[int, int]:
    """Magnitude and duration, raw: tenths of volts and of seconds, or percent."""
    log = LOG_OF[code]
    if log == codes.EXTENDED:
        lowest = 1_650 if code < 96 else 2_540
        return lowest + (draw >> 8) % 350, 5 + (draw >> 12) % 600
    return (9 + (draw >> 8) % 20 if log == codes.DISTORTION else 0), 0


def _kind(name: str, days: int, *variants: Iterable[Listed]) -> Kind:
    """``variants`` list codes, or codes with their delays."""
    steps = tuple(
        tuple(Step(*step) if isinstance(step, tuple) else Step(step) for step in variant)
        for variant in variants
    )
    span = max((step.delay for variant in steps for step in variant), default=0) + 1
    mishap = any(step.code in ALARMS for variant in steps for step in variant)
    return Kind(name, days * DAY, steps, span, mishap)


class Kinds(NamedTuple):
    """All kinds of a meter, by name and by the logs in which they leave events."""

    by_name: Mapping[str, Kind]
    by_log: Mapping[str, tuple[Kind, ...]]


@cache
def kinds_of(
    polyphase: bool, registers: frozenset[int], tests: frozenset[str], channels: tuple[int, ...]
) -> Kinds:
    """The kinds for a meter with these alarm registers and test objects and with M-Bus devices on these
    channels."""
    kinds = [*_electricity(registers, bool(channels)), *_tests(tests)]
    for phase in codes.PHASES if polyphase else (1,):
        kinds += _of_phase(phase - 1, polyphase)
    for channel in channels:
        kinds += _of_channel(channel - 1)
    by_log: dict[str, list[Kind]] = {}
    for kind in kinds:
        for log in {LOG_OF[step.code] for variant in kind.variants for step in variant}:
            by_log.setdefault(log, []).append(kind)
    return Kinds({kind.name: kind for kind in kinds}, {log: tuple(listed) for log, listed in by_log.items()})


def _electricity(registers: frozenset[int], gas: bool) -> list[Kind]:
    cleared = [code for register, code in codes.REGISTER_CLEARED.items() if register in registers]
    second_error = [[23]] if 2 in registers else []
    gas_sessions = [[74], [76]] if gas else []
    firmware: list[Listed] = [17, (18, HOUR), (20, HOUR + 2 * MINUTE)]
    module: list[Listed] = [21, (22, 10 * MINUTE)]
    tariffs: list[Listed] = [codes.PASSIVE_TARIFF_UPDATED, (codes.TARIFF_ACTIVATED, DAY)]
    return [
        _kind("housekeeping", 7, [codes.CLOCK_UPDATE], tariffs, [8], [10], firmware, module, *second_error),
        _kind("hardware", 90, [codes.CLOCK_INVALID], [7], [12], [13], [14], [15], [16]),
        _kind(CLEARING, 30, cleared),
        _kind("tampering", 75, [40, (41, 600)], [42, (43, HOUR)], [44, (45, 900)], [48, (49, 300)]),
        _kind("configuring", 80, [codes.CONFIGURATION_CHANGE]),
        _kind("login", 50, [codes.FAILED_LOGIN]),
        _kind("session", 2, [73], [75], *gas_sessions, [73], [71], [75], [72]),
    ]


def _tests(tests: frozenset[str]) -> list[Kind]:
    kinds = []
    if "PHASE_OUTAGE_TEST" in tests:
        kinds.append(_kind("phase-outage-test", 200, [codes.PHASE_OUTAGE_TEST]))
    if "LAST_GASP_TEST" in tests:
        kinds.append(_kind("last-gasp-test", 200, [codes.LAST_GASP_TEST]))
    return kinds


def _of_phase(place: int, polyphase: bool) -> list[Kind]:
    normal = 83 + place
    kinds = [
        _kind(f"voltage{place}", 9, [77 + place, (normal, 30 * MINUTE)], [80 + place, (normal, 900)]),
        _kind(f"sag{place}", 23, [93 + place]),
        _kind(f"swell{place}", 37, [96 + place]),
        _kind(
            f"distortion{place}",
            45,
            [51 + place, (57 + place, 10 * MINUTE), (54 + place, 90 * MINUTE)],
            [51 + place, (54 + place, 5 * MINUTE)],
        ),
    ]
    if polyphase:
        kinds.append(_kind(f"phase{place}", 120, [86 + place, (90 + place, 20 * MINUTE)]))
    return kinds


def _of_channel(place: int) -> list[Kind]:
    first, auxiliary = 100 + 10 * place, 0x100 * place
    quiet = [[code + auxiliary] for code in (*codes.FIRMWARE, *codes.MBUS_KEYS)]
    loud = [[code + auxiliary] for code in codes.MBUS_STATUS]
    return [
        _kind(f"mbus{place}", 20, [first + 4], [first + 2], [first + 6], [first + 7]),
        _kind(f"mbus-mishap{place}", 50, [first, (first + 1, 2 * HOUR)], [first + 3], [first + 5]),
        _kind(f"auxiliary{place}", 10, *quiet),
        _kind(f"mbus-status{place}", 8, *loud),
    ]
