"""Requests and sessions that are over, and what was counted of them."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import families
from osgp.metrics.models import Counter
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from tests import factories

LONG_AGO = timedelta(minutes=10)


def request(
    organisation: Organisation,
    device: Device,
    message: str = "ActualMeterReads",
    *,
    completed_at: datetime | None = None,
    **fields: Any,
) -> Request:
    """A request that succeeded, ten minutes ago unless told."""
    completed_at = completed_at or timezone.now() - LONG_AGO
    return factories.make_request(
        organisation,
        device,
        message,
        **{
            "state": RequestState.SUCCEEDED,
            "completed_at": completed_at,
            "started_at": completed_at - timedelta(seconds=1),
            "created_at": completed_at - timedelta(seconds=5),
            "attempts": 1,
        }
        | fields,
    )


def session(
    device: Device, *, closed_at: datetime | None = None, is_over: bool = True, **fields: Any
) -> MeterSession:
    """A session that was closed ten minutes ago unless told, two seconds after its claim."""
    closed_at = closed_at or timezone.now() - LONG_AGO
    return MeterSession.objects.create(
        meter=device,
        **{
            "state": SessionState.CLOSED,
            "opened_at": closed_at - timedelta(seconds=3),
            "claimed_at": closed_at - timedelta(seconds=2),
            "expires_at": closed_at,
            "closed_at": closed_at if is_over else None,
            "worker": "worker-1",
            "round_trips": 10,
            "bytes_sent": 100,
            "bytes_received": 1000,
        }
        | fields,
    )


def counted(name: str, **labels: str) -> int:
    """The sum of the counters of a family that have these labels."""
    return sum(
        counter.value
        for counter in Counter.objects.filter(name=name)
        if labels.items() <= json.loads(counter.labels).items()
    )


def completed() -> int:
    """Requests counted so far."""
    return counted(families.REQUESTS_COMPLETED.name)
