"""Protection of APDUs with security suite 0 (Green Book "Security suite 0": AES-GCM-128).

Only the combination that smart meters use is offered: authenticated and encrypted APDUs with the global
unicast encryption key, and GMAC for the high level authentication. Tags are 12 octets and are always
compared, in constant time.
"""

from hmac import compare_digest
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .axdr import decode_length, encode_length
from .errors import DecipheringError, RemoteProtocolError

SECURITY_CONTROL_AUTHENTICATED = 0x10
SECURITY_CONTROL_AUTHENTICATED_ENCRYPTED = 0x30
TAG_OCTETS = 12
KEY_OCTETS = 16
SYSTEM_TITLE_OCTETS = 8
MAXIMUM_COUNTER = 0xFFFFFFFF

GLOBAL_INITIATE_REQUEST = 0x21
GLOBAL_INITIATE_RESPONSE = 0x28
GENERAL_GLO_CIPHERING = 0xDB
OVERHEAD = 1 + 5 + 1 + 4 + TAG_OCTETS
"""Most octets that ciphering adds to an APDU: tag, length, security control, counter, authentication tag."""


class Deciphered(NamedTuple):
    """The plain APDU and the invocation counter that protected it."""

    invocation_counter: int
    apdu: bytes


class Cipher:
    """One meter's key pair, bound to the system titles of an association."""

    __slots__ = (
        "_associated_data",
        "_gcm",
        "authentication_key",
        "encryption_key",
        "peer_system_title",
        "system_title",
    )

    def __init__(
        self, encryption_key: bytes, authentication_key: bytes, system_title: bytes, peer_system_title: bytes
    ) -> None:
        self._gcm = AESGCM(encryption_key)
        self.encryption_key = encryption_key
        self.authentication_key = authentication_key
        self.system_title = system_title
        self.peer_system_title = peer_system_title
        self._associated_data = bytes((SECURITY_CONTROL_AUTHENTICATED_ENCRYPTED,)) + authentication_key

    def encipher(self, tag: int, invocation_counter: int, apdu: bytes) -> bytes:
        """``apdu``, authenticated and encrypted, as the ciphered APDU ``tag`` (glo-get-response...)."""
        sealed = self._seal(invocation_counter, apdu)
        return bytes((tag,)) + encode_length(len(sealed)) + sealed

    def encipher_general(self, invocation_counter: int, apdu: bytes) -> bytes:
        """``apdu``, authenticated and encrypted, as general-glo-ciphering: it names its sender itself."""
        title, sealed = self.system_title, self._seal(invocation_counter, apdu)
        sender = encode_length(len(title)) + title
        return bytes((GENERAL_GLO_CIPHERING,)) + sender + encode_length(len(sealed)) + sealed

    def _seal(self, invocation_counter: int, apdu: bytes) -> bytes:
        """Security control, counter, ciphertext and authentication tag."""
        counter = invocation_counter.to_bytes(4, "big")
        sealed = self._gcm.encrypt(self.system_title + counter, apdu, self._associated_data)
        control = bytes((SECURITY_CONTROL_AUTHENTICATED_ENCRYPTED,))
        return control + counter + sealed[: len(apdu) + TAG_OCTETS]

    def decipher(self, apdu: bytes) -> Deciphered:
        """The plain APDU inside a ciphered one of the peer; DecipheringError unless its tag is right."""
        length, offset = decode_length(apdu, 1)
        if offset + length != len(apdu) or length < 5 + TAG_OCTETS:
            raise RemoteProtocolError("a ciphered APDU is malformed")
        if apdu[offset] != SECURITY_CONTROL_AUTHENTICATED_ENCRYPTED:
            raise DecipheringError(f"security control {apdu[offset]:#04x} is not the agreed one")
        counter = apdu[offset + 1 : offset + 5]
        nonce = self.peer_system_title + counter
        ciphertext = apdu[offset + 5 : -TAG_OCTETS]
        # The library's one-shot decryption wants tags of 16 octets. GCM encrypts with a key stream, so
        # encrypting the ciphertext gives the plaintext, and encrypting that again gives the tag that the
        # peer must have sent.
        plain = self._gcm.encrypt(nonce, ciphertext, None)[: len(ciphertext)]
        sealed = self._gcm.encrypt(nonce, plain, self._associated_data)
        expected = sealed[len(plain) : len(plain) + TAG_OCTETS]
        if not compare_digest(expected, apdu[-TAG_OCTETS:]):
            raise DecipheringError("the authentication tag is wrong")
        return Deciphered(int.from_bytes(counter, "big"), plain)

    def _compute_gmac(self, system_title: bytes, counter: bytes, challenge: bytes) -> bytes:
        authenticated = bytes((SECURITY_CONTROL_AUTHENTICATED,)) + self.authentication_key + challenge
        return self._gcm.encrypt(system_title + counter, b"", authenticated)[:TAG_OCTETS]

    def answer_challenge(self, invocation_counter: int, challenge: bytes) -> bytes:
        """f(challenge) of HLS mechanism 5: security control, our counter and the GMAC; 17 octets."""
        counter = invocation_counter.to_bytes(4, "big")
        return (
            bytes((SECURITY_CONTROL_AUTHENTICATED,))
            + counter
            + self._compute_gmac(self.system_title, counter, challenge)
        )

    def check_challenge(self, answer: bytes, challenge: bytes) -> int:
        """The counter in the peer's f(challenge); DecipheringError unless it is the right answer."""
        if len(answer) != 5 + TAG_OCTETS or answer[0] != SECURITY_CONTROL_AUTHENTICATED:
            raise DecipheringError("the answer to the challenge is malformed")
        if not compare_digest(self._compute_gmac(self.peer_system_title, answer[1:5], challenge), answer[5:]):
            raise DecipheringError("the answer to the challenge is wrong")
        return int.from_bytes(answer[1:5], "big")
