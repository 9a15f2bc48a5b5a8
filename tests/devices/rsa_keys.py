"""RSA keys in files, as an operator makes them, and what callers encrypt under them."""

import base64
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SHA1, SHA256 = hashes.SHA1(), hashes.SHA256()  # noqa: S303 (what callers of the reference platform use)


def write_private(key: rsa.RSAPrivateKey, path: Path) -> Path:
    """PEM, PKCS#8; returns the path."""
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


def write_public(
    key: rsa.RSAPrivateKey, path: Path, encoding: serialization.Encoding = serialization.Encoding.PEM
) -> Path:
    """SubjectPublicKeyInfo; returns the path."""
    path.write_bytes(key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


def encrypt(
    key: rsa.RSAPrivateKey,
    secret: bytes,
    digest: hashes.HashAlgorithm | None = None,
    mask_digest: hashes.HashAlgorithm | None = None,
) -> str:
    """RSA-OAEP as callers do it; SHA-1 for both digests unless told."""
    scheme = padding.OAEP(padding.MGF1(mask_digest or SHA1), digest or SHA1, None)
    return base64.b64encode(key.public_key().encrypt(secret, scheme)).decode()
