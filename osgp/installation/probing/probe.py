"""One probe of a meter over its association: what it found so far, and how long the meter took to answer."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple, TypeVar

from osgp.catalogue.communication import DeviationSign
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.installation.probing.findings import Findings, describe_visited
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, errors

LEAST_SECONDS = 60.0
"""Seconds of the session below which nothing further is tried."""

T = TypeVar("T")


class Probe:
    """What is known of a meter while it is probed."""

    def __init__(self, meter: VisitedMeter) -> None:
        self.meter = meter
        self.findings = Findings(describe_visited(meter))
        self.seconds: list[float] = []
        """How long each exchange took that was measured."""
        self.sign: DeviationSign = meter.settings.deviation_sign
        """The sign of deviations, as far as it is known."""
        self.clock_ahead = timedelta()
        """How far the clock of the meter is ahead of the platform's."""
        self.counter_objects: list[bytes] = []
        """Logical names of invocation counters that the meter lists."""

    def measure(self, exchange: Callable[[], T]) -> T:
        """Carry out one exchange and note how long it took, unless it fails."""
        begun = time.monotonic()
        answer = exchange()
        self.seconds.append(time.monotonic() - begun)
        return answer

    def get(self, attribute: AttributeDescriptor) -> Data | Fault:
        """Read one attribute, measured. Raises errors that end the association."""
        try:
            return self.measure(lambda: self.meter.association.get(attribute))
        except errors.DlmsError as error:
            if not self.meter.association.is_open:
                raise
            return error

    def run(self, part: "Part") -> None:
        """Carry out a part of the probe. What it fails at is found out about its settings."""
        association = self.meter.association
        if not association.is_open:
            self._excuse(part, "Was not tried: the connection was lost before.")
            return
        if association.seconds_left < LEAST_SECONDS:
            self._excuse(part, "Was not tried: there was no time left.")
            return
        try:
            part.find(self)
        except errors.DlmsError as error:
            lost = "" if association.is_open else " The connection was lost at it."
            self._excuse(part, f"Could not be found out: {error.message}.{lost}")
        except Fault as fault:
            self._excuse(part, f"Could not be found out: {fault.message}")

    def _excuse(self, part: "Part", seen: str) -> None:
        for setting in part.settings:
            if not self.findings.has(setting):
                self.findings.add(setting, seen)


class Part(NamedTuple):
    """A part of a probe, and the settings that it finds something about."""

    settings: Sequence[str]
    find: Callable[[Probe], None]


def count(number: int, what: str) -> str:
    """Say how many: ``1 row``, ``3 rows``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
