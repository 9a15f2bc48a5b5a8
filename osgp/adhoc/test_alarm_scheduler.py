"""TestAlarmScheduler: have a meter send a test alarm at a given time."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject, Profile
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.serializers import ChoiceField, DateTimeField, StrictSerializer, TimeZoneField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType

EXECUTION_TIME = 4
_WEEKDAY_UNSPECIFIED = 0xFF


class TestAlarmType(StrEnum):
    """The alarms that can be tested."""

    PARTIAL_POWER_OUTAGE = "PARTIAL_POWER_OUTAGE"
    LAST_GASP = "LAST_GASP"


SCHEDULERS = {
    TestAlarmType.PARTIAL_POWER_OUTAGE: "PHASE_OUTAGE_TEST",
    TestAlarmType.LAST_GASP: "LAST_GASP_TEST",
}


class TestAlarmSchedulerParameters(StrictSerializer):
    alarm_type = ChoiceField(TestAlarmType)
    test_time = DateTimeField(
        help_text="When the meter is to send the alarm, to the second; in the future. The common field "
        "schedule_time says when the meter is told of it."
    )


class TestAlarmSchedulerResult(StrictSerializer):
    alarm_type = ChoiceField(TestAlarmType)
    test_time = DateTimeField(help_text="As the meter was told, in whole seconds.")
    timezone = TimeZoneField(help_text="In which the meter was told.")


@register
class TestAlarmScheduler(MeterOperation):
    """Have a polyphase meter send a test alarm at a given time: partial power outage (SMR 5.1 and later) or
    last gasp (SMR 5.5).

    A test that was planned before and not carried out yet is replaced. The meter's scheduler goes by local
    time without a deviation, so that the hour which comes twice when clocks go back cannot be used.
    """

    message = "TestAlarmScheduler"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    bundleable = False
    Parameters = TestAlarmSchedulerParameters
    Result = TestAlarmSchedulerResult

    def supports(self, profile: Profile) -> bool:
        return any(tag in profile for tag in SCHEDULERS.values())

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        _scheduler(device.profile, device.polyphase, device.identification, parameters["alarm_type"])
        _local_time(parameters["test_time"], ZoneInfo(device.time_zone))

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        alarm_type = parameters["alarm_type"]
        scheduler = _scheduler(meter.profile, meter.polyphase, meter.identification, alarm_type)
        local = _local_time(parameters["test_time"], meter.time_zone)
        meter.association.set(scheduler.attribute(EXECUTION_TIME), _execution_time(local))
        return {"alarm_type": alarm_type, "test_time": local, "timezone": meter.time_zone.key}


def _scheduler(profile: Profile, polyphase: bool, identification: str, alarm_type: str) -> CosemObject:
    tag = SCHEDULERS[TestAlarmType(alarm_type)]
    if tag in profile and profile[tag].supports(polyphase=polyphase):
        return profile[tag]
    phases = "polyphase" if polyphase else "single-phase"
    raise Fault(
        FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
        f"{alarm_type} cannot be tested on {phases} {profile.key} meters such as {identification}.",
        pointer="/alarm_type",
    )


def _local_time(test_time: datetime, zone: ZoneInfo) -> datetime:
    """The time in the meter's zone, to the second. Raises Fault for one that has passed or cannot be told."""
    if test_time <= timezone.now():
        raise _refused("The time of the test has to be in the future.")
    local = test_time.astimezone(zone).replace(microsecond=0)
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        raise _refused(f"{local:%H:%M} comes twice on that day in {zone.key}; the meter cannot tell which.")
    return local


def _refused(message: str) -> Fault:
    return Fault(FaultCode.VALIDATION_ERROR, message, pointer="/test_time")


def _execution_time(local: datetime) -> Data:
    """One date and time for a single action schedule: hundredths are to be zero (Blue Book, class 22)."""
    time = bytes((local.hour, local.minute, local.second, 0))
    date = local.year.to_bytes(2, "big") + bytes((local.month, local.day, _WEEKDAY_UNSPECIFIED))
    entry = (Data(DataType.OCTET_STRING, time), Data(DataType.OCTET_STRING, date))
    return Data(DataType.ARRAY, (Data(DataType.STRUCTURE, entry),))
