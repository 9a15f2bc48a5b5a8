"""Batches as JSON, for the REST API and the command line."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.urls import reverse

from osgp.batches.models import Batch, BatchSource, BatchState, SkippedDevice
from osgp.fleet.progress import Progress, measure_progress
from osgp.messages.serializers import utc_text
from osgp.requests.models import Request


def describe_accepted(batch: Batch) -> dict[str, Any]:
    """Return the answer to a POST, the same when the POST is repeated."""
    devices = list(_describe_devices(batch)) if batch.source == BatchSource.LIST else None
    created = BatchState.CREATING if devices is None else BatchState.RUNNING
    return {**summarize(batch), "status": str(created), "completed_at": None, "devices": devices}


def summarize(batch: Batch) -> dict[str, Any]:
    """Return a batch as a row of a list of batches."""
    return {
        "uid": str(batch.uid),
        "message": batch.message,
        "content": batch.content,
        "status": batch.state,
        "source": batch.source,
        "device_group": batch.group.name if batch.group else None,
        "target": _describe_target(batch.target),
        "total": batch.total,
        "skipped": batch.skipped,
        "created_at": utc_text(batch.created_at),
        "completed_at": utc_text(batch.completed_at) if batch.completed_at else None,
        "url": reverse("batch", args=[batch.uid]),
    }


def describe(batch: Batch) -> dict[str, Any]:
    """Return a batch with its counts and faults."""
    counts: Progress = measure_progress(batch)
    return {
        **summarize(batch),
        "parameters": batch.parameters,
        "priority": batch.priority,
        "schedule_time": utc_text(batch.schedule_time) if batch.schedule_time else None,
        "max_schedule_time": utc_text(batch.max_schedule_time) if batch.max_schedule_time else None,
        "spread_seconds": int(batch.spread.total_seconds()),
        "requests": counts.states,
        "success_rate": None if counts.success_rate is None else str(counts.success_rate),
        "faults": [{"code": code, "name": name, "count": number} for code, name, number in counts.faults],
        "fault": batch.fault,
        "retry_of": str(batch.retry_of.uid) if batch.retry_of else None,
        "schedule": batch.recurring.name if batch.recurring else None,
        "requests_url": f"{reverse('requests')}?batch={batch.uid}",
    }


def describe_skipped(row: SkippedDevice) -> dict[str, Any]:
    """Return a device that a batch left out, with the fault."""
    return {"device_identification": row.device_identification, "fault": row.fault}


def _describe_target(target: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The filter by names alone; the primary keys beside them are nobody else's business."""
    if target is None:
        return None
    return {name: value for name, value in target.items() if not name.endswith("_id")}


def _describe_devices(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield requests and left-out devices in the order of the list: requests are numbered in it."""
    left_out = {row.position: row for row in SkippedDevice.objects.filter(batch=batch)}
    position = 0
    requests = Request.objects.filter(batch=batch).order_by("pk")
    for identification, uid in requests.values_list("device_identification", "correlation_uid"):
        while position in left_out:
            yield {**describe_skipped(left_out.pop(position)), "correlation_uid": None}
            position += 1
        yield {"device_identification": identification, "correlation_uid": str(uid), "fault": None}
        position += 1
    for row in sorted(left_out.values(), key=lambda row: row.position or 0):
        yield {**describe_skipped(row), "correlation_uid": None}
