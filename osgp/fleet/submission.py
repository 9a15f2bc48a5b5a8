"""The way in for batches: one message with its parameters, or a bundle, and a list or a group of devices.

Everything is checked as for a single request, the parameters once and the devices in bulk. A list of up to
10,000 devices is stored at once; the requests of a group are made in the background (creation.py).
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from osgp import platform_time
from osgp.accounts.caller import Caller
from osgp.accounts.models import Organisation
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.batches.models import Batch, BatchSource
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.faults import FaultCode
from osgp.fleet import states, storing, targets
from osgp.fleet.contents import (
    BatchOperation,
    Content,
    find_batch_operation,
    find_missing_scopes,
    parse_content,
)
from osgp.messages.priorities import DEFAULT_PRIORITY
from osgp.messages.serializers import BooleanField, CharField, IntegerField
from osgp.processes import wakeup
from osgp.requests.submission import NotGranted, ResponseUrlFields, SchedulingFields, check_scope
from osgp.requests.waiting_limits import check_room

MOST_DEVICES = 10_000
ONE_TARGET = "Give either device_identifications or device_group."
MOST_ERRORS = 1000
"""Most devices named in one refusal."""
MOST_ACTIONS_AT_ONCE = 50_000
"""Most actions that the requests of a list may have in all; those of a group are made slice by slice."""
LONGEST_SPREAD = 7 * 24 * 3600
"""Seconds."""

REPEATED = "repeated"
"""Error code for a device that is named twice."""

_IDENTIFICATION = re.compile(r"[A-Za-z0-9]{1,40}")


class DeviceIdentificationsField(serializers.ListField):
    """1 to 10,000 device identifications, each once."""

    child = CharField(max_length=40)
    default_error_messages = {
        "number": f"Must be 1 to {MOST_DEVICES} device identifications, not {{number}}.",
        "not_a_list": "Must be a list of device identifications.",
    }

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        if not 1 <= len(data) <= MOST_DEVICES:
            self.fail("number", number=len(data))
        errors: dict[int, list[str]] = {}
        first: dict[str, int] = {}
        for position, identification in enumerate(data):
            if not (isinstance(identification, str) and _IDENTIFICATION.fullmatch(identification)):
                errors[position] = ["Must be 1 to 40 of A-Z, a-z and 0-9."]
            elif first.setdefault(identification, position) != position:
                text = f"Is at position {first[identification]} already."
                errors[position] = [ErrorDetail(text, code=REPEATED)]
            if len(errors) == MOST_ERRORS:
                break
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]
        return data


class BatchFields(ResponseUrlFields, SchedulingFields):
    """The fields of a batch beside the parameters of its message."""

    message = CharField(max_length=64, help_text="Name of a message.")
    device_identifications = DeviceIdentificationsField(required=False)
    device_group = CharField(
        required=False, max_length=64, help_text="Name of a device group, instead of device_identifications."
    )
    skip_invalid = BooleanField(
        required=False,
        help_text="Leave out devices that cannot carry out the message, instead of refusing the batch. "
        "Such devices of a group are always left out.",
    )
    spread_seconds = IntegerField(
        min_value=0,
        max_value=LONGEST_SPREAD,
        default=0,
        help_text="Devices start spread over this time, from now or from schedule_time on.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is exactly one of list and group, and time enough for all devices to start."""
        attrs = super().validate(attrs)
        _check_latest(attrs)
        if ("device_identifications" in attrs) == ("device_group" in attrs):
            raise ValidationError(ONE_TARGET)
        if "device_group" in attrs and attrs.get("skip_invalid") is False:
            raise ValidationError(
                {"skip_invalid": ["Devices of a group that cannot carry it out are always left out."]}
            )
        return attrs


DEFAULT_FIELDS: Mapping[str, Any] = {
    "priority": DEFAULT_PRIORITY,
    "bypass_retry": False,
    "spread_seconds": 0,
}
"""Fields of a batch about which nothing is said."""
BATCH_FIELDS = frozenset(BatchFields().fields)


def submit(caller: Caller, body: Any) -> Batch:
    """Validate a batch and store it; returns its row.

    Raises rest_framework ValidationError with every faulty field and device, or Fault: 301 for a missing
    scope, 401 for a message that does not exist or cannot be sent to many devices; TooManyWaiting. Nothing is
    stored then.
    """
    if not isinstance(body, Mapping):
        raise ValidationError("Must be a JSON object.")
    name = body.get("message")
    if not isinstance(name, str):
        raise ValidationError(
            {"message": ["This field is required." if name is None else "Must be a string."]}
        )
    operation = find_batch_operation(name)
    check_scope(caller, operation.service)
    check_room(caller.organisation)
    fields, content = _validate(operation, body)
    if missing := find_missing_scopes(caller, content):
        raise NotGranted(missing)
    batch = make_batch(caller, content, fields)
    if "device_group" in fields:
        group = groups.find_group(caller.organisation, fields["device_group"])
        if group is None:
            raise ValidationError({"device_group": ["There is no such group."]})
        return submit_group(batch, group)
    return submit_list(
        batch, content, fields["device_identifications"], skip_invalid=fields.get("skip_invalid", False)
    )


