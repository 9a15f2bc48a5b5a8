"""The way in for schedules, from REST, admin and command line: checked as a whole, stored, and planned.

The message and the devices are checked as for a batch, so that the first occurrence brings no surprise.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab
from django.db import IntegrityError, transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp import platform_time
from osgp.accounts.caller import Caller
from osgp.batches.models import RecurringRequest
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup, group_name_validator
from osgp.devices.models import Device
from osgp.faults import FaultCode
from osgp.fleet import occurrences, schedules, targets
from osgp.fleet.contents import (
    BatchOperation,
    Content,
    find_batch_operation,
    find_missing_scopes,
    parse_content,
)
from osgp.fleet.occurrences import CRON_FIELDS, Recurrence
from osgp.fleet.submission import (
    LONGEST_SPREAD,
    MOST_ERRORS,
    ONE_TARGET,
    DeviceIdentificationsField,
)
from osgp.messages.priorities import DEFAULT_PRIORITY
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DateTimeField,
    IntegerField,
    StrictSerializer,
    TimeZoneField,
)
from osgp.requests.submission import NotGranted, check_scope

PERIODS = ("seconds", "minutes", "hours", "days")
CRON_RANGES = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day_of_month": "1 to 31",
    "month_of_year": "1 to 12",
    "day_of_week": "0 (Sunday) to 6",
}
CRON_NAMES = {name: name.replace("_of_year", "").replace("_", " ").capitalize() for name in CRON_FIELDS}
DEFAULT_PREVIEWED, MOST_PREVIEWED = 10, 100
"""Occurrences in a preview."""
LONGEST_DURATION = 31 * 24 * 3600
"""Seconds."""


class RecurrenceFields(StrictSerializer):
    """When a schedule is due: by ``cron`` in ``time_zone``, or ``every`` so many of ``period``."""

    cron = CharField(
        required=False,
        max_length=200,
        help_text="Minute, hour, day of month, month, day of week; both days have to match. 0 6 * * 1-5: at "
        "6:00 from Monday to Friday.",
    )
    time_zone = TimeZoneField(default="UTC", help_text="IANA name of the zone whose clocks cron follows.")
    every = IntegerField(required=False, min_value=1, max_value=100_000, help_text="Instead of cron.")
    period = ChoiceField(PERIODS, default="minutes", help_text="What `every` counts.")
    starts_at = DateTimeField(
        required=False, help_text="Nothing is due before; `every` counts from here. Default: now."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is exactly one of cron and every, and that it has occurrences."""
        if ("cron" in attrs) == ("every" in attrs):
            raise ValidationError("Give either cron or every.")
        field = "cron" if "cron" in attrs else "every"
        try:
            find_next_occurrences(attrs, 1)
        except ValueError as error:
            raise ValidationError({field: [f"{error}"]}) from error
        return attrs


