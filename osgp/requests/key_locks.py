"""One change of a device's keys at a time: a lock that a visit holds for as long as its lease.

A visit has its meter to itself, but an M-Bus device may be moved to another gateway in the middle of a
change, and AddDevice can bring keys at any time.
"""

import uuid

from django.db import transaction

from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.requests.models import LIVE_SESSION_STATES, KeyLock


@transaction.atomic
def take(device_id: int, session_id: uuid.UUID) -> None:
    """Lock the keys of a device until the meter session ends. Raises a retryable Fault if another has it."""
    require_free(device_id, but_for=session_id)
    KeyLock.objects.update_or_create(device_id=device_id, defaults={"session_id": session_id})


def require_free(device_id: int, but_for: uuid.UUID | None = None) -> None:
    """Raise a retryable Fault while a visit changes the keys. In a transaction; it locks the device."""
    Device.objects.select_for_update(no_key=True).filter(pk=device_id).values_list("pk").first()
    held = KeyLock.objects.filter(device=device_id, session__state__in=LIVE_SESSION_STATES)
    if held.exclude(session=but_for).exists():
        raise Fault(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "Keys of the device are being changed at the moment.",
            component=Component.SECRET_MANAGEMENT,
            retryable=True,
        )
