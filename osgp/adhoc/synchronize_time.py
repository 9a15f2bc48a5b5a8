"""SynchronizeTime: set the meter's clock to the platform's time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, NotRequired, TypedDict
from zoneinfo import ZoneInfo

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import TimeZoneField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.protocol_dlms.cosem_time import STANDARD_DEVIATION_LIMIT

TOLERANCE = timedelta(seconds=5)
"""By how much a clock may differ right after it was set: it may ignore fractions of a second, and run on."""


class SynchronizeTimeParameters(TypedDict):
    """Which time it is where the meter is."""

    timezone: NotRequired[
        Annotated[
            str,
            TimeZoneField(),
            "Zone of the meter's clock; the device's own when left out. Beyond 12 hours from UTC the clock "
            "is read back, as not every meter knows such zones.",
        ]
    ]


class SynchronizeTimeResult(TypedDict):
    """The time that the clock was set to."""

    time: Annotated[datetime, "What the clock was set to."]
    timezone: Annotated[str, TimeZoneField()]
    deviation: Annotated[int, "Minutes from local time to UTC, as set: -60 for UTC+1."]
    daylight_saving: Annotated[bool, "Whether the clock was set with daylight saving active."]


@register
class SynchronizeTime(MeterOperation[SynchronizeTimeParameters, SynchronizeTimeResult]):
    """Set the meter's clock to the current time of the platform, in a time zone.

    The deviation from UTC and the daylight saving bit go with it, so that the time is the right one also in
    the hour that comes twice when clocks go back. A zone given here becomes the device's own once the meter
    has accepted the time.

    The platform's time is that of its database. If the clock of the worker differs from it by more than two
    seconds, nothing is sent: fault 414, which is retried.
    """

    message = "SynchronizeTime"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    needs = ("CLOCK",)

    def perform(self, meter: VisitedMeter, parameters: SynchronizeTimeParameters) -> SynchronizeTimeResult:
        zone = ZoneInfo(parameters["timezone"]) if "timezone" in parameters else meter.time_zone
        # Repeating it does no harm only because the time is taken anew on each attempt.
        now = meter.read_platform_time()
        clock = CosemDateTime.from_datetime(now, zone)
        meter.set("CLOCK", "time", Data(DataType.OCTET_STRING, meter.clock.turn(clock).to_bytes()))
        if abs(clock.deviation) > STANDARD_DEVIATION_LIMIT:
            _check_time(meter, now)
        return {
            "time": now,
            "timezone": zone.key,
            "deviation": clock.deviation,
            "daylight_saving": clock.is_daylight_saving,
        }

    def list_device_changes(
        self, parameters: SynchronizeTimeParameters, result: SynchronizeTimeResult
    ) -> Mapping[str, Any]:
        return {"time_zone": result["timezone"]} if "timezone" in parameters else {}


def _check_time(meter: VisitedMeter, since: datetime) -> None:
    """Raise Fault 414 unless the clock shows the time, set at ``since``: it may not know such deviations."""
    shown = meter.clock.parse(meter.get("CLOCK", "time"), "The meter's clock")
    if not since - TOLERANCE <= shown <= meter.read_platform_time() + TOLERANCE:
        raise Fault(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            f"The meter accepted the time, but its clock shows {shown:%Y-%m-%d %H:%M:%S} UTC: it does not "
            "know a deviation of more than 12 hours.",
            component=Component.PROTOCOL_DLMS,
        )
