"""Reading message logs, for FindMessageLogs, its resource and the pages."""

import uuid
from collections.abc import Collection, Container, Mapping
from datetime import datetime
from typing import Annotated, Any, TypedDict, cast

from django.db.models import QuerySet

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.devices.models import Device
from osgp.message_logs import models
from osgp.message_logs.models import MessageDirection
from osgp.messages.serializers import CharField, IntegerField
from osgp.messages.shapes import make_serializer
from osgp.protocol_dlms import Step
from osgp.requests.models import MeterSession, Request

GRANTED_TO = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT})
"""The function groups that may read the log of a device."""


class CarriedRequest(TypedDict):
    """A request that a failed call was to carry out."""

    correlation_uid: Annotated[str | None, CharField(max_length=36), "If it is the caller's own."]
    message: Annotated[str, CharField(max_length=64)]
    attempt: Annotated[int, IntegerField(min_value=1), "The number of this attempt, from 1."]


class CallFault(TypedDict):
    """Why a call failed."""

    code: int
    name: Annotated[str, CharField(max_length=64)]
    message: Annotated[str, CharField(max_length=1000, allow_blank=True)]
    component: Annotated[str, CharField(max_length=32)]
    retryable: Annotated[bool, "Whether another attempt may succeed."]


class FailedCall(TypedDict):
    """A call that did not come about, or ended before everything was done."""

    step: Annotated[Step, "How far it came."]
    network_address: Annotated[str, CharField(max_length=255, allow_blank=True), "What was dialled."]
    port: int
    logical_device_address: int
    fault: CallFault
    round_trips: Annotated[int, IntegerField(min_value=0), "Until it failed, as the octets."]
    bytes_sent: Annotated[int, IntegerField(min_value=0), "Octets, framing included."]
    bytes_received: Annotated[int, IntegerField(min_value=0), "Octets, framing included."]
    request_count: Annotated[int, IntegerField(min_value=0), "Requests that it was to carry out."]
    requests: Annotated[list[CarriedRequest], "The first 100 of them."]


class MessageLog(TypedDict):
    """One message to or from a meter, or a failed call."""

    at: Annotated[datetime, "When it was sent or received."]
    session: Annotated[str, CharField(max_length=36), "The visit that it belongs to."]
    number: Annotated[int, IntegerField(min_value=1), "Of the message within the visit."]
    direction: Annotated[
        MessageDirection, "SENT to the meter or RECEIVED from it; FAILED for a failed call, without octets."
    ]
    message: Annotated[
        str | None,
        CharField(max_length=64),
        "What was being carried out; null while the association was opened or released.",
    ]
    correlation_uid: Annotated[
        str | None,
        CharField(max_length=36),
        "Of the request that it belongs to, if it is the caller's own.",
    ]
    service: Annotated[
        str,
        CharField(max_length=48, allow_blank=True),
        "The name of the APDU, such as get-request-with-list; empty for a failed call.",
    ]
    length: Annotated[int, IntegerField(min_value=0), "Octets of the APDU."]
    apdu: Annotated[
        str,
        CharField(max_length=10_000, allow_blank=True),
        "The APDU without its protection, in hexadecimal, up to 4096 octets; ** for secret ones.",
    ]
    description: Annotated[
        str, CharField(max_length=10_000, allow_blank=True), "What it says, a line for each thing."
    ]
    failed_call: Annotated[FailedCall | None, "What is known of a failed call; null for a message."]


MessageLogSerializer = make_serializer(MessageLog)

_COLUMNS = {"from": "at__gte", "until": "at__lt", "direction": "direction"}


def list_messages(device: Device, filters: Mapping[str, object]) -> QuerySet[models.MessageLog]:
    """Return the device's log, latest first.

    ``filters`` are ``from`` (inclusive), ``until`` (exclusive) and ``direction``, all of them optional.
    """
    chosen = {_COLUMNS[name]: value for name, value in filters.items() if name in _COLUMNS}
    return models.MessageLog.objects.filter(device=device, **chosen).order_by("-at", "-pk")


def describe_messages(rows: Collection[models.MessageLog], organisation: Organisation) -> list[MessageLog]:
    """Return messages as callers of ``organisation`` see them, in one query."""
    own = find_own_requests(rows, organisation)
    return [
        {
            "at": row.at,
            "session": str(row.session_id),
            "number": row.number,
            "direction": MessageDirection(row.direction),
            "message": row.message or None,
            "correlation_uid": str(row.correlation_uid) if row.correlation_uid in own else None,
            "service": row.service,
            "length": row.length,
            "apdu": row.apdu,
            "description": row.description,
            "failed_call": _describe_call(row, own),
        }
        for row in rows
    ]


def _describe_call(row: models.MessageLog, own: Container[uuid.UUID]) -> FailedCall | None:
    if row.failed_call is None:
        return None
    requests = [
        {**carried, "correlation_uid": carried["correlation_uid"] if uid in own else None}
        for uid, carried in row.list_carried()
    ]
    return cast(FailedCall, {**row.failed_call, "requests": requests})


def find_own_requests(
    rows: Collection[models.MessageLog], organisation: Organisation | None
) -> dict[uuid.UUID, int]:
    """Return the keys of the organisation's requests (None: of all requests) in ``rows``, by UID."""
    uids = {row.correlation_uid for row in rows if row.correlation_uid is not None}
    uids |= {uid for row in rows for uid, _ in row.list_carried()}
    requests = Request.objects.filter(correlation_uid__in=uids)
    if organisation is not None:
        requests = requests.filter(organisation=organisation)
    return dict(requests.values_list("correlation_uid", "pk"))


def find_failed_call(visit: MeterSession) -> models.MessageLog | None:
    """Return the failed call that ended a visit, from the log of its meter; None if there was none."""
    rows = models.MessageLog.objects.filter(session=visit.pk, device=visit.meter_id)
    return rows.filter(direction=MessageDirection.FAILED).first()


def list_carried(
    row: models.MessageLog, organisation: Organisation | None
) -> list[tuple[dict[str, Any], int | None]]:
    """Return the requests of a failed call, each with its key if it is the organisation's (None: any)."""
    own = find_own_requests([row], organisation)
    return [(carried, own.get(uid)) for uid, carried in row.list_carried()]


def list_logged_devices(session_id: uuid.UUID, organisation: Organisation | None) -> QuerySet[Device]:
    """Return the devices with a visit in their logs that the organisation (None: an operator) may read."""
    devices = Device.objects.all() if organisation is None else list_granted_devices(organisation, GRANTED_TO)
    logged = models.MessageLog.objects.filter(session=session_id).values("device")
    return devices.filter(pk__in=logged).order_by("identification")


def count_characters(row: models.MessageLog) -> int:
    """Return the length of a message's texts."""
    return len(row.apdu) + len(row.description)
