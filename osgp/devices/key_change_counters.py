"""Key change counters (KCC) of M-Bus devices: part of the IV under which they get keys, so never used twice.

The rest of the IV is the M-Bus identification of the device: rows with the same one share the counter.
"""

from django.db import transaction

from osgp.devices.models import LARGEST_COUNTER, Device
from osgp.faults import Component, Fault, FaultCode


@transaction.atomic
def advance(device_id: int, at_least: int) -> int:
    """Return ``at_least``, or one more than the last counter of the device if that is higher, and keep it.

    Raises Fault 201 when the device does not exist any more, 414 when the counter has left its 32 bits.
    """
    own = Device.objects.filter(pk=device_id)
    identity = own.values_list("mbus_identification_number", "mbus_manufacturer").first()
    if identity is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The device does not exist any more.")
    number, manufacturer = identity
    same = Device.objects.filter(mbus_identification_number=number, mbus_manufacturer=manufacturer)
    devices = (own | same) if number else own
    rows = devices.order_by("pk").select_for_update(no_key=True).values_list("pk", "key_change_counter")
    former = dict(rows)
    value = max(at_least, *(-1 if last is None else last + 1 for last in former.values()))
    if value > LARGEST_COUNTER:
        raise Fault(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The key change counter of the M-Bus device is used up.",
            component=Component.SECRET_MANAGEMENT,
        )
    Device.objects.filter(pk__in=former).update(key_change_counter=value)
    return value
