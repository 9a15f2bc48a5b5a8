"""Keys on their way to the platform: encrypted by the caller under the platform's RSA public key.

Ciphertexts are base64 of RSA-OAEP. Callers of the reference platform use SHA-1 with MGF1-SHA-1, so that is
accepted, beside SHA-256 with MGF1-SHA-256 and, as Java does it, with MGF1-SHA-1. OAEP does not rely on the
collision resistance that SHA-1 lost (RFC 8017 section 7.1, NIST SP 800-56B).
"""

import base64
import binascii

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from osgp.devices import platform_keys
from osgp.devices.keystore import require_length
from osgp.devices.models import KeyType
from osgp.faults import Component, Fault, FaultCode

ZERO_PREFIX = bytes(16)
"""Some callers put it before a key; it is taken off."""


def _make_oaep(digest: hashes.HashAlgorithm, mask_digest: hashes.HashAlgorithm) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(mask_digest), digest, None)


_SHA1, _SHA256 = hashes.SHA1(), hashes.SHA256()  # noqa: S303 (see above)
_ACCEPTED = (_make_oaep(_SHA256, _SHA256), _make_oaep(_SHA1, _SHA1), _make_oaep(_SHA256, _SHA1))


def export_public_key() -> str:
    """Return the platform's public key (X.509 SubjectPublicKeyInfo, PEM), with which callers encrypt keys.

    Raises ImproperlyConfigured.
    """
    current = platform_keys.load_public_keys()[0]
    return current.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def encrypt_for_platform(public_key_pem: str, secret: bytes) -> str:
    """Encrypt a key or password as callers do before they send it: RSA-OAEP with SHA-256, in base64.

    Raises ValueError for an invalid public key, or a secret too long for it.
    """
    public_key = serialization.load_pem_public_key(public_key_pem.encode())
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise ValueError("the platform's public key is not an RSA key")
    return base64.b64encode(public_key.encrypt(secret, _make_oaep(_SHA256, _SHA256))).decode()


def check(text: str, pointer: str = "", key_type: KeyType | None = None) -> None:
    """Check a key of a request before it is accepted, as far as this process can.

    Raises what :func:`decrypt` raises; without a private key only Fault 804 for what has not the form of a
    ciphertext.
    """
    if platform_keys.holds_private_keys():
        decrypt(text, pointer, key_type)
    else:
        _decode(text, [key.key_size for key in platform_keys.load_public_keys()], pointer)


def decrypt(text: str, pointer: str = "", key_type: KeyType | None = None) -> bytes:
    """Decrypt a key of a request: 16 bytes, or what ``key_type`` needs (an LLS password: 1 to 64 bytes).

    Raises Fault 804 when it is not base64 or was encrypted with none of the platform's public keys, and 802
    for a wrong length; ``pointer`` names the field in both.
    """
    private_keys = platform_keys.load_private_keys()
    ciphertext = _decode(text, [key.key_size for key in private_keys], pointer)
    secret = _decrypt(private_keys, ciphertext, pointer)
    # A password may begin with anything.
    if key_type != KeyType.LLS_PASSWORD and len(secret) > len(ZERO_PREFIX):
        secret = secret.removeprefix(ZERO_PREFIX)
    require_length(key_type, secret, pointer)
    return secret


def _decode(text: str, key_sizes: list[int], pointer: str) -> bytes:
    """``key_sizes`` are in bits, of the keys under which the text may be encrypted."""
    lengths = sorted({(bits + 7) // 8 for bits in key_sizes})
    # Checked before decoding: a megabyte of text is not worth the work.
    if len(text) in {(length + 2) // 3 * 4 for length in lengths}:
        try:
            ciphertext = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            ciphertext = b""
        if len(ciphertext) in lengths:
            return ciphertext
    numbers = " or ".join(map(str, lengths))
    raise _make_fault(
        f"Must be base64 of {numbers} bytes, encrypted with the platform's public key.", pointer
    )


def _decrypt(private_keys: tuple[rsa.RSAPrivateKey, ...], ciphertext: bytes, pointer: str) -> bytes:
    for private_key in private_keys:
        for scheme in _ACCEPTED:
            try:
                return private_key.decrypt(ciphertext, scheme)
            except ValueError:
                continue
    name = pointer.removeprefix("/") or "key"
    raise _make_fault(
        f"The {name} was not encrypted with the platform's public key, or not with RSA-OAEP.", pointer
    )


def _make_fault(message: str, pointer: str) -> Fault:
    return Fault(
        FaultCode.DECRYPTION_EXCEPTION, message, component=Component.SECRET_MANAGEMENT, pointer=pointer
    )
