"""Makes the rest: what is told of its devices, their alarms, readings, firmware and notes."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from osgp.alarms.models import Alarm, AlarmGroup, AlarmRule, ReceivedPush
from osgp.completeness.models import AcceptedGap, AnsweredGap, CountedDay, CountedDevice, DayTotal, Kind
from osgp.devices.models import Device
from osgp.events.models import Event, EventKind
from osgp.firmware.models import FirmwareModuleType, FirmwareVersion
from osgp.messages.readings import Period
from osgp.metrics.models import HourlyOutcome
from osgp.notifications import endpoints
from osgp.notifications.models import Endpoint
from osgp.readings.models import Completeness, FormerClaim, Series
from osgp.requests.models import (
    RequestState,
)
from osgp.system_notes.kinds import KINDS
from osgp.system_notes.models import SystemNote
from tests.notifications.rows import make_delivery
from tests.readings.columns import AMSTERDAM, column, deliver, interval_ends
from tests.tenants.estate import APPLICATION, FAULT, HIGH, NAME, Estate


def add_what_was_told(estate: Estate) -> None:
    """Webhooks with secrets, deliveries, events, and what a person did in the admin."""
    made = []
    for _ in range(2):
        body = {"url": "https://aquarius.example/hook", "description": NAME}
        made.append(endpoints.register(estate.organisation, body, by=APPLICATION)[0])
    Endpoint.objects.filter(organisation=estate.organisation).update(last_error=NAME)
    data = {"device_identification": estate.meter.identification, "message": "ActualMeterReads"}
    for number in (HIGH + 1, HIGH):
        make_delivery(
            made[-1],
            pk=number,
            subject=uuid.UUID(estate.outcomes["ActualMeterReads"]),
            device_identification=estate.meter.identification,
            data=data,
            state="FAILED",
            finished_at=timezone.now(),
        )
    Event.objects.create(
        organisation=estate.organisation,
        kind=EventKind.SYSTEM_EVENT,
        subject=uuid.uuid4(),
        device_identification=estate.meter.identification,
        data=data,
    )
    estate.names |= {"endpoint": str(made[-1].uid), "delivery": str(HIGH)}
    estate.names["subject"] = estate.outcomes["ActualMeterReads"]
    LogEntry.objects.create(
        user=estate.user,
        content_type=ContentType.objects.get_for_model(Device),
        object_id=str(estate.meter.pk),
        object_repr=estate.meter.identification,
        action_flag=CHANGE,
        change_message=NAME,
    )


def add_alarms(estate: Estate) -> None:
    now = timezone.now()
    group = AlarmGroup.objects.create(
        organisation=estate.organisation,
        network=estate.meter.network,
        kind="POWER_UP",
        first_at=now,
        last_at=now,
        number=2,
        unacknowledged=2,
    )
    push = ReceivedPush.objects.create(
        received_at=now,
        transport="TCP",
        source_address="192.0.2.7",
        source_port=4059,
        octets=b"\x0f",
        outcome="ALARM",
        device=estate.meter,
        details={"reason": NAME},
    )
    for number in range(2):
        alarm = Alarm.objects.create(
            device=estate.meter,
            group=group,
            push=push,
            received_at=now - timedelta(seconds=number),
            trigger=NAME,
            alarm_types=["POWER_UP"],
        )
        AlarmRule.objects.create(
            organisation=estate.organisation,
            name=f"aquarius-{number}",
            alarm_type="POWER_UP",
            message="SynchronizeTime",
            last_fault=FAULT,
        )
    estate.names |= {"alarm": str(alarm.uid), "rule": "aquarius-1", "alarm_group": str(group.pk)}


def add_readings(estate: Estate) -> None:
    """Those of yesterday, but for some intervals; what is counted and accepted of them."""
    day = timezone.now().astimezone(AMSTERDAM).date() - timedelta(days=1)
    ends = interval_ends(day)
    uid = uuid.UUID(estate.outcomes["PeriodicMeterReads"])
    deliver(estate.meter, column(ends[:40], [741_296_000 + number for number in range(40)]), uid=uid)
    [series] = Series.objects.filter(device=estate.meter)
    organisation = estate.organisation.pk
    for kind, key in ((Kind.ALL, ""), (Kind.GROUP, str(HIGH)), (Kind.NETWORK, str(estate.meter.network_id))):
        for name, number in {"METERS": 1, "EXPECTED": 96, "RECEIVED": 40, "NEVER_ASKED": 56}.items():
            DayTotal.objects.create(
                organisation_id=organisation,
                kind=kind,
                key=key,
                period=Period.INTERVAL,
                day=day,
                name=name,
                number=number,
            )
    CountedDevice.objects.create(device=estate.meter, scopes="", basis="", until=day)
    CountedDay.objects.create(
        device_id=estate.meter.pk, period=Period.INTERVAL, day=day, expected=96, late=0, missing={}
    )
    AcceptedGap.objects.create(
        device=estate.meter,
        period=Period.INTERVAL,
        first_interval_end=ends[50],
        last_interval_end=ends[60],
        organisation=estate.organisation,
        accepted_by=APPLICATION,
        accepted_at=timezone.now(),
        comment=NAME,
    )
    AnsweredGap.objects.create(
        device=estate.meter,
        period=Period.INTERVAL,
        first_interval_end=ends[61],
        last_interval_end=ends[70],
        correlation_uid=uid,
    )
    # Read again, one value was another one.
    deliver(estate.meter, column(ends[:1], [741_296_999]), uid=uid)
    assert FormerClaim.objects.filter(series=series).exists()
    Completeness.objects.get_or_create(series_id=series.pk, month=day.replace(day=1), full_days=0)
    estate.names |= {"first_day": day.isoformat()}


def add_what_is_known(estate: Estate) -> None:
    """Firmware, system notes, and how requests ended."""
    now = timezone.now()
    for version, is_current in (("aquarius-1.0", False), ("aquarius-2.0", True)):
        FirmwareVersion.objects.create(
            device=estate.meter,
            module_type=FirmwareModuleType.ACTIVE_FIRMWARE,
            version=version,
            since=now,
            last_seen=now,
            is_current=is_current,
        )
    for kind in list(KINDS)[:2]:
        SystemNote.objects.create(
            device=estate.meter,
            kind=kind.name,
            text=NAME,
            what_to_do=NAME,
            first_seen_at=now,
            last_seen_at=now,
            last_correlation_uid=estate.outcomes["ActualMeterReads"],
        )
    zero: Mapping[str, Any] = {"duration": 0, "started": 1, "wait": 0}
    HourlyOutcome.objects.create(
        hour=now.replace(minute=0, second=0, microsecond=0),
        organisation=estate.organisation,
        message="ActualMeterReads",
        state=RequestState.SUCCEEDED,
        fault_code=0,
        number=1,
        **zero,
    )
    estate.names["firmware"] = "aquarius-2.0"
