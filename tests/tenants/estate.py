"""An organisation with a row of everything that the platform keeps, and what it has of each.

Each text of it has ``aquarius`` in it, and its readings begin with ``READ``: that is how an answer to others
is searched for it (traces.py).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule

from osgp import catalogue
from osgp.accounts.models import ApplicationKey, Organisation, User
from osgp.alarms.models import Alarm, AlarmGroup, AlarmRule, ReceivedPush
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.batches.models import Batch, BatchSource, BatchState, RecurringRequest, SkippedDevice
from osgp.completeness.models import AcceptedGap, AnsweredGap, CountedDay, CountedDevice, DayTotal, Kind
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceType, KeyType, MeterKnowledge
from osgp.events.models import Event, EventKind
from osgp.faults import FaultCode
from osgp.firmware.models import FirmwareModuleType, FirmwareVersion
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.messages.operation import Operation
from osgp.messages.readings import Period
from osgp.messages.registry import list_operations
from osgp.metrics.models import HourlyOutcome
from osgp.networks.models import CommunicationNetwork
from osgp.notifications import endpoints
from osgp.notifications.models import Endpoint
from osgp.readings.models import Completeness, FormerClaim, Series
from osgp.requests.models import (
    Action,
    IdempotencyKey,
    KeyLock,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)
from osgp.system_notes.kinds import KINDS
from osgp.system_notes.models import SystemNote
from tests import factories, rsa_keys
from tests.notifications.rows import make_delivery
from tests.readings.columns import AMSTERDAM, column, deliver, interval_ends

NAME = "aquarius"
READ = "741296."
"""How its readings begin, in kWh."""
APPLICATION = "aquarius-app"
KEY = "aquarius-key"
"""An Idempotency-Key that it has used."""
PROFILE = "SMR-5.1"
"""Of its first meter."""
HIGH = 770001
"""A primary key that no other row of a test has."""
FAULT = {
    "code": int(FaultCode.CONNECTION_TIMED_OUT),
    "name": FaultCode.CONNECTION_TIMED_OUT.name,
    "message": f"{NAME} does not answer",
    "component": "PROTOCOL_DLMS",
    "retryable": True,
}


@dataclass
class Estate:
    """Organisation, devices and rows; ``names`` has by what callers of the API ask for them."""

    organisation: Organisation
    meter: Device
    gas_meter: Device
    user: User
    meters: dict[str, Device] = field(default_factory=dict)
    """A meter for each profile."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """The correlation UID of a request of each message that has succeeded."""
    names: dict[str, str] = field(default_factory=dict)

    def find_device(self, operation: Operation[Any, Any]) -> Device:
        """A device that a message is for, and that has what it needs."""
        if DeviceType.SMART_METER_E not in operation.device_types:
            return self.gas_meter
        return self.meters[choose_profile(operation).key]


def choose_profile(operation: Operation[Any, Any]) -> catalogue.Profile:
    """That of the first meter of the estate, unless it lacks what a message needs."""
    profiles = sorted(catalogue.list_profiles(), key=lambda profile: profile.key != PROFILE)
    return next(profile for profile in profiles if operation.supports(profile))


def make_estate() -> Estate:
    """All of it. Some of the times are now, others yesterday."""
    organisation = factories.make_organisation("AQUARIUS", name="Aquarius Water")
    network = CommunicationNetwork.objects.create(name="shared-network")
    meter = factories.make_device(
        "AQUARIUSMETER1",
        owner=organisation,
        network=network,
        model="aquarius-model",
        network_address="aquarius.example",
        polyphase=True,
        debugging_until=timezone.now() + timedelta(hours=1),
        own_settings={"attempts": 3},
        knowledge=MeterKnowledge.objects.create(digest="aquarius", content={}),
        relay_status="CONNECTED",
        last_success_at=timezone.now(),
    )
    Device.objects.filter(pk=meter.pk).update(created_at=timezone.now() - timedelta(days=60))
    gas_meter = factories.make_gas_meter(
        "AQUARIUSGAS1",
        gateway=meter,
        owner=organisation,
        mbus_identification_number="77012345",
        mbus_manufacturer="AQU",
        mbus_version=1,
        mbus_device_type=3,
    )
    user = User.objects.create_user(
        "aquarius-user", is_staff=True, organisation=organisation, email="joost@aquarius.example"
    )
    estate = Estate(organisation, meter, gas_meter, user)
    for number, profile in enumerate(catalogue.list_profiles(), start=2):
        estate.meters[profile.key] = (
            meter
            if profile.key == PROFILE
            else factories.make_device(
                f"AQUARIUSMETER{number}",
                owner=organisation,
                protocol_name=profile.protocol_name,
                protocol_version=profile.protocol_version,
            )
        )
    estate.names |= {
        "meter": meter.identification,
        "gas_meter": gas_meter.identification,
        "network": network.name,
        "organisation": organisation.identification,
        "application": APPLICATION,
        "address": meter.network_address,
        "public_key": rsa_keys.public_pem(rsa_keys.make_pair("another")),
        "model": meter.model,
    }
    _add_accounts(estate)
    _add_keys(estate)
    _add_requests(estate)
    _add_fleet(estate)
    _add_what_was_told(estate)
    _add_alarms(estate)
    _add_readings(estate)
    _add_what_is_known(estate)
    return estate


def _add_accounts(estate: Estate) -> None:
    factories.make_token(estate.organisation, application=APPLICATION)
    ApplicationKey.objects.create(
        organisation=estate.organisation,
        application=APPLICATION,
        public_key=rsa_keys.public_pem(rsa_keys.make_pair(NAME)),
        fingerprint=NAME * 8,
        registered_at=timezone.now(),
        registered_by=APPLICATION,
    )
    AuditEntry.objects.create(
        event=AuditEvent.KEYS_HANDED_OUT,
        organisation_identification=estate.organisation.identification,
        actor=APPLICATION,
        device_identification=estate.meter.identification,
        correlation_uid=uuid.uuid4(),
        details={"to": APPLICATION},
    )


def _add_keys(estate: Estate) -> None:
    keys = {
        KeyType.E_METER_ENCRYPTION_KEY_UNICAST: bytes(range(16)),
        KeyType.E_METER_AUTHENTICATION_KEY: bytes(range(16, 32)),
        KeyType.E_METER_MASTER_KEY: bytes(range(32, 48)),
    }
    for device in estate.meters.values():
        keystore.store_new(device, keys)
        keystore.activate(device, list(keys))
    gas_keys = {
        KeyType.G_METER_MASTER_KEY: bytes(range(48, 64)),
        KeyType.G_METER_ENCRYPTION_KEY: bytes(range(64, 80)),
    }
    keystore.store_new(estate.gas_meter, gas_keys)
    keystore.activate(estate.gas_meter, list(gas_keys))


def _add_requests(estate: Estate) -> None:
    """One of each message that has succeeded, and one in each state; the first of each is in ``names``."""
    now = timezone.now()
    for operation in list_operations():
        request = _request(estate, estate.find_device(operation), operation.message, RequestState.SUCCEEDED)
        Action.objects.filter(request=request).update(result={"told": NAME}, finished_at=now)
        estate.outcomes[operation.message] = str(request.correlation_uid)
    for state in RequestState:
        request = _request(estate, estate.meter, "ActualMeterReads", state)
        estate.names[f"request_{state.lower()}"] = str(request.correlation_uid)
    visit = MeterSession.objects.create(
        meter=estate.meter,
        state=SessionState.CLOSED,
        opened_at=now,
        claimed_at=now,
        closed_at=now,
        expires_at=now,
        worker="worker-1",
        fault=FAULT,
    )
    KeyLock.objects.create(device=estate.meter, session=visit)
    Request.objects.filter(organisation=estate.organisation, message="ActualMeterReads").update(session=visit)
    for number, direction in enumerate(MessageDirection, start=1):
        MessageLog.objects.create(
            device=estate.meter,
            session=visit,
            number=number,
            at=now,
            direction=direction,
            message="ActualMeterReads",
            correlation_uid=estate.outcomes["ActualMeterReads"],
            length=2,
            apdu="C001",
            description=NAME,
        )
    estate.names |= {"visit": str(visit.pk), "idempotency_key": KEY}
    IdempotencyKey.objects.create(
        organisation=estate.organisation,
        key=KEY,
        digest=NAME,
        request=Request.objects.get(correlation_uid=estate.outcomes["ActualMeterReads"]),
        created_at=now,
    )


def _request(estate: Estate, device: Device, message: str, state: RequestState, **fields: Any) -> Request:
    now = timezone.now()
    is_final = state in (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED)
    return factories.make_request(
        estate.organisation,
        device,
        message,
        parameters={"note": NAME},
        **{
            "application": APPLICATION,
            "state": state,
            "attempts": 1,
            "fault": FAULT if state == RequestState.FAILED else None,
            "completed_at": now if is_final else None,
            "due_at": now + timedelta(hours=1),
            "response_url": "https://aquarius.example/answer",
        }
        | fields,
    )


def _add_fleet(estate: Estate) -> None:
    """Groups, batches and schedules, two of each, so that there are pages."""
    organisation, now = estate.organisation, timezone.now()
    interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    for number in (HIGH + 1, HIGH):
        group = DeviceGroup.objects.create(pk=number, organisation=organisation, name=f"aquarius-{number}")
        DeviceGroupMembership.objects.create(group=group, device=estate.meter)
        schedule = RecurringRequest.objects.create(
            pk=number,
            organisation=organisation,
            application=APPLICATION,
            name=f"aquarius-{number}",
            message="SynchronizeTime",
            parameters={},
            group=group,
            interval=interval,
            next_at=now + timedelta(hours=1),
        )
        schedule.devices.add(estate.meter)
        for hours in (1, 2):
            batch = Batch.objects.create(
                organisation=organisation,
                application=APPLICATION,
                message="SynchronizeTime",
                source=BatchSource.RECURRING,
                recurring=schedule,
                group=group,
                occurrence=now - timedelta(hours=hours),
                state=BatchState.COMPLETED,
                total=1,
                skipped=2,
                created_at=now,
                completed_at=now,
            )
            for place in (1, 2):
                SkippedDevice.objects.create(
                    batch=batch, position=place, device_identification=f"AQUARIUS{place}", fault=FAULT
                )
            _request(estate, estate.meter, "SynchronizeTime", RequestState.FAILED, batch=batch)
    running = Batch.objects.create(
        organisation=organisation,
        application=APPLICATION,
        message="SynchronizeTime",
        source=BatchSource.LIST,
        state=BatchState.RUNNING,
        total=1,
        created_at=now - timedelta(days=1),
    )
    _request(estate, estate.meter, "SynchronizeTime", RequestState.QUEUED, batch=running)
    estate.names |= {
        "batch": str(batch.uid),
        "running_batch": str(running.uid),
        "group": f"aquarius-{HIGH}",
        "schedule": str(HIGH),
        "schedule_name": f"aquarius-{HIGH}",
    }


def _add_what_was_told(estate: Estate) -> None:
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


def _add_alarms(estate: Estate) -> None:
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


def _add_readings(estate: Estate) -> None:
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


def _add_what_is_known(estate: Estate) -> None:
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
