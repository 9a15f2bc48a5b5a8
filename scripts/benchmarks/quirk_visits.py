"""Visits to simulated meters with quirks, over real sockets but without the platform.

What the platform does around a message is done here too: it knows the settings of the meter, keeps what was
learned of it, and when the line is lost it calls again and goes on.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from osgp.catalogue.communication import DeviationSign
from osgp.devices.meter_settings import MeterSettings
from osgp.faults import Fault
from osgp.messages import registry
from osgp.messages.knowledge import Knowledge
from osgp.messages.operation import Interrupted, MeterOperation
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Deadlines, Framing, Keys, Meter, MeterAddress, Security
from osgp.protocol_dlms.transport import hdlc_link
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator import Framing as SimulatedFraming
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.quirks import Quirk
from scripts.benchmarks.quirk_readings import NEW, NOW, OLD
from scripts.benchmarks.quirk_verdicts import Reading, Verdict

ATTEMPTS = 10
"""Calls for one message; each brings it on."""
PAUSE_SECONDS = 3.2
CLIENT_TITLE = b"   \x00\x00\x00\x00\x01"
DEADLINES = Deadlines(connect=30, apdu=30, session=120, release=10)
_METERS_OF_A_KIND = 240
"""Those that want a pause are visited once."""
_GIVE_UP = 30.0
_HAPPENED = ("REPLACE_BATTERY", "VOLTAGE_SAG_IN_PHASE_L1")
"""An hour ago, so that alarms are set."""


@dataclass
class Outcome:
    """How a reading went: the verdict, the fault that ended it if one did, APDUs that the meter got, and
    calls."""

    quirks: frozenset[Quirk]
    reading: Reading
    verdict: Verdict = field(default_factory=Verdict)
    fault: str | None = None
    round_trips: int = 0
    calls: int = 0

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, nothing is wrong and it did not fail."""
        return self.fault is None and not self.verdict.lost and not self.verdict.wrong

    def __str__(self) -> str:
        found = [self.fault] if self.fault else self.verdict.notes
        return (
            f"{' + '.join(sorted(self.quirks)) or 'no quirk'}, {self.reading.name}: "
            f"lost {self.verdict.lost}, wrong {self.verdict.wrong}: {'; '.join(found)}"
        )


class _Counter:
    """Gives out invocation counters."""

    def __init__(self) -> None:
        self._values = count(1_000)

    def take_value(self) -> int:
        return next(self._values)


