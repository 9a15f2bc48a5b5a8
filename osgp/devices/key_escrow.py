"""A second place for new keys, so that they are not lost with the database.

Before a meter gets new keys, they are written to a folder on another disk, sealed under an RSA public key
(OSGP_KEY_ESCROW_PUBLIC_KEY_FILE, OSGP_KEY_ESCROW_DIRECTORY). The private half is elsewhere: nothing of the
platform opens the files but ``manage.py recover_keys``, after a restore of the database. A tiny file beside
them, the marker, says that a change was finished.

A file is JSON with a plain part (device, change, time, types of the keys) and the keys under AES-256-GCM. The
content key is random, and wrapped with RSA-OAEP and SHA-256; the plain part is bound as associated data.
"""

import base64
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils import timezone

from osgp import platform_time
from osgp.devices import fingerprints
from osgp.devices.envelope import UnknownKeyEncryptionKey, UnsealError
from osgp.devices.keystore import require_length
from osgp.devices.models import KeyType, device_identification_validator
from osgp.devices.second_place import find_place
from osgp.faults import Component, Fault, FaultCode

logger = logging.getLogger(__name__)

FORMAT = "osgp key escrow 1"
KEYS, MARKER = ".keys", ".active"
"""How names of the two kinds of files end; those of one change are the same otherwise."""
LARGEST_FILE = 16 * 1024
"""Bytes; with the largest RSA key a file has less than 3 KiB."""
_CONTENT_KEY_LENGTH = 32
_NONCE_LENGTH = 12
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class EscrowError(Exception):
    """A file cannot be used; says why, and quotes nothing of it."""


def keep(device: str, change: uuid.UUID, secrets: Mapping[KeyType, bytes]) -> None:
    """Write the keys of a change to the second place, if there is one. Again for the same keys: no harm.

    Raises Fault 803, a retryable one, if they cannot be written, and 805 if there can be no name for them.
    """
    try:
        place = find_place()
        if place is None:
            return
        at = platform_time.now()
        name = _make_name(change, secrets)
        place.write(at, name + KEYS, seal(place.public_key, name, device, change, at, secrets))
    except (OSError, ImproperlyConfigured) as error:
        logger.error("New keys of %s cannot be written to the second place: %s", device, error)
        raise Fault(
            FaultCode.ENCRYPTION_EXCEPTION,
            "The new keys could not be written to their second place. The meter did not get them.",
            component=Component.SECRET_MANAGEMENT,
            retryable=True,
        ) from error
    except UnsealError as error:
        raise Fault(
            FaultCode.READING_KEY_EXCEPTION,
            f"The key of the fingerprints cannot be read. {error}",
            component=Component.SECRET_MANAGEMENT,
            retryable=isinstance(error, UnknownKeyEncryptionKey),
        ) from error


def mark_active(device: str, change: uuid.UUID, secrets: Mapping[KeyType, bytes]) -> None:
    """Write the marker: these keys of a change are ACTIVE. A marker that cannot be written is only logged."""
    try:
        place = find_place()
        if place is not None:
            at = platform_time.now()
            place.write(at, _make_name(change, secrets) + MARKER, at.isoformat().encode())
    except (OSError, ImproperlyConfigured, UnsealError) as error:
        logger.warning("The second place does not say that new keys of %s are active: %s", device, error)


def _make_name(change: uuid.UUID, secrets: Mapping[KeyType, bytes]) -> str:
    """Return the same name for the same keys of a change. Raises UnsealError.

    An action may make other keys in each attempt. The fingerprint is a keyed one, and tells none of them.
    """
    keys = "".join(f"|{key_type}={secrets[key_type].hex()}" for key_type in sorted(secrets))
    [fingerprint] = fingerprints.load().compute([f"escrow|{change}{keys}".encode()])
    return f"{change}-{fingerprint[:32]}"


