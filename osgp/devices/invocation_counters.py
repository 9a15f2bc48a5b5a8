"""Invocation counters: which values of a key's counter are still free.

An AES-GCM nonce used twice with one key reveals the key. So counters belong to encryption keys, not to
devices: two rows for one meter, or a fleet that shares a key, draw from the same one. A row holds the first
value that no session has reserved. Sessions reserve whole blocks before they use any value of them, so that a
crash wastes values but never repeats one. The counter is a 32-bit unsigned number that must rise from APDU to
APDU (Green Book, security header); 2^32 in the row means that it is used up.

What a meter tells of its counter without protection may be forged. It is tried in one association, with
values that are marked as used (``try_from``), and kept once the meter has proven itself there (``adopt``).
"""

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from osgp.devices import generations
from osgp.devices.fingerprints import Fingerprints
from osgp.devices.models import DeviceKey, KeyCounter, KeyState, KeyType
from osgp.devices.needed_keys import make_missing_key_fault
from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms.errors import InvocationCounterNotTrusted
from osgp.sql import Statement

END = 2**32
"""One more than the largest invocation counter."""
START_OF_NEW_KEY = 250
"""Where the counter of a key begins that the platform gives to a meter."""
MOST_TRIED = 64
"""Ranges of one counter that were used without a proof."""

TABLE = KeyCounter._meta.db_table
IS_FREE = f"next_value + %s <= free_until AND generation = {generations.CURRENT}"
"""SQL: so many values from ``next_value`` on may be handed out without a closer look."""
_RESERVE = Statement(
    f"UPDATE {TABLE} SET next_value = next_value + %s WHERE id = %s AND {IS_FREE} RETURNING next_value"  # noqa: S608
)


def ensure(
    fingerprints: Fingerprints, secrets: Collection[bytes], next_value: int | None
) -> Mapping[bytes, int]:
    """Return the id of the counter of each key. A key without one gets it, beginning with ``next_value``.

    None: unknown until read from the meter. The counter of a key that has been there before goes on.
    """
    found = dict(zip(fingerprints.compute(secrets), secrets, strict=True))
    generation = generations.get_current()
    KeyCounter.objects.bulk_create(
        [
            KeyCounter(
                fingerprint=fingerprint,
                fingerprint_key_id=fingerprints.key_id,
                next_value=next_value,
                generation=generation,
            )
            for fingerprint in found
        ],
        ignore_conflicts=True,
    )
    of_keys = KeyCounter.objects.filter(fingerprint__in=found)
    if next_value is not None:
        of_keys.filter(next_value=None).update(next_value=next_value, generation=generation)
    rows = of_keys.values_list("fingerprint", "pk")
    return {found[fingerprint]: pk for fingerprint, pk in rows}


def find_highest(device_ids: Collection[int]) -> int | None:
    """Return the highest counter of any key that these devices have or had; None if none is known."""
    counters = KeyCounter.objects.filter(keys__device__in=device_ids)
    highest: int | None = counters.aggregate(highest=Max("next_value"))["highest"]
    return highest


def find_active(device_id: int) -> KeyCounter | None:
    """Return the counter of the device's ACTIVE encryption key; None if it has no such key."""
    counters = KeyCounter.objects.filter(
        keys__device=device_id,
        keys__key_type=KeyType.E_METER_ENCRYPTION_KEY_UNICAST,
        keys__state=KeyState.ACTIVE,
    )
    return counters.first()


def reserve(counter_id: int, count: int) -> range | None:
    """Reserve the next ``count`` values (1 or more) of the counter.

    None while the counter is not known, or not since a restore: the meter is to be asked, see ``try_from``.

    The reservation is durable once this returns, so it refuses (RuntimeError) to run inside a transaction
    that could still be rolled back. Raises Fault 414 when the counter has too few values left: only a new
    encryption key helps then.
    """
    if count < 1:
        raise ValueError(f"cannot reserve {count} invocation counters")
    # In autocommit the statement is its own transaction; durable=True would cost two more round trips.
    durable = transaction.atomic(durable=True) if connection.in_atomic_block else nullcontext()
    with durable:
        rows = _RESERVE.fetch_rows(count, counter_id, count)
    if rows:
        end = int(rows[0][0])
        return range(end - count, end)
    return _reserve_with_care(counter_id, count)


@transaction.atomic(durable=True)
def _reserve_with_care(counter_id: int, count: int) -> range | None:
    """Reserve values past ranges that were tried."""
    counter = _lock(counter_id)
    if counter.next_value is None or counter.generation != generations.get_current():
        return None
    _pass_tried(counter, count)
    if counter.next_value + count > END:
        raise Fault(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The invocation counter of the meter's encryption key is used up: replace the key.",
            component=Component.PROTOCOL_DLMS,
        )
    block = range(counter.next_value, counter.next_value + count)
    counter.next_value = block.stop
    _save(counter)
    return block


