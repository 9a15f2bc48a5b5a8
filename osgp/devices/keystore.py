"""The key store: the secrets of devices, encrypted at rest, each version with a state.

A key is NEW when it is stored, ACTIVE once the meter is known to use it, EXPIRED when another one took its
place, and WITHDRAWN when another NEW one took its place first; keys of the latter two states are deleted
after KEY_RETENTION. A device has at most one NEW and one ACTIVE key of a type. The counter of an encryption
key is found by the key's fingerprint when it is stored, and outlives it.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from osgp import platform_time
from osgp.devices import envelope, fingerprints, invocation_counters
from osgp.devices.envelope import SealedSecret, UnknownKeyEncryptionKey, UnsealError
from osgp.devices.key_states import KeyTransitions
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.sql import Statement, parse_uuid
from osgp.state_tables import apply

KEY_LENGTH = 16
"""Bytes in every key of suite 0."""
LONGEST_PASSWORD = 64
"""Most bytes in an LLS password."""


def require_length(key_type: KeyType | None, secret: bytes, pointer: str = "") -> None:
    """Raise Fault 802 unless the length fits the type: 1 to 64 bytes for an LLS password, 16 for a key."""
    if key_type == KeyType.LLS_PASSWORD:
        if not 1 <= len(secret) <= LONGEST_PASSWORD:
            raise _make_fault(
                FaultCode.INVALID_DLMS_KEY_FORMAT,
                f"The LLS password has {len(secret)} bytes instead of 1 to {LONGEST_PASSWORD}.",
                pointer,
            )
    elif len(secret) != KEY_LENGTH:
        raise _make_fault(
            FaultCode.INVALID_DLMS_KEY_FORMAT,
            f"The {key_type or 'key'} has {len(secret)} bytes instead of {KEY_LENGTH}.",
            pointer,
        )


_announcements: list[Callable[[int, frozenset[KeyType]], object]] = []


def call_for_new_keys(announcement: Callable[[int, frozenset[KeyType]], object]) -> None:
    """Have ``announcement`` called with a device's key and the types of keys that become ACTIVE.

    It is called within the transaction that makes them so. Registering it again changes nothing.
    """
    if announcement not in _announcements:
        _announcements.append(announcement)


def store_new(
    device: Device,
    secrets: Mapping[KeyType, bytes],
    *,
    change: uuid.UUID | None = None,
    first_counter: int | None = None,
) -> None:
    """Store secrets as NEW, and make earlier NEW ones of these types WITHDRAWN: all of them or none.

    ``change`` names what the keys belong to. ``first_counter`` is where the counter of an encryption key
    begins that was never there before; None: unknown until read from the meter. Raises Fault 802 for a wrong
    length, 805 when counters cannot be found, and 201 when the device does not exist any more.
    """
    for key_type, secret in secrets.items():
        require_length(key_type, secret)
    if not secrets:
        return
    rows = [make_row(device.pk, key_type, secret, change=change) for key_type, secret in secrets.items()]
    with transaction.atomic():
        _lock(device.pk)
        now = platform_time.now()
        superseded = DeviceKey.objects.filter(device=device, key_type__in=list(secrets))
        apply(superseded, KeyTransitions.WITHDRAW, state_changed_at=now)
        give_counters(rows, list(secrets.values()), first_counter)
        DeviceKey.objects.bulk_create(rows)


def make_row(
    device_id: int,
    key_type: KeyType,
    secret: bytes,
    state: KeyState = KeyState.NEW,
    *,
    change: uuid.UUID | None = None,
) -> DeviceKey:
    """Return a row with the secret encrypted, not stored yet, for callers that store many at once.

    They call :func:`give_counters` before.
    """
    sealed = envelope.seal(secret, _make_context(device_id, key_type.value))
    return DeviceKey(
        device_id=device_id,
        key_type=key_type,
        state=state,
        key_encryption_key_id=sealed.key_encryption_key_id,
        wrapped_data_key=sealed.wrapped_data_key,
        ciphertext=sealed.ciphertext,
        change=change,
    )


def give_counters(rows: Sequence[DeviceKey], secrets: Sequence[bytes], first_counter: int | None) -> None:
    """Give the rows of encryption keys their counters. ``secrets`` are those of the rows, in their order.

    Raises Fault 805 when the key of the fingerprints cannot be read.
    """
    counted = [
        (row, secret)
        for row, secret in zip(rows, secrets, strict=True)
        if row.key_type == KeyType.E_METER_ENCRYPTION_KEY_UNICAST
    ]
    if not counted:
        return
    try:
        known = fingerprints.load()
    except UnsealError as error:
        raise _make_unreadable("key of the fingerprints", error) from error
    if not known.is_first:
        # Keys from before are not recognised, so the counter goes on with whatever key a device gets.
        devices = [row.device_id for row, _ in counted]
        first_counter = invocation_counters.find_highest(devices) or first_counter
    counters = invocation_counters.ensure(known, {secret for _, secret in counted}, first_counter)
    for row, secret in counted:
        row.counter_id = counters[secret]


def activate(device: Device, key_types: Collection[KeyType]) -> frozenset[KeyType]:
    """Make NEW keys of these types ACTIVE, and the ACTIVE ones before them EXPIRED: all of them or none.

    Returns the types that had a NEW key; nothing changes for the others. Raises Fault 201 when the device
    does not exist any more, and 803 when another process changed the keys meanwhile.
    """
    with transaction.atomic():
        _lock(device.pk)
        keys = DeviceKey.objects.filter(device=device, key_type__in=list(key_types))
        return _activate(device.pk, keys)


def activate_change(device_id: int, key_types: Collection[KeyType], change: uuid.UUID | None) -> bool:
    """As :func:`activate`, for the keys that a change stored; all of these types must be among them.

    Returns False when they are ACTIVE already. Raises Fault 803 when they are neither any more.
    """
    with transaction.atomic():
        _lock(device_id)
        keys = DeviceKey.objects.filter(device=device_id, key_type__in=list(key_types), change=change)
        activated = _activate(device_id, keys)
        if keys.filter(state=KeyState.ACTIVE).count() != len(set(key_types)):
            raise _make_changed_meanwhile()
        return bool(activated)


def _activate(device_id: int, keys: QuerySet[DeviceKey]) -> frozenset[KeyType]:
    now = platform_time.now()
    pending = dict(keys.filter(state=KeyState.NEW).values_list("key_type", "pk"))
    former = DeviceKey.objects.filter(device=device_id, key_type__in=pending)
    apply(former, KeyTransitions.EXPIRE, state_changed_at=now)
    chosen = DeviceKey.objects.filter(pk__in=pending.values())
    if apply(chosen, KeyTransitions.ACTIVATE, state_changed_at=now) != len(pending):
        raise _make_changed_meanwhile()
    activated = frozenset(KeyType(key_type) for key_type in pending)
    if activated:
        for announcement in _announcements:
            announcement(device_id, activated)
    return activated


def find_change(device_id: int, change: uuid.UUID) -> frozenset[KeyState]:
    """Return the states of the keys of a change; empty if it stored none."""
    states = DeviceKey.objects.filter(device=device_id, change=change).values_list("state", flat=True)
    return frozenset(map(KeyState, states))


def has_active(device_id: int, key_type: KeyType) -> bool:
    """Return whether the device has an ACTIVE key of this type."""
    return DeviceKey.objects.filter(device=device_id, key_type=key_type, state=KeyState.ACTIVE).exists()


def read_active_keys(device: Device, key_types: Collection[KeyType]) -> dict[KeyType, bytes]:
    """Return the ACTIVE secrets of these types, without those that the device lacks. One query.

    Raises Fault 805 when one cannot be decrypted.
    """
    return unseal(device.pk, read_sealed_keys(device.pk), key_types)


def rewrap(row: DeviceKey) -> bool:
    """Wrap the data key of one row with the current key-encryption key; False if the row changed meanwhile.

    Raises Fault 805 when it cannot be unwrapped.
    """
    try:
        sealed = envelope.rewrap(envelope.get_sealed(row))
    except UnsealError as error:
        raise _make_unreadable(row.key_type, error) from error
    return bool(
        DeviceKey.objects.filter(pk=row.pk, key_encryption_key_id=row.key_encryption_key_id).update(
            key_encryption_key_id=sealed.key_encryption_key_id, wrapped_data_key=sealed.wrapped_data_key
        )
    )


class SealedKey(NamedTuple):
    """A key as it is stored. ``counter_id``: of encryption keys."""

    key_type: KeyType
    secret: SealedSecret
    state: KeyState
    counter_id: int | None
    change: uuid.UUID | None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "SealedKey":
        """Make a key from a row of ``SEALED_COLUMNS``."""
        key_type, key_encryption_key_id, wrapped, ciphertext, state, counter_id, change = row
        return cls(
            _KEY_TYPES[key_type],
            # psycopg2 gives memoryviews for binary columns.
            SealedSecret(key_encryption_key_id, bytes(wrapped), bytes(ciphertext)),
            _KEY_STATES[state],
            counter_id,
            None if change is None else parse_uuid(change),
        )


_KEY_TYPES = {member.value: member for member in KeyType}
_KEY_STATES = {member.value: member for member in KeyState}
SEALED_COLUMNS = (
    "k.key_type, k.key_encryption_key_id, k.wrapped_data_key, k.ciphertext, k.state, k.counter_id, k.change"
)
IN_METER = f"k.state IN ('{KeyState.ACTIVE}', '{KeyState.NEW}')"
"""SQL: keys that a meter may have."""
_READ = Statement(
    f"SELECT {SEALED_COLUMNS} FROM {DeviceKey._meta.db_table} k WHERE k.device_id = %s AND {IN_METER}"  # noqa: S608
)


def read_sealed_keys(device_id: int) -> list[SealedKey]:
    """Return the keys that the device has or may have, ACTIVE and NEW ones, not decrypted. One query."""
    return [SealedKey.from_row(row) for row in _READ.fetch_rows(device_id)]


class KeyVersion(NamedTuple):
    """A key in whatever state, decrypted; not to be printed."""

    key_type: KeyType
    secret: bytes
    state: KeyState
    change: uuid.UUID | None
    state_changed_at: datetime


def read_versions(device_id: int, changes: Collection[uuid.UUID]) -> list[KeyVersion]:
    """Return the ACTIVE and NEW keys of the device, and all keys of these changes. Raises Fault 805."""
    wanted = Q(state__in=(KeyState.ACTIVE, KeyState.NEW)) | Q(change__in=changes)
    return [
        KeyVersion(
            _KEY_TYPES[row.key_type],
            _unseal(device_id, row.key_type, envelope.get_sealed(row)),
            _KEY_STATES[row.state],
            row.change,
            row.state_changed_at,
        )
        for row in DeviceKey.objects.filter(wanted, device=device_id)
    ]


def unseal(
    device_id: int,
    keys: Iterable[SealedKey],
    key_types: Collection[KeyType],
    state: KeyState = KeyState.ACTIVE,
) -> dict[KeyType, bytes]:
    """Decrypt those of ``keys`` that are of these types and in that state. Raises Fault 805."""
    return {
        key.key_type: _unseal(device_id, key.key_type, key.secret)
        for key in keys
        if key.state == state and key.key_type in key_types
    }


def _lock(device_id: int) -> None:
    # Writers of one device's keys take turns. NO KEY: rows that refer to the device may be inserted.
    if not Device.objects.select_for_update(no_key=True).filter(pk=device_id).values_list("pk").first():
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The device does not exist any more.")


def _make_context(device_id: int, key_type: str) -> bytes:
    # A ciphertext is bound to its device and type: moved elsewhere, it does not decrypt. The primary key and
    # not the identification, so that an operator may correct the latter.
    return f"osgp device key 1|{device_id}|{key_type}".encode()


def _unseal(device_id: int, key_type: str, sealed: SealedSecret) -> bytes:
    try:
        return envelope.unseal(sealed, _make_context(device_id, key_type))
    except UnsealError as error:
        raise _make_unreadable(key_type, error) from error


def _make_unreadable(key_type: str, error: UnsealError) -> Fault:
    return Fault(
        FaultCode.READING_KEY_EXCEPTION,
        f"The {key_type} cannot be read. {error}",
        component=Component.SECRET_MANAGEMENT,
        # While key-encryption keys are rotated, processes learn of a new one one after the other.
        retryable=isinstance(error, UnknownKeyEncryptionKey),
    )


def _make_changed_meanwhile() -> Fault:
    return _make_fault(FaultCode.ENCRYPTION_EXCEPTION, "Another process changed the keys meanwhile.")


def _make_fault(code: FaultCode, message: str, pointer: str = "") -> Fault:
    return Fault(code, message, component=Component.SECRET_MANAGEMENT, pointer=pointer)
