"""Public keys of applications: what is accepted as one, and what is encrypted with it."""

import base64
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from osgp.accounts.models import ApplicationKey, Organisation

SMALLEST_KEY_BITS, LARGEST_KEY_BITS = 2048, 8192
LONGEST_TEXT = 8192
"""Characters; an RSA key of 8192 bits takes 1,425 in PEM. Private keys fit as well, and are told apart."""

_PRIVATE = re.compile(r"PRIVATE[ -]", re.IGNORECASE)
"""In the first line of private keys in PEM, and in PuTTY's; base64 has neither blanks nor hyphens."""
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class NotAPublicKey(ValueError):
    """A text is no public key that is accepted. Says why, and quotes none of it."""


class PrivateKeyGiven(NotAPublicKey):
    """It is a private key, which must not be told to anybody."""

    def __init__(self) -> None:
        super().__init__(
            "This is a private key. It was not stored; since it has left its owner, make a new pair and "
            "register the public key of that."
        )


@dataclass(frozen=True)
class PublicKey:
    """An RSA public key, in PEM (X.509 SubjectPublicKeyInfo), and the SHA-256 of its DER, hexadecimal."""

    pem: str
    fingerprint: str


def parse_public_key(text: str) -> PublicKey:
    """Parse a public key of an application: RSA, 2048 to 8192 bits, PEM of up to 8192 characters.

    Raises NotAPublicKey, and PrivateKeyGiven if a private key is anywhere in the text.
    """
    if _PRIVATE.search(text):
        raise PrivateKeyGiven
    if len(text) > LONGEST_TEXT:
        raise NotAPublicKey(f"Must be one public key, of at most {LONGEST_TEXT} characters.")
    try:
        key = serialization.load_pem_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        # Without its cause, which may quote the text.
        raise NotAPublicKey("Must be an RSA public key in PEM: -----BEGIN PUBLIC KEY----- …") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise NotAPublicKey("Must be an RSA key; keys of other kinds cannot encrypt.")
    if not SMALLEST_KEY_BITS <= key.key_size <= LARGEST_KEY_BITS:
        raise NotAPublicKey(
            f"Must have {SMALLEST_KEY_BITS} to {LARGEST_KEY_BITS} bits; this one has {key.key_size}."
        )
    return _describe(key)


def find_key(organisation: Organisation, application: str) -> ApplicationKey | None:
    """Return the public key that is registered for an application."""
    return ApplicationKey.objects.filter(organisation=organisation, application=application).first()


def encrypt_for_application(pem: str, secret: bytes) -> str:
    """Encrypt a device key with a public key that was parsed here: RSA-OAEP with SHA-256 and MGF1-SHA-256.

    Returns base64.
    """
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return base64.b64encode(key.encrypt(secret, _OAEP)).decode()


def _describe(key: rsa.RSAPublicKey) -> PublicKey:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    der = key.public_bytes(serialization.Encoding.DER, spki)
    pem = key.public_bytes(serialization.Encoding.PEM, spki)
    return PublicKey(pem.decode(), sha256(der).hexdigest())