def seal(
    public_key: rsa.RSAPublicKey,
    name: str,
    device: str,
    change: uuid.UUID,
    at: datetime,
    secrets: Mapping[KeyType, bytes],
) -> bytes:
    """Return the content of a file."""
    plain = {
        "format": FORMAT,
        "name": name,
        "device": device,
        "change": str(change),
        "at": at.isoformat(),
        "key_types": sorted(secrets),
        "public_key": compute_fingerprint(public_key),
    }
    content_key, nonce = os.urandom(_CONTENT_KEY_LENGTH), os.urandom(_NONCE_LENGTH)
    inside = json.dumps({key_type: secret.hex() for key_type, secret in secrets.items()}).encode()
    sealed = {
        "content_key": public_key.encrypt(content_key, _OAEP),
        "keys": nonce + AESGCM(content_key).encrypt(nonce, inside, _bind(plain)),
    }
    encoded = {field_name: base64.b64encode(value).decode() for field_name, value in sealed.items()}
    return json.dumps({**plain, **encoded}, indent=1).encode()


@dataclass(frozen=True)
class SealedChange:
    """The keys of a change as a file has them. What is plain is proven only when the keys are opened.

    ``name`` is that of the file and of its marker, without what they end with.
    """

    path: Path
    name: str
    device: str
    change: uuid.UUID
    at: datetime
    _plain: Mapping[str, Any] = field(repr=False)
    _content_key: bytes = field(repr=False)
    _keys: bytes = field(repr=False)

    def open(self, private_key: rsa.RSAPrivateKey) -> dict[KeyType, bytes]:
        """Return the keys. Raises EscrowError."""
        if self._plain["public_key"] != compute_fingerprint(private_key.public_key()):
            raise EscrowError("is sealed for another private key")
        nonce, ciphertext = self._keys[:_NONCE_LENGTH], self._keys[_NONCE_LENGTH:]
        try:
            content_key = private_key.decrypt(self._content_key, _OAEP)
            inside = AESGCM(content_key).decrypt(nonce, ciphertext, _bind(self._plain))
        except (ValueError, InvalidTag):
            raise EscrowError("is damaged, or was changed") from None
        return _parse_keys(inside)


def read(path: Path) -> SealedChange:
    """Read a file. Raises EscrowError for one that is damaged or something else, and OSError."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise EscrowError("is too large")
    try:
        fields = json.loads(content)
        sealed = [base64.b64decode(fields.pop(name), validate=True) for name in ("content_key", "keys")]
        if fields["format"] != FORMAT or not all(
            isinstance(fields[name], str) for name in ("name", "device", "public_key")
        ):
            raise ValueError(FORMAT)
        change, at = uuid.UUID(fields["change"]), datetime.fromisoformat(fields["at"])
        if timezone.is_naive(at):
            raise ValueError("no time zone")
        device_identification_validator(fields["device"])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, ValidationError):
        raise EscrowError("is truncated, damaged, or no file with keys") from None
    return SealedChange(path, fields["name"], fields["device"], change, at, fields, *sealed)


def list_files(directory: Path) -> Iterator[Path]:
    """Return all files below a directory in their order, without hidden ones: those were never finished."""
    return (path for path in sorted(directory.rglob("*")) if path.is_file() and path.name[0] != ".")


def compute_fingerprint(public_key: rsa.RSAPublicKey) -> str:
    """Return SHA-256 of the public key (SubjectPublicKeyInfo, DER), in hexadecimal."""
    encoded = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(encoded).hexdigest()


def _parse_keys(inside: bytes) -> dict[KeyType, bytes]:
    # Whoever has the public key can seal anything.
    try:
        secrets = {KeyType(name): bytes.fromhex(value) for name, value in json.loads(inside).items()}
        for key_type, secret in secrets.items():
            require_length(key_type, secret)
    except (ValueError, TypeError, AttributeError, Fault):
        secrets = {}
    if not secrets:
        raise EscrowError("holds no keys")
    return secrets


def _bind(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