class ScheduleFields(RecurrenceFields):
    """A schedule: the message with its parameters, the devices, and when."""

    name = CharField(max_length=64, validators=[group_name_validator], help_text="Unique.")
    message = CharField(max_length=64, help_text="Name of a message.")
    parameters = serializers.DictField(default=dict, help_text="Those of the message.")
    device_identifications = DeviceIdentificationsField(required=False)
    device_group = CharField(
        required=False, max_length=64, help_text="Name of a device group, instead of device_identifications."
    )
    priority = IntegerField(
        min_value=0, max_value=9, default=DEFAULT_PRIORITY, help_text="Higher goes first."
    )
    bypass_retry = BooleanField(default=False, help_text="One attempt only.")
    spread_seconds = IntegerField(
        min_value=0,
        max_value=LONGEST_SPREAD,
        default=0,
        help_text="Devices start spread over this time, each always at the same moment of it.",
    )
    max_duration_seconds = IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_DURATION,
        help_text="Requests not started this long after the occurrence expire.",
    )
    enabled = BooleanField(default=True, help_text="A schedule that is not enabled is never due.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is exactly one of list and group, and time enough for all devices to start."""
        attrs = super().validate(attrs)
        if ("device_identifications" in attrs) == ("device_group" in attrs):
            raise ValidationError(ONE_TARGET)
        longest = attrs.get("max_duration_seconds")
        if longest is not None and longest <= attrs["spread_seconds"]:
            raise ValidationError({"max_duration_seconds": ["Must be longer than spread_seconds."]})
        gap = occurrences.find_shortest_gap(build_recurrence(attrs), platform_time.now())
        if attrs["spread_seconds"] > gap.total_seconds():
            raise ValidationError(
                {
                    "spread_seconds": [
                        "Must not be longer than the time between two occurrences, "
                        f"{gap.total_seconds():.0f} seconds at the least."
                    ]
                }
            )
        return attrs


def build_recurrence(fields: Mapping[str, Any]) -> Recurrence:
    """Return the recurrence of validated fields, not stored. Raises ValueError for a bad crontab."""
    if "every" in fields:
        return IntervalSchedule(every=fields["every"], period=fields["period"])
    parts = fields["cron"].split()
    if len(parts) != len(CRON_FIELDS):
        raise ValueError("Must have five fields: minute, hour, day of month, month, day of week.")
    too_long = [part for part in parts if len(part) > 60]
    if too_long:
        raise ValueError("A field is too long.")
    named = dict(zip(CRON_FIELDS, parts, strict=True))
    for name, part in named.items():
        try:
            crontab(**{name: part})
        except (ValueError, ParseException) as error:
            raise ValueError(
                f"{CRON_NAMES[name]} cannot be {part}: numbers, lists (1,15), ranges (1-5), steps (*/15) "
                f"and * are allowed, within {CRON_RANGES[name]}."
            ) from error
    return CrontabSchedule(timezone=ZoneInfo(fields["time_zone"]), **named)


def find_next_occurrences(fields: Mapping[str, Any], number: int) -> list[datetime]:
    """Return the next times at which a schedule is due, in UTC; fewer if its crontab ends before.

    Raises ValueError if it never is.
    """
    now = platform_time.now()
    return occurrences.list_next(
        build_recurrence(fields), now, anchor=fields.get("starts_at") or now, number=number
    )


class CheckedSchedule(NamedTuple):
    """A schedule that may be stored, with validated data of :class:`ScheduleFields`."""

    content: Content
    fields: Mapping[str, Any]
    group: DeviceGroup | None
    devices: list[Device]


def check_schedule(caller: Caller, body: Any) -> CheckedSchedule:
    """Validate all of a schedule but that its name is free, and store nothing.

    Raises rest_framework ValidationError with every faulty field, NotGranted if only rights on devices are
    missing, or Fault: 301 for a missing scope, 401 for a message that does not exist or cannot be sent to
    many devices.
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
    fields, content = _validate(operation, body)
    if missing := find_missing_scopes(caller, content):
        raise NotGranted({"parameters": missing})
    group, devices = _find_devices(caller, content, fields)
    return CheckedSchedule(content, fields, group, devices)


def submit_schedule(caller: Caller, body: Any, row: RecurringRequest | None = None) -> RecurringRequest:
    """Validate a schedule, store it or change ``row``, and plan it; returns the row.

    Raises what :func:`check_schedule` raises, and ValidationError if its name is taken. Nothing is stored
    then.
    """
    content, fields, group, devices = check_schedule(caller, body)
    row = row or RecurringRequest(organisation=caller.organisation, starts_at=platform_time.now())
    if RecurringRequest.objects.filter(organisation=caller.organisation, name=fields["name"]).exclude(
        pk=row.pk
    ):
        raise ValidationError({"name": ["There is a schedule of this name already."]})
    longest = fields.get("max_duration_seconds")
    row.name, row.message = fields["name"], content.operation.message
    row.application = caller.application
    row.parameters = content.as_json()
    row.group = group
    row.priority, row.bypass_retry = fields["priority"], fields["bypass_retry"]
    row.spread = timedelta(seconds=fields["spread_seconds"])
    row.max_duration = None if longest is None else timedelta(seconds=longest)
    row.starts_at = fields.get("starts_at") or row.starts_at
    row.enabled = fields["enabled"]
    try:
        with transaction.atomic():
            _set_recurrence(row, build_recurrence(fields))
            row.save()
            row.devices.set(devices)
            schedules.plan(row)
    except IntegrityError as error:
        raise ValidationError({"name": ["There is a schedule of this name already."]}) from error
    return row


def preview_schedule(caller: Caller, body: Any, number: int) -> tuple[list[datetime], str]:
    """Return the next occurrences of a schedule, in UTC, and its time zone; nothing is stored.

    Raises what :func:`check_schedule` raises.
    """
    fields = check_schedule(caller, body).fields
    return find_next_occurrences(fields, number), fields["time_zone"]


def set_enabled(row: RecurringRequest, enabled: bool) -> None:
    """Pause or resume a schedule. Occurrences that pass while it is paused are not made up for.

    Raises NeverDue if its recurrence was changed meanwhile, in beat's pages, into one without occurrences.
    """
    row.enabled = enabled
    row.save(update_fields=["enabled"])
    schedules.plan(row)


def _validate(operation: BatchOperation, body: Mapping[str, Any]) -> tuple[dict[str, Any], Content]:
    errors: dict[str, Any] = {}
    fields = ScheduleFields(data=body)
    if not fields.is_valid():
        errors.update(fields.errors)
    content: Content | None = None
    try:
        given = body.get("parameters", {})
        content = parse_content(operation, given if isinstance(given, Mapping) else {})
    except ValidationError as error:
        errors.setdefault("parameters", error.detail)
    if errors or content is None:
        raise ValidationError(errors)
    return fields.validated_data, content


def _find_devices(
    caller: Caller, content: Content, fields: Mapping[str, Any]
) -> tuple[DeviceGroup | None, list[Device]]:
    """Check a list now; a group is checked at each occurrence, as its members change."""
    if "device_group" in fields:
        group = groups.find_group(caller.organisation, fields["device_group"])
        if group is None:
            raise ValidationError({"device_group": ["There is no such group."]})
        return group, []
    wanted = fields["device_identifications"]
    granted = targets.find_by_identification(caller.organisation, wanted)
    checked = targets.check_devices(content, wanted, granted)
    if checked.refused:
        refused = checked.refused[:MOST_ERRORS]
        problems = {str(position): [fault.message] for position, _, fault in refused}
        only_rights = all(each.fault.code == FaultCode.UNAUTHORIZED for each in checked.refused)
        refusal = NotGranted if only_rights else ValidationError
        raise refusal({"device_identifications": problems})
    return None, [recipient.device for recipient in checked.recipients]


def _set_recurrence(row: RecurringRequest, recurrence: Recurrence) -> None:
    """Use a row of django-celery-beat that is the same, if there is one: these rows are shared."""
    if isinstance(recurrence, IntervalSchedule):
        like_it = IntervalSchedule.objects.filter(every=recurrence.every, period=recurrence.period)
        row.interval, row.crontab = like_it.first() or _save(recurrence), None
    else:
        columns = {name: getattr(recurrence, name) for name in (*CRON_FIELDS, "timezone")}
        row.crontab, row.interval = (
            CrontabSchedule.objects.filter(**columns).first() or _save(recurrence),
            None,
        )


def _save(recurrence: Any) -> Any:
    recurrence.save()
    return recurrence