def make_batch(caller: Caller, content: Content, fields: Mapping[str, Any]) -> Batch:
    """Return a row that is not stored yet; ``fields`` is validated data of :class:`BatchFields`."""
    return Batch(
        organisation=caller.organisation,
        application=caller.application,
        message=content.operation.message,
        parameters=content.as_json(),
        priority=fields["priority"],
        bypass_retry=fields["bypass_retry"],
        spread=timedelta(seconds=fields["spread_seconds"]),
        schedule_time=fields.get("schedule_time"),
        max_schedule_time=fields.get("max_schedule_time"),
        response_url=fields.get("response_url", ""),
        created_at=platform_time.now(),
    )


@transaction.atomic
def submit_list(batch: Batch, content: Content, identifications: list[str], *, skip_invalid: bool) -> Batch:
    """Check the devices of a list and store their requests.

    Raises ValidationError for refused devices, and for more actions in all than one transaction should make.
    """
    number = len(identifications) * len(content.actions)
    if number > MOST_ACTIONS_AT_ONCE:
        text = (
            f"{len(identifications):,} devices with {len(content.actions)} actions each are {number:,} "
            f"actions; a list has {MOST_ACTIONS_AT_ONCE:,} at most. A device group has no such limit."
        )
        raise ValidationError({"device_identifications": [text]})
    granted = targets.find_by_identification(batch.organisation, identifications)
    checked = targets.check_devices(content, identifications, granted)
    if checked.refused and not (skip_invalid and checked.recipients):
        only_rights = all(refused.fault.code == FaultCode.UNAUTHORIZED for refused in checked.refused)
        refusal = NotGranted if only_rights else ValidationError
        raise refusal(
            {
                "device_identifications": {
                    str(position): [fault.message] for position, _, fault in checked.refused[:MOST_ERRORS]
                }
            }
        )
    batch.source = BatchSource.LIST
    batch.total, batch.skipped = len(checked.recipients), len(checked.refused)
    states.store_with_requests(batch)
    storing.store(batch, content, checked)
    tell(batch)
    return batch


@transaction.atomic
def submit_group(batch: Batch, group: DeviceGroup) -> Batch:
    """Store a batch whose requests are made in the background. Raises ValidationError for an empty group."""
    batch.total = group.memberships.count()
    if not batch.total:
        raise ValidationError({"device_group": ["The group is empty."]})
    batch.source = BatchSource.GROUP
    batch.group = group
    batch.save(force_insert=True)
    tell(batch)
    wakeup.notify()
    return batch


@transaction.atomic
def submit_source(batch: Batch, source: BatchSource, target: Mapping[str, Any]) -> Batch:
    """Store a batch whose devices are found by its target (osgp.fleet.targets.register_source).

    Its requests are made in the background.
    """
    batch.source = source
    batch.target = dict(target)
    batch.save(force_insert=True)
    tell(batch)
    wakeup.notify()
    return batch


def tell(batch: Batch, event: AuditEvent = AuditEvent.BATCH_SENT) -> None:
    """Tell the audit trail of a batch, as a whole, in the transaction that stores it."""
    record(
        event,
        organisation=batch.organisation.identification,
        # Who cancels a batch need not be who sent it.
        actor=batch.application if event == AuditEvent.BATCH_SENT else None,
        details={
            "batch": str(batch.uid),
            "message": batch.message,
            "source": batch.source,
            "group": batch.group.name if batch.group else None,
            "devices": batch.total,
        },
    )


def list_batches(organisation: Organisation) -> QuerySet[Batch]:
    """Return the organisation's own batches."""
    return Batch.objects.filter(organisation=organisation)


def _check_latest(attrs: Mapping[str, Any]) -> None:
    """Check that all devices may start in time. Without ``schedule_time`` it may have passed for all."""
    latest, begin = attrs.get("max_schedule_time"), attrs.get("schedule_time")
    if latest is None or (begin is None and latest <= platform_time.now()):
        return
    if latest <= (begin or platform_time.now()) + timedelta(seconds=attrs["spread_seconds"]):
        raise ValidationError({"max_schedule_time": ["Must be after the end of spread_seconds."]})


def _validate(operation: BatchOperation, body: Mapping[str, Any]) -> tuple[dict[str, Any], Content]:
    errors: dict[str, Any] = {}
    fields = BatchFields(data={name: value for name, value in body.items() if name in BATCH_FIELDS})
    if not fields.is_valid():
        errors.update(fields.errors)
    content: Content | None = None
    try:
        content = parse_content(operation, {name: body[name] for name in body if name not in BATCH_FIELDS})
    except ValidationError as error:
        errors.update(error.detail if isinstance(error.detail, dict) else {"": error.detail})
    if errors or content is None:
        raise ValidationError(errors)
    return fields.validated_data, content
