"""Key change counters (KCC) of M-Bus devices: part of the IV under which they get keys, so never used twice."""

from django.db import transaction

from osgp.devices.models import LARGEST_COUNTER, Device
from osgp.faults import Component, Fault, FaultCode


@transaction.atomic
def advance(device_id: int, at_least: int) -> int:
    """Return ``at_least``, or one more than the last counter of the device if that is higher, and keep it.

    Raises Fault 201 when the device does not exist any more, 414 when the counter has left its 32 bits.
    """
    devices = Device.objects.filter(pk=device_id)
    row = devices.select_for_update(no_key=True).values_list("key_change_counter").first()
    if row is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The device does not exist any more.")
    value = max(at_least, -1 if row[0] is None else row[0] + 1)
    if value > LARGEST_COUNTER:
        raise Fault(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The key change counter of the M-Bus device is used up.",
            component=Component.SECRET_MANAGEMENT,
        )
    devices.update(key_change_counter=value)
    return value
