"""AES-GCM of security suite 0 (Green Book 9.2.7.2 and 9.2.7.4), by OpenSSL through ``cryptography``.

Two users:

* gurux-dlms, which protects the requests. Its own AES is pure Python, slow, and its decryption never
  compares the authentication tag. :func:`install` puts :class:`AesGcmStream` in the place of its cipher
  stream; what gurux then produces is the same to the octet, and where it deciphers, the tag is checked;
* :class:`Deciphering`, which unprotects the meter's answers. It is the only way in for a ciphered answer:
  it demands authentication *and* encryption, verifies the tag, and demands that invocation counters rise.

Tags are compared by OpenSSL or :func:`hmac.compare_digest`, in constant time.
"""

import hmac
import sys
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from osgp.protocol_dlms.errors import ReplayedCounter, UnableToDecipher

TAG_LENGTH = 12
SECURITY_AUTHENTICATION = 0x10
SECURITY_ENCRYPTION = 0x20
# Suite 0, global unicast key, no compression: no other security control octet is acceptable in an answer.
AUTHENTICATED_ENCRYPTION = SECURITY_AUTHENTICATION | SECURITY_ENCRYPTION
_HEADER_LENGTH = 5  # security control, invocation counter


class AesGcmStream:
    """Takes the place of ``GXDLMSChipperingStream`` in gurux-dlms; names and arguments are therefore gurux's.

    ``tag`` is None to encrypt (it is to be read afterwards) and the received tag to decrypt and verify.
    gurux's own ``for_encrypt`` tells nothing, it is set in both cases.
    """

    def __init__(
        self, security: int, for_encrypt: bool, key: bytes, aad: bytes, iv: bytes, tag: bytes | None
    ) -> None:
        if tag is not None and len(tag) != TAG_LENGTH:
            raise ValueError("Invalid tag.")
        self.tag: bytes | bytearray = tag if tag is not None else bytearray(TAG_LENGTH)
        self._received_tag = tag
        self._security = security
        self._key = bytes(key)
        self._aad = bytes(aad)
        self._iv = bytes(iv)
        self._input = bytearray()

    def write(self, octets: bytes) -> None:
        self._input += octets

    def flushFinalBlock(self) -> bytes:  # noqa: N802 - gurux's name
        if self._received_tag is not None and self._security != SECURITY_ENCRYPTION:
            return open_sealed(self._key, self._iv, self._aad, bytes(self._input), bytes(self._received_tag))
        sealed = AESGCM(self._key).encrypt(self._iv, bytes(self._input), self._aad)
        if self._security != SECURITY_ENCRYPTION:
            self.tag = bytearray(sealed[-16 : TAG_LENGTH - 16])
        return sealed[:-16]

    @classmethod
    def tagsEquals(cls, tag: bytes, other: bytes) -> bool:  # noqa: N802 - gurux's name
        return hmac.compare_digest(bytes(tag), bytes(other))


def install() -> None:
    """Makes gurux-dlms use :class:`AesGcmStream`. To be called once, before the first APDU is built."""
    import gurux_dlms  # noqa: F401 - loads the module looked up next

    # The package also exports a class under the module's name, hence not by attribute.
    module: Any = sys.modules["gurux_dlms.GXDLMSChippering"]
    module.GXDLMSChipperingStream = AesGcmStream


def open_sealed(key: bytes, iv: bytes, aad: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """The plaintext if the (12 octet) tag is right; :class:`UnableToDecipher`, and nothing else, if not."""
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag, min_tag_length=TAG_LENGTH)).decryptor()
    decryptor.authenticate_additional_data(aad)
    plaintext = decryptor.update(ciphertext)
    try:
        return plaintext + decryptor.finalize()
    except InvalidTag:
        raise UnableToDecipher("the authentication tag of the answer does not match") from None


def gmac(key: bytes, authentication_key: bytes, system_title: bytes, counter: int, challenge: bytes) -> bytes:
    """f(challenge) of HLS mechanism 5: security control, invocation counter and tag, 17 octets."""
    control = bytes((SECURITY_AUTHENTICATION,))
    counter_octets = counter.to_bytes(4, "big")
    aad = control + authentication_key + challenge
    tag = AESGCM(key).encrypt(system_title + counter_octets, b"", aad)[:TAG_LENGTH]
    return control + counter_octets + tag


class Deciphering:
    """Unprotects the answers of one meter during one association.

    ``last_counter`` is the invocation counter of the latest authentic answer, -1 before the first: meters may
    begin with 0. Only authentic answers move it, so a forged one cannot lock the association out.
    """

    def __init__(self, encryption_key: bytes, authentication_key: bytes, system_title: bytes) -> None:
        self._key = encryption_key
        self._aad = bytes((AUTHENTICATED_ENCRYPTION,)) + authentication_key
        self._system_title = system_title
        self.last_counter = -1

    def unprotect(self, content: bytes) -> bytes:
        """The plain APDU in ciphered content: security control, invocation counter, ciphertext and tag."""
        if len(content) < _HEADER_LENGTH + TAG_LENGTH:
            raise UnableToDecipher("a ciphered answer cut short")
        if content[0] != AUTHENTICATED_ENCRYPTION:
            raise UnableToDecipher(
                f"the answer is protected with security control {content[0]:#04x}, "
                "not authenticated and encrypted in suite 0"
            )
        counter_octets = content[1:_HEADER_LENGTH]
        plain = open_sealed(
            self._key,
            self._system_title + counter_octets,
            self._aad,
            content[_HEADER_LENGTH:-TAG_LENGTH],
            content[-TAG_LENGTH:],
        )
        counter = int.from_bytes(counter_octets, "big")
        if counter <= self.last_counter:
            raise ReplayedCounter(f"invocation counter {counter} came after {self.last_counter}")
        self.last_counter = counter
        return plain

    def verify_gmac(self, proof: bytes, authentication_key: bytes, challenge: bytes) -> bool:
        """Whether ``proof`` is the meter's f(challenge), compared in constant time."""
        if len(proof) != _HEADER_LENGTH + TAG_LENGTH:
            return False
        counter = int.from_bytes(proof[1:_HEADER_LENGTH], "big")
        expected = gmac(self._key, authentication_key, self._system_title, counter, challenge)
        return hmac.compare_digest(proof, expected)
