"""Keyed fingerprints of keys: they tell equal keys without telling any.

HMAC-SHA256 under a random key of its own, which is encrypted at rest as the keys are. So the fingerprints of
a stolen database neither show a key nor let one be guessed, and they outlast a rotation of the
key-encryption keys.
"""

import hmac
import os
from collections.abc import Iterable

from django.db import transaction

from osgp.devices import envelope
from osgp.devices.models import FingerprintKey

LENGTH = 32
FIRST = 1
_CONTEXT = b"osgp fingerprint key 1"


class Fingerprints:
    """Computes fingerprints under one key. Raises UnsealError when that key cannot be read."""

    def __init__(self, row: FingerprintKey) -> None:
        self.key_id: int = row.pk
        self._key = envelope.unseal(envelope.get_sealed(row), _CONTEXT)

    @property
    def is_first(self) -> bool:
        """Whether no fingerprint was ever computed under another key."""
        return self.key_id == FIRST

    def compute(self, secrets: Iterable[bytes]) -> list[str]:
        """Return the fingerprints of keys, 64 hexadecimal digits each."""
        return [hmac.digest(self._key, secret, "sha256").hex() for secret in secrets]


def load() -> Fingerprints:
    """Return the fingerprints under the current key, which is made when there is none.

    Raises UnsealError. One query.
    """
    row = FingerprintKey.objects.order_by("-pk").first()
    return Fingerprints(row if row is not None else _make_first())


def renew() -> None:
    """Make a new key, after the key-encryption keys were lost: former fingerprints match nothing any more.

    The counter of a device then goes on with whatever key it gets, see keystore.give_counters.
    """
    with transaction.atomic():
        latest = FingerprintKey.objects.select_for_update().order_by("-pk").first()
        _build(pk=latest.pk + 1 if latest else FIRST).save(force_insert=True)


def rewrap() -> None:
    """Wrap the keys with the current key-encryption key. Raises UnsealError."""
    for row in FingerprintKey.objects.all():
        sealed = envelope.rewrap(envelope.get_sealed(row))
        FingerprintKey.objects.filter(pk=row.pk).update(
            key_encryption_key_id=sealed.key_encryption_key_id, wrapped_data_key=sealed.wrapped_data_key
        )


@transaction.atomic
def _make_first() -> FingerprintKey:
    # Of two processes at once, both go on with the same one.
    row = _build(pk=FIRST)
    FingerprintKey.objects.bulk_create([row], ignore_conflicts=True)
    return FingerprintKey.objects.get(pk=FIRST)


def _build(pk: int) -> FingerprintKey:
    sealed = envelope.seal(os.urandom(LENGTH), _CONTEXT)
    return FingerprintKey(
        pk=pk,
        key_encryption_key_id=sealed.key_encryption_key_id,
        wrapped_data_key=sealed.wrapped_data_key,
        ciphertext=sealed.ciphertext,
    )
