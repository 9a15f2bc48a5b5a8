"""Envelope encryption of secrets at rest; knows nothing of devices or the database.

Every secret is encrypted with AES-256-GCM under a data key of its own. The data key is wrapped (RFC 3394)
by a key-encryption key, which comes from the environment and never is in the database. Rotating
key-encryption keys therefore rewraps 32 bytes per secret and leaves the secrets themselves alone.

``OSGP_KEY_ENCRYPTION_KEYS`` is ``id:base64,id2:base64``, 32 bytes each: the first is used for new secrets,
all of them for reading.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.local_secrets import find_or_make_secret

KEY_LENGTH = 32
"""Bytes in a data key and in a key-encryption key."""
NONCE_LENGTH = 12

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class UnsealError(Exception):
    """The secret cannot be read: its key-encryption key is missing, or the data was tampered with."""


class UnknownKeyEncryptionKey(UnsealError):
    """This process does not have the key-encryption key; one that was started later may."""


@dataclass(frozen=True)
class SealedSecret:
    """A secret as it is stored. ``ciphertext`` is the nonce, the encrypted secret and its tag."""

    key_encryption_key_id: str
    wrapped_data_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


class SealedRow(Protocol):
    """A row of a table with a sealed secret in it."""

    @property
    def key_encryption_key_id(self) -> str: ...
    @property
    def wrapped_data_key(self) -> bytes | memoryview: ...
    @property
    def ciphertext(self) -> bytes | memoryview: ...


def get_sealed(row: SealedRow) -> SealedSecret:
    """Return the secret of a row. psycopg2 gives memoryviews for binary columns."""
    return SealedSecret(row.key_encryption_key_id, bytes(row.wrapped_data_key), bytes(row.ciphertext))


@dataclass(frozen=True)
class KeyEncryptionKeys:
    """The key-encryption keys by their ids; ``current`` is the id of the one for new secrets."""

    current: str
    _keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "KeyEncryptionKeys":
        """Read ``id:base64,id2:base64``. Raises ImproperlyConfigured, which never quotes a key."""
        keys: dict[str, bytes] = {}
        for position, item in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
            key_id, _, encoded = item.partition(":")
            if not _KEY_ID.fullmatch(key_id) or not encoded:
                raise ImproperlyConfigured(
                    f"Entry {position} of the key-encryption keys is not 'id:base64', "
                    "the id being 1 to 32 of A-Z, a-z, 0-9, dot, underscore and dash."
                )
            if key_id in keys:
                raise ImproperlyConfigured(f"There are two key-encryption keys {key_id}.")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raise ImproperlyConfigured(f"The key-encryption key {key_id} is not base64.") from None
            if len(key) != KEY_LENGTH:
                raise ImproperlyConfigured(
                    f"The key-encryption key {key_id} has {len(key)} bytes instead of {KEY_LENGTH}."
                )
            keys[key_id] = key
        if not keys:
            raise ImproperlyConfigured("There are no key-encryption keys.")
        return cls(next(iter(keys)), keys)

    def get_key(self, key_id: str) -> bytes:
        """Return the key with that id. Raises UnknownKeyEncryptionKey."""
        try:
            return self._keys[key_id]
        except KeyError:
            raise UnknownKeyEncryptionKey(f"There is no key-encryption key {key_id}.") from None


def load_key_encryption_keys() -> KeyEncryptionKeys:
    """Return the keys for secrets of devices. Raises ImproperlyConfigured."""
    return load_keyring("KEY_ENCRYPTION_KEYS", "key-encryption-keys")


def load_keyring(setting: str, name: str) -> KeyEncryptionKeys:
    """Return the configured keys; an embedded installation makes one for itself: ``var/secrets/NAME``.

    Raises ImproperlyConfigured.
    """
    return _load(settings.OSGP[setting], name, settings.VAR_DIR, settings.OSGP["LOCAL_SECRETS"])


@lru_cache(maxsize=8)
def _load(configured: str, name: str, directory: Path, local_allowed: bool) -> KeyEncryptionKeys:
    if configured:
        return KeyEncryptionKeys.parse(configured)
    return KeyEncryptionKeys.parse(
        find_or_make_secret(directory, name, allowed=local_allowed, make=_make_local)
    )


def _make_local() -> bytes:
    return b"local:" + base64.b64encode(os.urandom(KEY_LENGTH))


def seal(secret: bytes, context: bytes, keys: KeyEncryptionKeys | None = None) -> SealedSecret:
    """Encrypt a secret; reading it needs the same ``context`` and ``keys``: those of devices unless told."""
    keys = keys or load_key_encryption_keys()
    data_key = os.urandom(KEY_LENGTH)
    nonce = os.urandom(NONCE_LENGTH)
    return SealedSecret(
        key_encryption_key_id=keys.current,
        wrapped_data_key=aes_key_wrap(keys.get_key(keys.current), data_key),
        ciphertext=nonce + AESGCM(data_key).encrypt(nonce, secret, context),
    )


def unseal(sealed: SealedSecret, context: bytes, keys: KeyEncryptionKeys | None = None) -> bytes:
    """Decrypt a secret. Raises UnsealError."""
    data_key = _unwrap(sealed, keys or load_key_encryption_keys())
    nonce, ciphertext = sealed.ciphertext[:NONCE_LENGTH], sealed.ciphertext[NONCE_LENGTH:]
    try:
        return AESGCM(data_key).decrypt(nonce, ciphertext, context)
    except (InvalidTag, ValueError):
        raise UnsealError("The stored secret is damaged or belongs to something else.") from None


def rewrap(sealed: SealedSecret, keys: KeyEncryptionKeys | None = None) -> SealedSecret:
    """Return the same secret under the current key-encryption key. Raises UnsealError."""
    keys = keys or load_key_encryption_keys()
    wrapped = aes_key_wrap(keys.get_key(keys.current), _unwrap(sealed, keys))
    return SealedSecret(keys.current, wrapped, sealed.ciphertext)


def _unwrap(sealed: SealedSecret, keys: KeyEncryptionKeys) -> bytes:
    key_encryption_key = keys.get_key(sealed.key_encryption_key_id)
    try:
        data_key = aes_key_unwrap(key_encryption_key, sealed.wrapped_data_key)
    except (InvalidUnwrap, ValueError):
        raise UnsealError(
            f"The data key does not open with the key-encryption key {sealed.key_encryption_key_id}."
        ) from None
    if len(data_key) != KEY_LENGTH:
        raise UnsealError("The data key has the wrong length.")
    return data_key
