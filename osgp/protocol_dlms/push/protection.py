"""Deciphering of pushes: general-glo-ciphering (Green Book 9.2.7 and 9.5, tag DB).

``DB``, system title (its length, 8 octets or none), length, security control, invocation counter (4 octets),
ciphertext, and an authentication tag of 12 octets if the security control says so.

Other than an answer within an association, a push may be encrypted without a tag. Then nothing tells whether
it is authentic or only damaged: whether to take such pushes at all is the caller's choice, per device.
"""

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from osgp.protocol_dlms.ciphering import (
    SECURITY_AUTHENTICATION,
    SECURITY_ENCRYPTION,
    TAG_LENGTH,
    open_sealed,
)
from osgp.protocol_dlms.errors import IllegalResponse, UnableToDecipher
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.push import notification
from osgp.protocol_dlms.push.errors import PushError, PushFault

GENERAL_GLO_CIPHERING = 0xDB
SYSTEM_TITLE_LENGTH = 8

_SUITE = 0x0F
# Suite 1 has the same AES-GCM with keys of 128 bits as suite 0; suite 2 has longer keys.
_SUITES = (0, 1)
_FORMS = (
    SECURITY_AUTHENTICATION | SECURITY_ENCRYPTION,
    SECURITY_AUTHENTICATION,
    SECURITY_ENCRYPTION,
)
# GCM counts its blocks from 1, and that one makes the tag; the text begins with the second.
_FIRST_BLOCK = (2).to_bytes(4, "big")
# IEC 62056-21 mode D: identification line, empty line, lines of data, "!" with or without CRC.
_P1_TELEGRAM = re.compile(rb"/[A-Za-z]{3}[\x20-\x7e]+\r\n\r\n[\x20-\x7e\r\n]*!(?:[0-9A-Fa-f]{4})?(?:\r\n)?")


@dataclass(frozen=True, slots=True)
class ProtectedPush:
    """The parts of a ciphered APDU, nothing of them checked against a key.

    ``system_title`` is empty if the sender leaves it out; ``tag`` if there is none.
    """

    system_title: bytes
    security_control: int
    invocation_counter: int
    ciphertext: bytes
    tag: bytes

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a tag: without, neither content nor invocation counter can be trusted."""
        return bool(self.security_control & SECURITY_AUTHENTICATION)

    @property
    def is_encrypted(self) -> bool:
        """Whether the content is encrypted; if not, ``ciphertext`` is plain text."""
        return bool(self.security_control & SECURITY_ENCRYPTION)


def parse(apdu: bytes) -> ProtectedPush:
    """Return the parts of a ``general-glo-ciphering`` APDU. Raises PushError.

    MALFORMED: cut short, too long, or with a system title of another length. UNKNOWN_FORM: protected in
    another way than with AES-128 and the global unicast key, or compressed.
    """
    try:
        return _parse(Cursor(apdu))
    except IllegalResponse:
        raise PushError(PushFault.MALFORMED, "The ciphered APDU is cut short or too long.", apdu) from None


def _parse(cursor: Cursor) -> ProtectedPush:
    apdu = cursor.octets
    if cursor.read_unsigned() != GENERAL_GLO_CIPHERING:
        raise PushError(PushFault.UNKNOWN_FORM, "The APDU is no general-glo-ciphering.", apdu)
    title = cursor.read(cursor.read_length())
    if len(title) not in (0, SYSTEM_TITLE_LENGTH):
        text = f"The system title has {len(title)} octets instead of {SYSTEM_TITLE_LENGTH}."
        raise PushError(PushFault.MALFORMED, text, apdu)
    content = Cursor(cursor.read(cursor.read_length()))
    cursor.expect_end()
    control = content.read_unsigned()
    if control & _SUITE not in _SUITES or control & ~_SUITE not in _FORMS:
        text = f"The push is protected with security control {control:#04x}, which is not supported."
        raise PushError(PushFault.UNKNOWN_FORM, text, apdu)
    counter = content.read_unsigned(4)
    rest = content.read_rest()
    size = TAG_LENGTH if control & SECURITY_AUTHENTICATION else 0
    if len(rest) <= size:
        raise PushError(PushFault.MALFORMED, "The ciphered APDU has nothing in it.", apdu)
    end = len(rest) - size
    return ProtectedPush(title, control, counter, rest[:end], rest[end:])


def unprotect(
    apdu: bytes,
    encryption_key: bytes,
    authentication_key: bytes | None,
    *,
    system_title: bytes | None = None,
) -> bytes:
    """Return the plain APDU, or P1 telegram, within a ``general-glo-ciphering`` APDU.

    Keys have 16 octets. ``system_title`` is for senders that leave it out; that of the push goes first.
    Whether the invocation counter is new is not checked here (:mod:`osgp.protocol_dlms.push.replay`).

    Raises PushError. BAD_TAG: the tag does not match. UNKNOWN_KEY: there is a tag and no authentication key,
    or no tag and the outcome makes no sense, which is all that tells a wrong key then. WRONG_SYSTEM_TITLE:
    there is none. Otherwise as :func:`parse`. Raises ValueError for a key of another length.
    """
    protected = parse(apdu)
    if len(encryption_key) != 16 or len(authentication_key or bytes(16)) != 16:
        raise ValueError("keys have 16 octets")
    title = protected.system_title or system_title
    if not title or len(title) != SYSTEM_TITLE_LENGTH:
        raise PushError(PushFault.WRONG_SYSTEM_TITLE, "The push does not tell its system title.", apdu)
    iv = title + protected.invocation_counter.to_bytes(4, "big")
    if not protected.is_authenticated:
        return _decipher(apdu, protected, encryption_key, iv)
    if authentication_key is None:
        raise PushError(PushFault.UNKNOWN_KEY, "There is no authentication key for the push.", apdu)
    aad = bytes((protected.security_control,)) + authentication_key
    try:
        if protected.is_encrypted:
            return open_sealed(encryption_key, iv, aad, protected.ciphertext, protected.tag)
        open_sealed(encryption_key, iv, aad + protected.ciphertext, b"", protected.tag)
    except UnableToDecipher:
        text = "The authentication tag of the push does not match."
        raise PushError(PushFault.BAD_TAG, text, apdu) from None
    return protected.ciphertext


def _decipher(apdu: bytes, protected: ProtectedPush, key: bytes, iv: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CTR(iv + _FIRST_BLOCK)).decryptor()
    plain = decryptor.update(protected.ciphertext) + decryptor.finalize()
    if _P1_TELEGRAM.fullmatch(plain):
        return plain
    try:
        notification.parse_data_notification(plain)
    except PushError:
        text = "The push deciphers to nothing that meters push: its key is another one, or it was damaged."
        raise PushError(PushFault.UNKNOWN_KEY, text, apdu) from None
    return plain