class QuirkyMeters:
    """Running meters of both profiles with wrapper and HDLC, whose time stands still."""

    def __init__(self, running: SimulatorThread) -> None:
        self._described = {
            each["add_device"]["device_identification"]: each
            for each in running.fleet.describe()
            if "gateway" not in each["add_device"]
        }
        self._counters = {identification: _Counter() for identification in self._described}
        self._meters: dict[tuple[str, str], list[SimulatedMeter]] = {}
        self._rows: dict[str, int] = {}
        """How many rows readings should have, by name."""
        for meter in running.meters.values():
            kind = (meter.type.profile.key, meter.framing.value)
            self._meters.setdefault(kind, []).append(meter)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["QuirkyMeters"]:
        """The meters, for as long as the block lasts."""
        kinds = [(profile, framing) for profile in (NEW, OLD) for framing in SimulatedFraming]
        total = len(kinds) * _METERS_OF_A_KIND
        fleet = Fleet.build(
            total,
            [profile for profile, _ in kinds],
            framing=[framing for _, framing in kinds],
            polyphase=True,
            gas_meters=[1] * total,
            settings=FleetSettings(clock=NOW.timestamp),
        )
        with SimulatorThread(fleet) as simulator, _hurrying_hdlc():
            yield cls(simulator)

    def read(self, quirks: frozenset[Quirk], reading: Reading) -> Outcome:
        """Carry a reading out on a meter with these quirks."""
        meter = self._find_meter(quirks, reading.profile)
        memory = meter.memory
        if memory.record is None:
            for name in _HAPPENED:
                meter.record_event(NOW.timestamp() - 3_600, name)
        memory.quirks, memory.buffer_answers = quirks, 0
        outcome = Outcome(quirks, reading)
        before = memory.statistics.apdus
        result = self._call_until_done(meter, outcome)
        outcome.round_trips = memory.statistics.apdus - before
        if result is not None:
            reading.judge(reading, meter, result, outcome.verdict)
        elif quirks:
            outcome.verdict = self._lose_all(reading)
        return outcome

    def _lose_all(self, reading: Reading) -> Verdict:
        """The verdict on a reading without a result."""
        rows = self._rows.get(reading.name)
        if rows is None:
            rows = self._rows[reading.name] = self.read(frozenset(), reading).verdict.judged
        return Verdict(judged=rows, lost=rows)

    def try_to_read(self, quirks: frozenset[Quirk], reading: Reading) -> Outcome:
        """As :meth:`read`; what is no fault but an error in the program counts as one."""
        try:
            return self.read(quirks, reading)
        except Exception as error:  # noqa: BLE001 -- the next pair is to be tried as well
            failed = f"{type(error).__name__}: {error}"
            return Outcome(quirks, reading, self._lose_all(reading), failed)

    def _find_meter(self, quirks: frozenset[Quirk], profile: str) -> SimulatedMeter:
        is_hdlc = any(quirk.name.startswith("HDLC") for quirk in quirks)
        meters = self._meters[profile, (Framing.HDLC if is_hdlc else Framing.WRAPPER).value]
        if Quirk.PAUSE_NEEDED not in quirks or len(meters) == 1:
            return meters[0]
        return meters.pop()

    def _call_until_done(self, meter: SimulatedMeter, outcome: Outcome) -> Mapping[str, Any] | None:
        operation = registry.find_operation(outcome.reading.message)
        assert isinstance(operation, MeterOperation)
        parameters = operation.parse(dict(outcome.reading.parameters))
        knowledge = Knowledge()
        earlier: Mapping[str, Any] | None = None
        for outcome.calls in range(1, ATTEMPTS + 1):
            if outcome.calls > 1 and Quirk.PAUSE_NEEDED in outcome.quirks:
                time.sleep(PAUSE_SECONDS)
            try:
                with self._visit(meter, outcome.reading, knowledge, earlier) as visited:
                    result = operation.perform(visited, parameters)
                    later = operation.represent_result(result)
                outcome.fault = None
                return later if earlier is None else operation.join(earlier, later)
            except Interrupted as interrupted:
                part = operation.represent_result(interrupted.result)
                earlier = part if earlier is None else operation.join(earlier, part)
                outcome.fault = str(interrupted.fault)
            except Fault as fault:
                outcome.fault = str(fault)
                if not fault.retryable:
                    return None
        return None

    @contextmanager
    def _visit(
        self,
        meter: SimulatedMeter,
        reading: Reading,
        knowledge: Knowledge,
        earlier: Mapping[str, Any] | None,
    ) -> Iterator[VisitedMeter]:
        _wait_until_free(meter)
        described = self._described[meter.identification]
        fields, keys = described["add_device"], described["keys"]
        address = MeterAddress(
            fields["network_address"],
            fields["port"],
            fields["logical_device_address"],
            Framing(fields["transport"]),
        )
        with Meter.connect(
            address,
            security=Security(fields["security"]),
            keys=Keys(*(bytes.fromhex(keys[name]) for name in ("authentication_key", "encryption_key"))),
            counter=self._counters[meter.identification],
            client_system_title=CLIENT_TITLE,
            with_list_max=fields["with_list_max"],
            deadlines=DEADLINES,
        ) as association:
            yield VisitedMeter(
                identification=meter.identification,
                profile=meter.type.profile,
                association=association,
                time_zone=ZoneInfo(fields["timezone"]),
                channel=reading.channel,
                polyphase=meter.polyphase,
                settings=_find_settings(meter.quirks),
                knowledge=knowledge,
                visit_begin=NOW,
                earlier=earlier,
            )


def _find_settings(quirks: frozenset[Quirk]) -> MeterSettings:
    """What an operator has to say of a meter because nobody can find it out."""
    is_opposite = Quirk.OPPOSITE_DEVIATION in quirks
    return MeterSettings(
        with_list_max=32,
        deviation_sign=DeviationSign.OPPOSITE if is_opposite else DeviationSign.STANDARD,
        pause_between_connections=PAUSE_SECONDS if Quirk.PAUSE_NEEDED in quirks else 0.0,
    )


def _wait_until_free(meter: SimulatedMeter) -> None:
    """Until the meter has noticed that the association before is gone: it has one at a time."""
    give_up = time.monotonic() + _GIVE_UP
    while meter.memory.associated is not None and time.monotonic() < give_up:
        time.sleep(0.002)


@contextmanager
def _hurrying_hdlc() -> Iterator[None]:
    """Frames that get lost are asked for again soon: on this line answers take a millisecond."""
    link: Any = hdlc_link.HdlcLink
    usual = getattr(link, "pace", None)
    if usual is None:
        yield
        return
    link.pace = usual._replace(shortest=0.1, longest=0.1, quiet=0.05, first_pause=0.01, longest_pause=0.05)
    try:
        yield
    finally:
        link.pace = usual
