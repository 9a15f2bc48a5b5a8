"""Makes an organisation with a row of everything that is kept: accounts, keys, requests, fleets."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_celery_beat.models import IntervalSchedule

from osgp import catalogue
from osgp.accounts.models import ApplicationKey, User
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.batches.models import Batch, BatchSource, BatchState, RecurringRequest, SkippedDevice
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType, MeterKnowledge
from osgp.message_logs.models import MessageDirection, MessageLog
from osgp.messages.registry import list_operations
from osgp.networks.models import CommunicationNetwork
from osgp.requests.models import (
    Action,
    IdempotencyKey,
    KeyLock,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)
from tests import factories, rsa_keys
from tests.tenants.estate import APPLICATION, FAULT, HIGH, KEY, NAME, PROFILE, Estate
from tests.tenants.told import add_alarms, add_readings, add_what_is_known, add_what_was_told


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
    add_what_was_told(estate)
    add_alarms(estate)
    add_readings(estate)
    add_what_is_known(estate)
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
    for event in (AuditEvent.KEYS_HANDED_OUT, AuditEvent.KEYS_REPLACED):
        AuditEntry.objects.create(
            event=event,
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
        organisation=estate.organisation,
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
