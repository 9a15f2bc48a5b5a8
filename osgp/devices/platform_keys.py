"""The platform's RSA key pairs: callers encrypt keys under the public half, the private one decrypts them.

``OSGP_RSA_PRIVATE_KEY_FILE`` and ``OSGP_RSA_PUBLIC_KEY_FILE`` name a file, or several separated by commas.
The first key is the current one, which callers are told. The others are in use beside it while keys are
rotated. A process that has public keys only, as the web application, reads no key that callers send.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.local_secrets import find_or_make_secret

GENERATED_KEY_BITS = 3072
SMALLEST_KEY_BITS, LARGEST_KEY_BITS = 2048, 8192


def holds_private_keys() -> bool:
    """Return whether this process is one that decrypts: false if it is given public keys only."""
    return bool(settings.OSGP["RSA_PRIVATE_KEY_FILE"]) or not settings.OSGP["RSA_PUBLIC_KEY_FILE"]


def load_private_keys() -> tuple[rsa.RSAPrivateKey, ...]:
    """Return the private keys, the current one first; an embedded installation makes one below ``var/``.

    Raises ImproperlyConfigured.
    """
    local_allowed = settings.OSGP["LOCAL_SECRETS"] and holds_private_keys()
    return _load_private(settings.OSGP["RSA_PRIVATE_KEY_FILE"], settings.VAR_DIR, local_allowed)


def load_public_keys() -> tuple[rsa.RSAPublicKey, ...]:
    """Return the public keys, the current one first: from their files, or the halves of the private ones.

    Raises ImproperlyConfigured.
    """
    if files := settings.OSGP["RSA_PUBLIC_KEY_FILE"]:
        return _load_public(files)
    return tuple(key.public_key() for key in load_private_keys())


def check_pair() -> None:
    """Where both kinds are configured, the current ones must belong together. Raises ImproperlyConfigured."""
    private, public = load_private_keys()[0], load_public_keys()[0]
    if private.public_key().public_numbers() != public.public_numbers():
        raise ImproperlyConfigured(
            "The first key of OSGP_RSA_PUBLIC_KEY_FILE is not the public half of the first one of "
            "OSGP_RSA_PRIVATE_KEY_FILE."
        )


@lru_cache(maxsize=4)
def _load_private(files: str, directory: Path, local_allowed: bool) -> tuple[rsa.RSAPrivateKey, ...]:
    if files:
        return tuple(parse_private_key(_read(file, "private"), file) for file in _split(files))
    name = "platform-rsa-private-key"
    content = find_or_make_secret(directory, name, allowed=local_allowed, make=_generate)
    return (parse_private_key(content.encode(), name),)


@lru_cache(maxsize=4)
def _load_public(files: str) -> tuple[rsa.RSAPublicKey, ...]:
    return tuple(read_public_key(file) for file in _split(files))


def read_public_key(file: str) -> rsa.RSAPublicKey:
    """Read an RSA public key, PEM or DER. Raises ImproperlyConfigured, naming the file."""
    return parse_public_key(_read(file, "public"), file)


def _split(files: str) -> list[str]:
    names = [name.strip() for name in files.split(",")]
    if not all(names):
        raise ImproperlyConfigured("A name is missing in the list of RSA key files.")
    return names


def _read(file: str, kind: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The RSA {kind} key file {file} cannot be read: {error.strerror}."
        ) from error


def parse_private_key(content: bytes, name: str, password: bytes | None = None) -> rsa.RSAPrivateKey:
    """Parse an RSA private key, PEM or DER, that is protected with the password, if there is one.

    Raises ImproperlyConfigured, which names the key as ``name`` and quotes none of it.
    """

    def load(content: bytes) -> object:
        if _is_pem(content):
            return serialization.load_pem_private_key(content, password)
        return serialization.load_der_private_key(content, password)

    protection = "without a password" if password is None else "with this password"
    key = _parse(load, content, f"{name} is not a private key in PEM or DER (PKCS#8) {protection}.")
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ImproperlyConfigured(f"The private key in {name} is not an RSA key.")
    _require_size(key.key_size, name)
    return key


def parse_public_key(content: bytes, name: str) -> rsa.RSAPublicKey:
    """Parse an RSA public key, PEM or DER. Raises ImproperlyConfigured, which names the key as ``name``."""

    def load(content: bytes) -> object:
        if _is_pem(content):
            return serialization.load_pem_public_key(content)
        return serialization.load_der_public_key(content)

    key = _parse(load, content, f"{name} is not a public key in PEM or DER (SubjectPublicKeyInfo).")
    if not isinstance(key, rsa.RSAPublicKey):
        raise ImproperlyConfigured(f"The public key in {name} is not an RSA key.")
    _require_size(key.key_size, name)
    return key


def _is_pem(content: bytes) -> bool:
    return content.lstrip().startswith(b"-----BEGIN")


def _parse(load: Callable[[bytes], Any], content: bytes, complaint: str) -> object:
    try:
        return load(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The error itself may quote the content.
        raise ImproperlyConfigured(complaint) from None


def _require_size(bits: int, name: str) -> None:
    if not SMALLEST_KEY_BITS <= bits <= LARGEST_KEY_BITS:
        raise ImproperlyConfigured(
            f"The RSA key in {name} has {bits} bits instead of {SMALLEST_KEY_BITS} to {LARGEST_KEY_BITS}."
        )


def _generate() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=GENERATED_KEY_BITS).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
