"""Invocation counters: which values of a meter's counter are still free.

A device row holds the first value that no session has reserved. Sessions reserve whole blocks before they
use any value of them, so that a crash wastes values but never repeats one: an AES-GCM nonce used twice with
one key reveals the key. The counter is a 32-bit unsigned number that must rise from APDU to APDU (Green Book,
security header); 2^32 in the row means that it is used up.
"""

from contextlib import nullcontext

from django.db import connection, transaction
from django.db.models import Q

from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import Component, Fault, FaultCode

END = 2**32
"""One more than the largest invocation counter."""


def reserve(meter_id: int, count: int) -> range | None:
    """Reserve the next ``count`` values (1 or more) of the counter; None while the counter is not known.

    The reservation is durable once this returns, so it refuses (RuntimeError) to run inside a transaction
    that could still be rolled back. Raises Fault 201 for an unknown meter, and 414 when the counter has too
    few values left: only a new encryption key helps then.
    """
    if count < 1:
        raise ValueError(f"cannot reserve {count} invocation counters")
    table = connection.ops.quote_name(Device._meta.db_table)
    # In autocommit the statement is its own transaction; durable=True would cost two more round trips.
    durable = transaction.atomic(durable=True) if connection.in_atomic_block else nullcontext()
    with durable, connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET invocation_counter = invocation_counter + %s "  # noqa: S608 (a constant name)
            "WHERE id = %s AND invocation_counter <= %s RETURNING invocation_counter",
            [count, meter_id, END - count],
        )
        # Fetch all rows: SQLite keeps the statement, and its lock, open until then.
        rows = cursor.fetchall()
    if rows:
        end = int(rows[0][0])
        return range(end - count, end)
    device = Device.objects.filter(pk=meter_id).values_list("identification", "invocation_counter").first()
    if device is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The meter does not exist any more.")
    identification, value = device
    if value is None:
        return None
    raise Fault(
        FaultCode.UNABLE_TO_PROCESS_REQUEST,
        f"The invocation counter of {identification} is used up: replace its encryption key.",
        component=Component.PROTOCOL_DLMS,
    )


def adopt(meter_id: int, first_unused: int) -> None:
    """Raise the stored counter to the meter's own: the value after the last one it accepted (0 to 2^32).

    Sets the counter when it was unknown; never lowers it.
    """
    _require_counter(first_unused)
    Device.objects.filter(
        Q(invocation_counter__isnull=True) | Q(invocation_counter__lt=first_unused), pk=meter_id
    ).update(invocation_counter=first_unused)


def reset_after_key_change(meter_id: int, first_unused: int | None) -> None:
    """Restart the counter, as a new encryption key allows; None: unknown until read from the meter.

    Belongs in the transaction that activates the new encryption key. Values reserved before must not be used
    with the new key: an association that continues with it reserves new ones first. Never call it for a key
    that the device has had before.
    """
    if first_unused is not None:
        _require_counter(first_unused)
    Device.objects.filter(pk=meter_id).update(invocation_counter=first_unused)


def _require_counter(value: int) -> None:
    if not 0 <= value <= END:
        raise ValueError(f"{value} is not an invocation counter")


@transaction.atomic
def set_by_operator(device_id: int, value: int) -> int | None:
    """Raise the counter of the device's ACTIVE encryption key to ``value``, the first one not used yet.

    0 to 2^32 - 1. Returns the former one; None: it was not known. Raises what :func:`check_raise` raises.
    """
    Device.objects.select_for_update(no_key=True).filter(pk=device_id).first()
    former = check_raise(device_id, value)
    Device.objects.filter(pk=device_id).update(invocation_counter=value)
    return former


def check_raise(device_id: int, value: int) -> int | None:
    """Return the stored counter of the device's ACTIVE encryption key; None: it is not known.

    Raises Fault 808 when ``value`` is lower, 806 when there is no such key, and 201 for an unknown device.
    """
    _require_counter(value)
    row = Device.objects.filter(pk=device_id).values_list("identification", "invocation_counter").first()
    if row is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The device does not exist any more.")
    identification, stored = row
    if not DeviceKey.objects.filter(
        device=device_id, key_type=KeyType.E_METER_ENCRYPTION_KEY_UNICAST, state=KeyState.ACTIVE
    ).exists():
        raise Fault(
            FaultCode.KEY_NOT_PRESENT,
            f"{identification} has no active {KeyType.E_METER_ENCRYPTION_KEY_UNICAST}.",
            component=Component.SECRET_MANAGEMENT,
        )
    if stored is not None and value < stored:
        raise Fault(
            FaultCode.ATTEMPT_TO_LOWER_INVOCATION_COUNTER,
            f"The invocation counter of {identification} is {stored} and cannot be lowered to {value}: "
            "values would be used twice with the same key. With a new encryption key it begins anew.",
            pointer="/invocation_counter",
        )
    return stored
