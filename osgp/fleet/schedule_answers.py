"""Schedules as JSON, for the REST API and the command line."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.urls import reverse

from osgp.batches.models import Batch, RecurringRequest
from osgp.device_groups.models import DeviceGroupMembership
from osgp.fleet import answers, schedules
from osgp.messages.serializers import utc_text

NEXT = 5
"""Occurrences to come that a schedule is described with."""


def count_devices(rows: Collection[RecurringRequest]) -> dict[int, int]:
    """Return the number of devices of each schedule by its key, in two queries."""
    groups = {row.pk: row.group_id for row in rows if row.group_id is not None}
    members = DeviceGroupMembership.objects.filter(group__in=set(groups.values())).order_by()
    of_group = dict(members.values_list("group").annotate(number=Count("*")))
    lists = [row.pk for row in rows if row.group_id is None]
    listed = RecurringRequest.devices.through.objects.filter(recurringrequest__in=lists).order_by()
    of_list = dict(listed.values_list("recurringrequest").annotate(number=Count("*")))
    return {
        row.pk: (of_group.get(groups[row.pk]) if row.pk in groups else of_list.get(row.pk)) or 0
        for row in rows
    }


def build_body(row: RecurringRequest) -> dict[str, Any]:
    """Return a schedule as the body that makes it, without fields that it does not have."""
    body: dict[str, Any] = {
        "name": row.name,
        "message": row.message,
        "parameters": row.parameters,
        "priority": row.priority,
        "bypass_retry": row.bypass_retry,
        "spread_seconds": int(row.spread.total_seconds()),
        "starts_at": utc_text(row.starts_at),
        "enabled": row.enabled,
    }
    if row.group is not None:
        body["device_group"] = row.group.name
    else:
        devices = row.devices.order_by("identification")
        body["device_identifications"] = list(devices.values_list("identification", flat=True))
    if row.max_duration is not None:
        body["max_duration_seconds"] = int(row.max_duration.total_seconds())
    if row.crontab is not None:
        body |= {"cron": schedules.format_cron(row), "time_zone": str(row.crontab.timezone)}
    elif row.interval is not None:
        body |= {"every": row.interval.every, "period": row.interval.period}
    return body


def summarize(row: RecurringRequest, number_of_devices: int) -> dict[str, Any]:
    """Return a schedule as a row of a list of schedules."""
    crontab, interval = row.crontab, row.interval
    return {
        "id": row.pk,
        "name": row.name,
        "message": row.message,
        "content": row.content,
        "parameters": row.parameters,
        "device_group": row.group.name if row.group else None,
        "number_of_devices": number_of_devices,
        "cron": schedules.format_cron(row) or None,
        "time_zone": str(crontab.timezone) if crontab else None,
        "every": interval.every if interval else None,
        "period": interval.period if interval else None,
        "starts_at": utc_text(row.starts_at),
        "priority": row.priority,
        "bypass_retry": row.bypass_retry,
        "spread_seconds": int(row.spread.total_seconds()),
        "max_duration_seconds": int(row.max_duration.total_seconds()) if row.max_duration else None,
        "enabled": row.enabled,
        "next_at": utc_text(row.next_at) if row.next_at else None,
        "last_at": utc_text(row.last_at) if row.last_at else None,
        "missed": row.missed,
        "created_at": utc_text(row.created_at),
        "url": reverse("schedule", args=[row.pk]),
    }


def summarize_all(rows: Collection[RecurringRequest]) -> list[dict[str, Any]]:
    """Return the rows of a list of schedules, in two queries."""
    numbers = count_devices(rows)
    return [summarize(row, numbers[row.pk]) for row in rows]


def describe(row: RecurringRequest) -> dict[str, Any]:
    """Return a schedule with the devices of its list and its next occurrences."""
    identifications = None if row.group else build_body(row)["device_identifications"]
    zone = str(row.crontab.timezone) if row.crontab else "UTC"
    return {
        **summarize(row, count_devices([row])[row.pk]),
        "device_identifications": identifications,
        "next_occurrences": list_moments(schedules.list_upcoming(row, NEXT), zone),
        "occurrences_url": reverse("schedule_occurrences", args=[row.pk]),
    }


def list_moments(moments: Iterable[datetime], zone: str) -> list[dict[str, Any]]:
    """Return occurrences in UTC and on the clocks of a zone (IANA name)."""
    clock = ZoneInfo(zone)
    return [
        {"time": utc_text(moment), "local_time": moment.astimezone(clock).isoformat()} for moment in moments
    ]


def describe_preview(moments: Iterable[datetime], zone: str) -> dict[str, Any]:
    """Return the next occurrences of a schedule that is not stored."""
    return {"time_zone": zone, "next_occurrences": list_moments(moments, zone)}


def describe_occurrence(batch: Batch) -> dict[str, Any]:
    """Return a past occurrence: its batch, whose address tells the progress."""
    occurrence = utc_text(batch.occurrence) if batch.occurrence else None
    return {"occurrence": occurrence, **answers.summarize(batch)}
