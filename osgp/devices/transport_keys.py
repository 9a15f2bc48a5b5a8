"""Keys on their way to the platform: encrypted by the caller under the platform's RSA public key.

Ciphertexts are base64 of RSA-OAEP. Callers of the reference platform use SHA-1 with MGF1-SHA-1, so that is
accepted, beside SHA-256 with MGF1-SHA-256 and, as Java does it, with MGF1-SHA-1. OAEP does not rely on the
collision resistance that SHA-1 lost (RFC 8017 section 7.1, NIST SP 800-56B).
"""

import base64
import binascii
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.devices.keystore import require_length
from osgp.devices.models import KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.local_secrets import find_or_make_secret

GENERATED_KEY_BITS = 3072
SMALLEST_KEY_BITS, LARGEST_KEY_BITS = 2048, 8192
ZERO_PREFIX = bytes(16)
"""Some callers put it before a key; it is stripped."""


def _make_oaep(digest: hashes.HashAlgorithm, mask_digest: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(mask_digest), digest, None)


_SHA1, _SHA256 = hashes.SHA1(), hashes.SHA256()  # noqa: S303 (see above)
_ACCEPTED = (_make_oaep(_SHA256, _SHA256), _make_oaep(_SHA1, _SHA1), _make_oaep(_SHA256, _SHA1))


def export_public_key() -> str:
    """Return the platform's public key (X.509 SubjectPublicKeyInfo, PEM), with which callers encrypt keys.

    Raises ImproperlyConfigured.
    """
    return (
        _get_private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def encrypt_for_platform(public_key_pem: str, secret: bytes) -> str:
    """Encrypt a key or password as callers do before they send it: RSA-OAEP with SHA-256, in base64.

    Raises ValueError for an invalid public key, or a secret too long for it.
    """
    public_key = serialization.load_pem_public_key(public_key_pem.encode())
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise ValueError("the platform's public key is not an RSA key")
    return base64.b64encode(public_key.encrypt(secret, _make_oaep(_SHA256, _SHA256))).decode()


def decrypt(text: str, pointer: str = "", key_type: KeyType | None = None) -> bytes:
    """Decrypt a key of a request: 16 bytes, or what ``key_type`` needs (an LLS password: 1 to 64 bytes).

    Raises Fault 804 when it is not base64 or was not encrypted with the platform's public key, and 802 for a
    wrong length; ``pointer`` names the field in both.
    """
    secret = _decrypt(_decode(text, pointer), pointer)
    if len(secret) > len(ZERO_PREFIX) and secret.startswith(ZERO_PREFIX):
        secret = secret[len(ZERO_PREFIX) :]
    require_length(key_type, secret, pointer)
    return secret


def _decode(text: str, pointer: str) -> bytes:
    length = (_get_private_key().key_size + 7) // 8
    # Checked before decoding: a megabyte of text is not worth the work.
    if len(text) == (length + 2) // 3 * 4:
        try:
            ciphertext = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            ciphertext = b""
        if len(ciphertext) == length:
            return ciphertext
    raise _make_fault(f"Must be base64 of {length} bytes, encrypted with the platform's public key.", pointer)


def _decrypt(ciphertext: bytes, pointer: str) -> bytes:
    private_key = _get_private_key()
    for scheme in _ACCEPTED:
        try:
            return private_key.decrypt(ciphertext, scheme)
        except ValueError:
            continue
    raise _make_fault("Was not encrypted with the platform's public key, or not with RSA-OAEP.", pointer)


def _make_fault(message: str, pointer: str) -> Fault:
    return Fault(
        FaultCode.DECRYPTION_EXCEPTION, message, component=Component.SECRET_MANAGEMENT, pointer=pointer
    )


def _get_private_key() -> rsa.RSAPrivateKey:
    return _load(settings.OSGP["RSA_PRIVATE_KEY_FILE"], settings.VAR_DIR, settings.OSGP["LOCAL_SECRETS"])


@lru_cache(maxsize=4)
def _load(file: str, directory: Path, local_allowed: bool) -> rsa.RSAPrivateKey:
    if file:
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise ImproperlyConfigured(
                f"The RSA private key file {file} cannot be read: {error.strerror}."
            ) from error
        return parse_private_key(content, file)
    name = "platform-rsa-private-key"
    content = find_or_make_secret(directory, name, allowed=local_allowed, make=_generate).encode()
    return parse_private_key(content, name)


def parse_private_key(content: bytes, name: str) -> rsa.RSAPrivateKey:
    """Parse an RSA private key, PEM or DER, without a password.

    Raises ImproperlyConfigured, which names the key as ``name`` and quotes none of it.
    """
    is_pem = content.lstrip().startswith(b"-----BEGIN")
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        key = load(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ImproperlyConfigured(
            f"{name} is not a private key in PEM or DER (PKCS#8) without a password."
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ImproperlyConfigured(f"The private key in {name} is not an RSA key.")
    if not SMALLEST_KEY_BITS <= key.key_size <= LARGEST_KEY_BITS:
        raise ImproperlyConfigured(
            f"The RSA key in {name} has {key.key_size} bits instead of "
            f"{SMALLEST_KEY_BITS} to {LARGEST_KEY_BITS}."
        )
    return key


def _generate() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=GENERATED_KEY_BITS).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
