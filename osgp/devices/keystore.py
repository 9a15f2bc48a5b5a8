"""The key store: the secrets of devices, encrypted at rest, each version with a state.

A key is NEW when it is stored, ACTIVE once the meter is known to use it, EXPIRED when another one took its
place, and WITHDRAWN when another NEW one took its place first. A device has at most one NEW and one ACTIVE
key of a type, and no version is ever deleted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from osgp.devices import envelope
from osgp.devices.envelope import SealedSecret, UnknownKeyEncryptionKey, UnsealError
from osgp.devices.key_states import KeyTransitions
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.sql import Statement
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


def store_new(device: Device, secrets: Mapping[KeyType, bytes]) -> None:
    """Store secrets as NEW, and make earlier NEW ones of these types WITHDRAWN: all of them or none.

    Raises Fault 802 for a wrong length and 201 when the device does not exist any more.
    """
    for key_type, secret in secrets.items():
        require_length(key_type, secret)
    sealed = [make_row(device.pk, key_type, secret) for key_type, secret in secrets.items()]
    if not sealed:
        return
    with transaction.atomic():
        _lock(device)
        now = timezone.now()
        superseded = DeviceKey.objects.filter(device=device, key_type__in=list(secrets))
        apply(superseded, KeyTransitions.WITHDRAW, state_changed_at=now)
        DeviceKey.objects.bulk_create(sealed)


def make_row(device_id: int, key_type: KeyType, secret: bytes, state: KeyState = KeyState.NEW) -> DeviceKey:
    """Return a row with the secret encrypted, not stored yet, for callers that store many at once."""
    sealed = envelope.seal(secret, _make_context(device_id, key_type.value))
    return DeviceKey(
        device_id=device_id,
        key_type=key_type,
        state=state,
        key_encryption_key_id=sealed.key_encryption_key_id,
        wrapped_data_key=sealed.wrapped_data_key,
        ciphertext=sealed.ciphertext,
    )


def activate(device: Device, key_types: Collection[KeyType]) -> frozenset[KeyType]:
    """Make NEW keys of these types ACTIVE, and the ACTIVE ones before them EXPIRED: all of them or none.

    Returns the types that had a NEW key; nothing changes for the others. Raises Fault 201 when the device
    does not exist any more, and 803 when another process changed the keys meanwhile.
    """
    with transaction.atomic():
        _lock(device)
        now = timezone.now()
        keys = DeviceKey.objects.filter(device=device)
        pending = dict(
            keys.filter(key_type__in=list(key_types), state=KeyState.NEW).values_list("key_type", "pk")
        )
        apply(keys.filter(key_type__in=pending), KeyTransitions.EXPIRE, state_changed_at=now)
        activated = apply(keys.filter(pk__in=pending.values()), KeyTransitions.ACTIVATE, state_changed_at=now)
        if activated != len(pending):
            raise _make_fault(FaultCode.ENCRYPTION_EXCEPTION, "Another process changed the keys meanwhile.")
    return frozenset(KeyType(key_type) for key_type in pending)


def read_active_keys(device: Device, key_types: Collection[KeyType]) -> dict[KeyType, bytes]:
    """Return the ACTIVE secrets of these types, without those that the device lacks. One query.

    Raises Fault 805 when one cannot be decrypted.
    """
    return unseal(device.pk, read_sealed_keys(device.pk), key_types)


def has_had(device: Device, key_type: KeyType, secret: bytes) -> bool:
    """Return whether any version of the key, in any state, is this secret. Raises Fault 805."""
    rows = DeviceKey.objects.filter(device=device, key_type=key_type)
    return any(_unseal(device.pk, row.key_type, _get_sealed(row)) == secret for row in rows)


def rewrap(row: DeviceKey) -> bool:
    """Wrap the data key of one row with the current key-encryption key; False if the row changed meanwhile.

    Raises Fault 805 when it cannot be unwrapped.
    """
    try:
        sealed = envelope.rewrap(_get_sealed(row))
    except UnsealError as error:
        raise _make_unreadable(row.key_type, error) from error
    return bool(
        DeviceKey.objects.filter(pk=row.pk, key_encryption_key_id=row.key_encryption_key_id).update(
            key_encryption_key_id=sealed.key_encryption_key_id, wrapped_data_key=sealed.wrapped_data_key
        )
    )


class SealedKey(NamedTuple):
    """A key as it is stored."""

    key_type: KeyType
    secret: SealedSecret

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "SealedKey":
        """Make a key from a row of ``SEALED_COLUMNS``."""
        key_type, key_encryption_key_id, wrapped, ciphertext = row
        # psycopg2 gives memoryviews for binary columns.
        return cls(
            _KEY_TYPES[key_type], SealedSecret(key_encryption_key_id, bytes(wrapped), bytes(ciphertext))
        )


_KEY_TYPES = {member.value: member for member in KeyType}
SEALED_COLUMNS = "k.key_type, k.key_encryption_key_id, k.wrapped_data_key, k.ciphertext"
_READ = Statement(
    f"SELECT {SEALED_COLUMNS} FROM {DeviceKey._meta.db_table} k WHERE k.device_id = %s AND k.state = %s"  # noqa: S608
)


def read_sealed_keys(device_id: int, state: KeyState = KeyState.ACTIVE) -> list[SealedKey]:
    """Return the keys of a device in that state, not decrypted. One query."""
    return [SealedKey.from_row(row) for row in _READ.fetch_rows(device_id, str(state))]


def unseal(device_id: int, keys: Iterable[SealedKey], key_types: Collection[KeyType]) -> dict[KeyType, bytes]:
    """Decrypt those of ``keys`` that are of these types. Raises Fault 805."""
    return {
        key.key_type: _unseal(device_id, key.key_type, key.secret)
        for key in keys
        if key.key_type in key_types
    }


def _lock(device: Device) -> None:
    # Writers of one device's keys take turns. NO KEY: rows that refer to the device may be inserted.
    if not Device.objects.select_for_update(no_key=True).filter(pk=device.pk).values_list("pk").first():
        raise Fault(FaultCode.UNKNOWN_DEVICE, "The device does not exist any more.")


def _make_context(device_id: int, key_type: str) -> bytes:
    # A ciphertext is bound to its device and type: moved elsewhere, it does not decrypt. The primary key and
    # not the identification, so that an operator may correct the latter.
    return f"osgp device key 1|{device_id}|{key_type}".encode()


def _get_sealed(row: DeviceKey) -> SealedSecret:
    # psycopg2 gives memoryviews for binary columns.
    return SealedSecret(row.key_encryption_key_id, bytes(row.wrapped_data_key), bytes(row.ciphertext))


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


def _make_fault(code: FaultCode, message: str, pointer: str = "") -> Fault:
    return Fault(code, message, component=Component.SECRET_MANAGEMENT, pointer=pointer)
