"""The odd messages."""

import os
import signal
import time
from typing import Any

from osgp.messages.operation import MeterOperation, Operation, Service
from osgp.messages.shapes import NoParameters, NoResult
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import CosemDateTime, Data, DataType


class CountedStep(MeterOperation[NoParameters, NoResult]):
    """Must not be repeated, and the simulated meter counts it: one SET, between two GETs."""

    message = "CountedStep"
    service = Service.ADHOC
    repeatable = False

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        clock = meter.get("CLOCK", "time").value
        assert isinstance(clock, bytes)
        meter.set("CLOCK", "time", Data(DataType.OCTET_STRING, clock))
        assert CosemDateTime.from_bytes(meter.get("CLOCK", "time").value).to_datetime() is not None
        return {}


class DeadlyStep(MeterOperation[NoParameters, NoResult]):
    """Kills the process that carries it out, as a bug in a C extension or the OOM killer would."""

    message = "DeadlyStep"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        self.kill()
        return {}

    @staticmethod
    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class BlockingStep(MeterOperation[NoParameters, NoResult]):
    """Holds up all greenlets of its process."""

    message = "BlockingStep"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        from gevent.monkey import get_original

        get_original("time", "sleep")(600)
        return {}


class LongStep(MeterOperation[NoParameters, NoResult]):
    """Keeps a visit busy for very long, while everything else of the process goes on."""

    message = "LongStep"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        meter.get("CLOCK", "time")
        time.sleep(600)
        return {}


class SlowStep(MeterOperation[NoParameters, NoResult]):
    """Takes its time, so that whatever happens to the process happens in the middle of it."""

    message = "SlowStep"
    service = Service.ADHOC
    seconds = 6.0

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        time.sleep(self.seconds)
        meter.get("CLOCK", "time")
        return {}


ODD_MESSAGES: tuple[type[Operation[Any, Any]], ...] = (
    CountedStep,
    DeadlyStep,
    BlockingStep,
    LongStep,
    SlowStep,
)