@transaction.atomic(durable=True)
def try_from(counter_id: int, at_least: int, count: int) -> range:
    """Reserve ``count`` values from ``at_least`` on, which nobody has proven to be right, for one try.

    They are free ones, so perhaps higher; they are never handed out again. ``next_value`` stays as it is.
    Raises InvocationCounterNotTrusted if there are none, or if there were too many such tries already.
    """
    counter = _lock(counter_id)
    first = max(at_least + counter.claim_offset, counter.next_value or 0) + _find_leap(counter)
    for begin, end in counter.tried:
        if first < end and begin < first + count:
            first = end
    if first + count > END or len(counter.tried) >= MOST_TRIED:
        raise InvocationCounterNotTrusted(
            f"The meter claims invocation counter {at_least - 1}, which could not be verified. "
            "SetInvocationCounter sets it."
        )
    counter.tried = _merge([*counter.tried, [first, first + count]])
    _save(counter)
    return range(first, first + count)


@transaction.atomic
def adopt(counter_id: int, first_unused: int) -> None:
    """Raise the counter to the value after the last one that the meter accepted, with proof (0 to 2^32).

    Sets the counter when it was unknown; never lowers it.
    """
    _require_counter(first_unused)
    counter = _lock(counter_id)
    _raise(counter, first_unused)
    _save(counter)


@transaction.atomic
def doubt(counter_id: int, at_least: int) -> None:
    """Make the counter one that nobody knows: its key was in use while this database did not have it.

    The meter is asked, and values begin a leap above both what it says and ``at_least`` (0 to 2^32), or what
    is stored if that is higher.
    """
    _require_counter(at_least)
    counter = _lock(counter_id)
    counter.next_value = max(at_least, counter.next_value or 0)
    counter.generation = generations.NONE
    _save(counter)


@transaction.atomic
def set_by_operator(device_id: int, value: int) -> int | None:
    """Raise the counter of the device's ACTIVE encryption key to ``value``, the first one not used yet.

    ``value`` is 0 to 2^32. Return the former value, None if it is not known. It is also None when other
    devices have the same key: who has one of them learns nothing of the others. Raises what
    :func:`check_raise` raises.
    """
    if (found := find_active(device_id)) is not None:
        _lock(found.pk)
    former, counter = _check_raise(device_id, value)
    _raise(counter, value)
    _save(counter)
    return former


def check_raise(device_id: int, value: int) -> None:
    """Raise Fault 808 when the counter is higher already, and 806 when there is no ACTIVE encryption key."""
    _check_raise(device_id, value)


def _check_raise(device_id: int, value: int) -> tuple[int | None, KeyCounter]:
    _require_counter(value)
    counter = find_active(device_id)
    if counter is None:
        raise make_missing_key_fault(KeyType.E_METER_ENCRYPTION_KEY_UNICAST)
    former = counter.next_value
    if former is not None:
        former = min(former + _find_leap(counter), END)
    is_shared = DeviceKey.objects.filter(counter=counter).exclude(device=device_id).exists()
    if former is not None and value < former:
        known = "" if is_shared else f", and it is {former} already"
        raise Fault(
            FaultCode.ATTEMPT_TO_LOWER_INVOCATION_COUNTER,
            f"The invocation counter of a key is never lowered{known}: values would be used twice. "
            "With a new encryption key it begins anew.",
            component=Component.PROTOCOL_DLMS,
            pointer="/invocation_counter",
        )
    return None if is_shared else former, counter


def is_known_from_before(counter_id: int) -> bool:
    """Return whether the counter was known before a restore. It may be used without asking the meter."""
    return KeyCounter.objects.filter(pk=counter_id, next_value__isnull=False).exists()


def _lock(counter_id: int) -> KeyCounter:
    counter = (
        KeyCounter.objects.select_for_update(of=("self",))
        .select_related("fingerprint_key")
        .filter(pk=counter_id)
        .first()
    )
    if counter is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The counter does not exist any more.")
    return counter


def _raise(counter: KeyCounter, value: int) -> None:
    if leap := _find_leap(counter):
        counter.claim_offset += leap
        counter.generation = generations.get_current()
    counter.next_value = max(value, counter.next_value or 0)


def _find_leap(counter: KeyCounter) -> int:
    current = generations.get_current()
    if counter.generation == current:
        return 0
    return generations.compute_leap(counter.generation, counter.fingerprint_key.created_at, current)


def _pass_tried(counter: KeyCounter, count: int) -> None:
    """Move on until ``count`` values are free."""
    assert counter.next_value is not None
    for begin, end in counter.tried:
        if begin < counter.next_value + count:
            counter.next_value = max(counter.next_value, end)


def _save(counter: KeyCounter) -> None:
    """Store a counter; ranges that it has passed are forgotten."""
    passed = counter.next_value if counter.next_value is not None else -1
    counter.tried = [[begin, end] for begin, end in counter.tried if end > passed]
    counter.free_until = counter.tried[0][0] if counter.tried else END
    counter.save()


def _merge(ranges: list[list[int]]) -> list[list[int]]:
    """Return ranges in order, adjacent ones joined."""
    merged: list[list[int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def _require_counter(value: Any) -> None:
    if not 0 <= value <= END:
        raise ValueError(f"{value} is not an invocation counter")
