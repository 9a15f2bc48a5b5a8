"""SynchronizeTime: set the meter's clock to the platform's time."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.registry import register
from osgp.requests.serializers import DateTimeField, StrictSerializer, TimeZoneField


class SynchronizeTimeParameters(StrictSerializer):
    timezone = TimeZoneField(
        required=False, help_text="Zone of the meter's clock; the device's own when left out."
    )


class SynchronizeTimeResult(StrictSerializer):
    time = DateTimeField(help_text="What the clock was set to.")
    timezone = TimeZoneField()


@register
class SynchronizeTime(MeterOperation):
    """Set the meter's clock to the current time of the platform, in a time zone.

    The deviation from UTC and the daylight saving bit go with it. A zone given here becomes the device's own
    once the meter has accepted the time.
    """

    message = "SynchronizeTime"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    Parameters = SynchronizeTimeParameters
    Result = SynchronizeTimeResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        zone = ZoneInfo(parameters["timezone"]) if "timezone" in parameters else meter.time_zone
        # Repeating it does no harm only because the time is taken anew on each attempt.
        now = timezone.now()
        clock = CosemDateTime.from_datetime(now, zone).to_bytes()
        meter.association.set(meter.attribute("CLOCK"), Data(DataType.OCTET_STRING, clock))
        return {"time": now, "timezone": zone.key}

    def device_changes(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"time_zone": result["timezone"]} if "timezone" in parameters else {}
