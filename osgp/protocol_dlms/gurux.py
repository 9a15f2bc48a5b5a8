"""The only module that uses gurux-dlms: it builds the AARQ and the RLRQ.

A few octets apart, these APDUs are the same for all associations. So gurux-dlms 1.0.203 builds each kind
once, with dummy keys and a dummy challenge, and each association inserts its own. This keeps secrets away
from gurux, and its run time out of visits.

gurux neither protects our requests nor parses the answers. Its AES is pure Python. Its parser never verifies
a tag, accepts an unciphered answer in place of a ciphered one, raises untyped errors, keeps block counters in
a state that a failed exchange leaves dirty, and turns buffers into objects at ten times the cost;
:mod:`association`, :mod:`services` and :mod:`axdr` do that strictly and in bounded time.

Importing this module silences gurux, which prints to stdout.
"""

import sys
from dataclasses import dataclass
from functools import cache, lru_cache

from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import Authentication, Conformance, InterfaceType
from gurux_dlms.enums import Security as GuruxSecurity
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.secure import GXDLMSSecureClient

from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.ciphering import Deciphering, unprotect
from osgp.protocol_dlms.settings import KEY_LENGTH, Security

CONFORMANCE = (
    Conformance.GET
    | Conformance.SET
    | Conformance.ACTION
    | Conformance.SELECTIVE_ACCESS
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.PRIORITY_MGMT_SUPPORTED
)
_AUTHENTICATION = {
    Security.NONE: Authentication.NONE,
    Security.LLS: Authentication.LOW,
    Security.HLS5: Authentication.HIGH_GMAC,
}
_STAND_IN = 0xA5
"""The octet of the dummy challenge or password, which marks the place of the real one."""


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """An AARQ without authentication value and user information, which :meth:`fill` inserts.

    ``initiate_request`` is the plain user information.
    """

    head: bytes
    middle: bytes
    initiate_request: bytes

    def fill(self, authentication_value: bytes, information: bytes) -> bytes:
        """Return the APDU. Both arguments must have the lengths for which it was built."""
        fields = self.head + authentication_value + self.middle + information
        return b"\x60" + encode_length(len(fields)) + fields


@lru_cache(maxsize=256)
def build_association_request(
    security: Security, system_title: bytes, value_length: int, receive_size: int
) -> AssociationRequest:
    """Build the AARQ for a challenge (HLS) or a password (LLS) of ``value_length`` octets.

    ``receive_size``, up to 65535 octets, is the size of the longest APDU that the meter may send.
    """
    value = bytes((_STAND_IN,)) * value_length
    client = GXDLMSSecureClient(True, 1, 1, _AUTHENTICATION[security], None, InterfaceType.PDU)
    client.proposedConformance = CONFORMANCE
    client.maxReceivePDUSize = receive_size
    dummy_key = bytes(KEY_LENGTH)
    if security is Security.HLS5:
        cipher = GXCiphering(system_title)
        cipher.security = GuruxSecurity.AUTHENTICATION_ENCRYPTION
        cipher.blockCipherKey = cipher.authenticationKey = dummy_key
        client.settings.cipher = cipher
        client.ctoSChallenge = value
    elif security is Security.LLS:
        client.password = value
    # Skip the tag and the length, for which gurux uses one octet.
    fields = bytes(client.aarqRequest()[0])[2:]
    head, middle = b"", fields
    if value:
        head, found, middle = fields.rpartition(value)
        if not found or value in head:
            raise ValueError("gurux-dlms builds an AARQ without the authentication value, or with several")
    # The user information is the last field, an octet string in a field of its own.
    start = middle.index(b"\xbe") + 4
    information = middle[start:]
    if security is Security.HLS5:
        initiate_request = unprotect(information, Deciphering(dummy_key, dummy_key, system_title))
    else:
        initiate_request = information
    return AssociationRequest(head, middle[:start], initiate_request)


@cache
def build_release_request() -> bytes:
    """Return the RLRQ, unprotected as the Green Book allows."""
    client = GXDLMSSecureClient(True, 1, 1, Authentication.NONE, None, InterfaceType.PDU)
    # Otherwise gurux builds nothing.
    client.settings.connected |= ConnectionState.DLMS
    return bytes(client.releaseRequest()[0])


def _say_nothing(*_: object, **__: object) -> None:
    """Stands in for ``print`` in gurux's modules."""


def _silence() -> None:
    """Replace ``print`` in all gurux modules: their output is for debugging."""
    for name, module in list(sys.modules.items()):
        if name == "gurux_dlms" or name.startswith("gurux_dlms."):
            vars(module)["print"] = _say_nothing


_silence()
