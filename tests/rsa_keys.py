"""RSA keys of applications, made once."""

import base64
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Encoding, Private, Public = (
    serialization.Encoding,
    serialization.PrivateFormat,
    serialization.PublicFormat,
)


def make_pair(name: str = "portal", bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of its own for each name."""
    return _make_pair(name, bits)


@cache
def _make_pair(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key: rsa.RSAPrivateKey, kind: Public = Public.SubjectPublicKeyInfo) -> str:
    return key.public_key().public_bytes(Encoding.PEM, kind).decode()


def private_pem(key: rsa.RSAPrivateKey, kind: Private = Private.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, kind, serialization.NoEncryption()).decode()


def decrypt(key: rsa.RSAPrivateKey, text: str) -> bytes:
    """What the application does with a key that was handed out to it."""
    sha256 = hashes.SHA256()
    return key.decrypt(
        base64.b64decode(text, validate=True), padding.OAEP(padding.MGF1(sha256), sha256, None)
    )
