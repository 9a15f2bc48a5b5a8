"""TestAlarmScheduler: have a meter send a test alarm at a given time."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypedDict
from zoneinfo import ZoneInfo

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.needs import Needs, any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import TimeZoneField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType

_WEEKDAY_UNSPECIFIED = 0xFF


class TestAlarmType(StrEnum):
    """The alarms that can be tested."""

    PARTIAL_POWER_OUTAGE = "PARTIAL_POWER_OUTAGE"
    LAST_GASP = "LAST_GASP"


SCHEDULERS = {
    TestAlarmType.PARTIAL_POWER_OUTAGE: "PHASE_OUTAGE_TEST",
    TestAlarmType.LAST_GASP: "LAST_GASP_TEST",
}


class TestAlarmSchedulerParameters(TypedDict):
    """Which alarm, and when."""

    alarm_type: TestAlarmType
    test_time: Annotated[
        datetime,
        "When the meter is to send the alarm, to the second; in the future. The common field "
        "schedule_time says when the platform sends it to the meter.",
    ]


class TestAlarmSchedulerResult(TypedDict):
    """The test that is planned."""

    alarm_type: TestAlarmType
    test_time: Annotated[datetime, "As sent to the meter, in whole seconds."]
    timezone: Annotated[str, TimeZoneField(), "The zone of the local time that was sent to the meter."]


@register
class TestAlarmScheduler(MeterOperation[TestAlarmSchedulerParameters, TestAlarmSchedulerResult]):
    """Have a polyphase meter send a test alarm at a given time: partial power outage or last gasp,
    as far as it has a scheduler for it.

    A test that was planned before and not carried out yet is replaced. The meter's scheduler uses local
    time without a deviation, so the hour that comes twice when clocks go back cannot be used.
    """

    message = "TestAlarmScheduler"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    bundleable = False
    needs = (any_of(*SCHEDULERS.values()),)

    def list_needs(self, parameters: TestAlarmSchedulerParameters) -> Mapping[str, Needs]:
        return {"alarm_type": (SCHEDULERS[parameters["alarm_type"]],)}

    def check_device(self, device: Device, parameters: TestAlarmSchedulerParameters) -> None:
        alarm_type = parameters["alarm_type"]
        _check_phases(
            device.profile[SCHEDULERS[alarm_type]], alarm_type, device.polyphase, device.identification
        )
        _find_local_time(parameters["test_time"], ZoneInfo(device.time_zone), platform_time.now())

    def perform(
        self, meter: VisitedMeter, parameters: TestAlarmSchedulerParameters
    ) -> TestAlarmSchedulerResult:
        alarm_type = parameters["alarm_type"]
        tag = SCHEDULERS[alarm_type]
        _check_phases(meter.find_object(tag), alarm_type, meter.polyphase, meter.identification)
        local = _find_local_time(parameters["test_time"], meter.time_zone, meter.read_platform_time())
        meter.set(tag, "execution_time", _encode_execution_time(local))
        return {"alarm_type": alarm_type, "test_time": local, "timezone": meter.time_zone.key}


def _check_phases(
    scheduler: CosemObject, alarm_type: TestAlarmType, polyphase: bool, identification: str
) -> None:
    """Raises Fault 416 for a meter whose number of phases goes without the scheduler."""
    if not scheduler.supports(polyphase=polyphase):
        phases = "polyphase" if polyphase else "single-phase"
        raise Fault(
            FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
            f"{alarm_type} cannot be tested on {phases} meters such as {identification}.",
            pointer="/alarm_type",
        )


def _find_local_time(test_time: datetime, zone: ZoneInfo, now: datetime) -> datetime:
    """The time in the meter's zone, to the second. Raises Fault 401 if it has passed or is ambiguous."""
    if test_time <= now:
        raise _make_refusal("The time of the test has to be in the future.")
    local = test_time.astimezone(zone).replace(microsecond=0)
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        raise _make_refusal(
            f"{local:%H:%M} comes twice on that day in {zone.key}; the meter cannot tell which."
        )
    return local


def _make_refusal(message: str) -> Fault:
    return Fault(FaultCode.VALIDATION_ERROR, message, pointer="/test_time")


def _encode_execution_time(local: datetime) -> Data:
    """One date and time for a single action schedule: hundredths are to be zero (Blue Book, class 22)."""
    time = bytes((local.hour, local.minute, local.second, 0))
    date = local.year.to_bytes(2, "big") + bytes((local.month, local.day, _WEEKDAY_UNSPECIFIED))
    entry = (Data(DataType.OCTET_STRING, time), Data(DataType.OCTET_STRING, date))
    return Data(DataType.ARRAY, (Data(DataType.STRUCTURE, entry),))
