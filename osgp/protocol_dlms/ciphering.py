"""AES-GCM of security suite 0 (Green Book 9.2.7.2 and 9.2.7.4), by OpenSSL through ``cryptography``.

:class:`Ciphering` protects our requests; its output equals that of gurux-dlms, octet by octet.
:class:`Deciphering` unprotects the meter's answers. All ciphered answers go through it: it requires
authentication *and* encryption, verifies the tag (gurux's decryption never does), and requires that
invocation counters rise.

Tags are compared by OpenSSL or :func:`hmac.compare_digest`, in constant time.
"""

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.errors import IllegalResponse, ReplayedCounter, UnableToDecipher
from osgp.protocol_dlms.octets import Cursor

TAG_LENGTH = 12
SECURITY_AUTHENTICATION = 0x10
SECURITY_ENCRYPTION = 0x20
# Suite 0, global unicast key, no compression: the one value for requests, and for answers.
AUTHENTICATED_ENCRYPTION = SECURITY_AUTHENTICATION | SECURITY_ENCRYPTION
_HEADER_LENGTH = 5  # security control, invocation counter
_SEALED_TAG_LENGTH = 16  # as ``cryptography`` appends it; DLMS has the first twelve of its octets


# Octets that ciphering adds to an APDU at most: tag, length, header, authentication tag.
OVERHEAD = 1 + 5 + _HEADER_LENGTH + TAG_LENGTH


class Ciphering:
    """Protects our APDUs for one meter with authentication and encryption."""

    def __init__(self, encryption_key: bytes, authentication_key: bytes, system_title: bytes) -> None:
        self._cipher = AESGCM(encryption_key)
        self._control = bytes((AUTHENTICATED_ENCRYPTION,))
        self._aad = self._control + authentication_key
        self._system_title = system_title

    def protect(self, tag: int, counter: int, plain: bytes) -> bytes:
        """Return a service-specific ciphered APDU with ``tag``.

        It consists of tag, length, security control, ``counter``, ciphertext and authentication tag.
        ``counter`` (32 bits) must never have been used with this key.
        """
        counter_octets = counter.to_bytes(4, "big")
        sealed = self._cipher.encrypt(self._system_title + counter_octets, plain, self._aad)
        content = self._control + counter_octets + sealed[: TAG_LENGTH - _SEALED_TAG_LENGTH]
        return bytes((tag,)) + encode_length(len(content)) + content


def open_sealed(key: bytes, iv: bytes, aad: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """Return the plaintext. Raises :class:`UnableToDecipher` if the 12-octet tag does not match."""
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag, min_tag_length=TAG_LENGTH)).decryptor()
    decryptor.authenticate_additional_data(aad)
    plaintext = decryptor.update(ciphertext)
    try:
        return plaintext + decryptor.finalize()
    except InvalidTag:
        raise UnableToDecipher("the authentication tag of the answer does not match") from None


def compute_gmac(
    key: bytes, authentication_key: bytes, system_title: bytes, counter: int, challenge: bytes
) -> bytes:
    """Return f(challenge) of HLS mechanism 5: security control, invocation counter and tag, 17 octets."""
    control = bytes((SECURITY_AUTHENTICATION,))
    counter_octets = counter.to_bytes(4, "big")
    aad = control + authentication_key + challenge
    tag = AESGCM(key).encrypt(system_title + counter_octets, b"", aad)[:TAG_LENGTH]
    return control + counter_octets + tag


class Deciphering:
    """Unprotects the answers of one meter during one association.

    ``last_counter`` is the invocation counter of the latest authentic answer, -1 before the first: meters may
    begin with 0. Only authentic answers change it, so a forged one cannot block the association.
    """

    def __init__(self, encryption_key: bytes, authentication_key: bytes, system_title: bytes) -> None:
        self._key = encryption_key
        self._aad = bytes((AUTHENTICATED_ENCRYPTION,)) + authentication_key
        self.system_title = system_title
        self.last_counter = -1

    def go_on_with(self, encryption_key: bytes, authentication_key: bytes) -> None:
        """Expect other keys from the next answer on. With another encryption key counters may begin anew."""
        if encryption_key != self._key:
            self._key, self.last_counter = encryption_key, -1
        self._aad = bytes((AUTHENTICATED_ENCRYPTION,)) + authentication_key

    def unprotect(self, content: bytes) -> bytes:
        """Return the plain APDU of ``content``: security control, invocation counter, ciphertext and tag.

        Raises :class:`UnableToDecipher`, and its subclass for a counter that does not rise.
        """
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
            self.system_title + counter_octets,
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
        """Return whether ``proof`` is the meter's f(challenge); compares in constant time."""
        if len(proof) != _HEADER_LENGTH + TAG_LENGTH:
            return False
        counter = int.from_bytes(proof[1:_HEADER_LENGTH], "big")
        expected = compute_gmac(self._key, authentication_key, self.system_title, counter, challenge)
        return hmac.compare_digest(proof, expected)


def unprotect(apdu: bytes, deciphering: Deciphering) -> bytes:
    """Return the plain APDU of a service-specific ciphered one: tag, length, content."""
    cursor = Cursor(apdu, 1)
    content = cursor.read(cursor.read_length())
    cursor.expect_end()
    plain = deciphering.unprotect(content)
    if not plain:
        raise IllegalResponse("a ciphered APDU with nothing in it")
    return plain
