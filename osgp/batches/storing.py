"""Making the requests of a batch, thousands in one transaction."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from osgp.batches.models import Batch, SkippedDevice
from osgp.batches.targets import Refused
from osgp.devices.models import Device
from osgp.requests import wakeup
from osgp.requests.models import Action, Request, RequestState

ROWS_PER_STATEMENT = 1000


@transaction.atomic
def store(batch: Batch, devices: Sequence[Device], refused: Iterable[Refused] = ()) -> None:
    """Make a request for each device, remember the refused ones, and wake the dispatcher.

    All requests bear the batch's time of creation, so that the organisation's list of requests finds them
    side by side.
    """
    now = database_time(batch)
    action_parameters = batch.parameters
    requests = [_request(batch, device, now) for device in devices]
    Request.objects.bulk_create(requests, batch_size=ROWS_PER_STATEMENT)
    Action.objects.bulk_create(
        [
            Action(
                request=request,
                message=batch.message,
                device_id=request.device_id,
                parameters=action_parameters,
            )
            for request in requests
        ],
        batch_size=ROWS_PER_STATEMENT,
    )
    SkippedDevice.objects.bulk_create(
        [
            SkippedDevice(
                batch=batch,
                position=position,
                device_identification=identification,
                fault=fault.as_dict(),
            )
            for position, identification, fault in refused
        ],
        batch_size=ROWS_PER_STATEMENT,
    )
    wakeup.notify()


def database_time(batch: Batch) -> datetime:
    """The database's clock, which decides what is due; a process's own may be ahead of it."""
    now: datetime = Batch.objects.filter(pk=batch.pk).values_list(Now(), flat=True).get()
    return now


def offset(key: str, identification: str, window: timedelta) -> timedelta:
    """A device's own moment in a window: always the same for a key, and evenly spread over devices."""
    digest = hashlib.blake2b(f"{key}/{identification}".encode(), digest_size=6).digest()
    return window * (int.from_bytes(digest, "big") / 2**48)


def _request(batch: Batch, device: Device, now: datetime) -> Request:
    schedule_time = batch.schedule_time
    if batch.spread:
        key = str(batch.recurring_id or batch.uid)
        begin = schedule_time or batch.created_at
        schedule_time = begin + offset(key, device.identification, batch.spread)
    is_due = schedule_time is None or schedule_time <= now
    return Request(
        organisation_id=batch.organisation_id,
        application=batch.application,
        message=batch.message,
        device_identification=device.identification,
        device=device,
        meter_id=device.gateway_id or device.pk,
        batch=batch,
        priority=batch.priority,
        effective_priority=batch.priority,
        schedule_time=schedule_time,
        max_schedule_time=batch.max_schedule_time,
        bypass_retry=batch.bypass_retry,
        state=RequestState.QUEUED if is_due else RequestState.SCHEDULED,
        due_at=now if schedule_time is None or is_due else schedule_time,
        created_at=batch.created_at,
    )
