"""The one place that touches gurux-dlms: it builds and protects our APDUs.

gurux-dlms 1.0.203 puts together AARQ, RLRQ and the GET, SET and ACTION requests, service-specific ciphering
included. It is used through its raw PDU interface, as the transports, deadlines and limits are ours.

It does not parse the answers. Its parser never verifies a tag, takes an unciphered answer in place of a
ciphered one, raises whatever comes up, keeps block counters in a state that a failed exchange leaves dirty,
and turns buffers into objects at ten times the cost; :mod:`association`, :mod:`services` and :mod:`axdr`
do that strictly and in bounded time. Requests in blocks are cut here for the same reason: each block has to
be answered before the next is ciphered.

Importing this module installs our cipher (see :mod:`ciphering`) and silences gurux, which prints to stdout.
"""

import sys
from typing import Any

from gurux_dlms import GXByteBuffer
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import Authentication, Command, Conformance, InterfaceType
from gurux_dlms.enums import Security as GuruxSecurity
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSLNParameters import GXDLMSLNParameters
from gurux_dlms.secure import GXDLMSSecureClient

from osgp.protocol_dlms import ciphering, errors
from osgp.protocol_dlms.axdr import encode_length
from osgp.protocol_dlms.settings import AssociationSettings, InvocationCounter, Security

GET, SET, ACTION = int(Command.GET_REQUEST), int(Command.SET_REQUEST), int(Command.METHOD_REQUEST)

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
MULTIPLE_REFERENCES = int(Conformance.MULTIPLE_REFERENCES)

# Octets that ciphering adds to an APDU: tag, length (up to 5), security control, invocation counter, tag.
CIPHERING_OVERHEAD = 1 + 5 + 5 + ciphering.TAG_LENGTH

_AUTHENTICATION = {
    Security.NONE: Authentication.NONE,
    Security.LLS: Authentication.LOW,
    Security.HLS5: Authentication.HIGH_GMAC,
}


def _say_nothing(*_: object, **__: object) -> None:
    """Stands in for ``print`` in gurux's modules."""


def _silence() -> None:
    """Gives each gurux module a ``print`` of its own: what they print is for debugging, and may hold
    secrets.
    """
    for name, module in list(sys.modules.items()):
        if name == "gurux_dlms" or name.startswith("gurux_dlms."):
            vars(module)["print"] = _say_nothing


class _CountedCiphering(GXCiphering):
    """gurux's cipher settings, with each invocation counter drawn from where it is kept safe.

    gurux reads ``invocationCounter`` (more than once per APDU) and then assigns the next value. The first
    read draws a value, further reads see the same, and the assignment ends its use; what gurux assigns is
    ignored.
    """

    def __init__(self, system_title: bytes, counter: InvocationCounter | None) -> None:
        self._counter: InvocationCounter | None = None
        self._drawn: int | None = None
        self.used: list[int] = []
        super().__init__(system_title)
        self._counter = counter

    @property
    def invocationCounter(self) -> int:  # noqa: N802 - gurux's name
        if self._drawn is None:
            if self._counter is None:
                raise errors.InvalidSettings("ciphering needs an invocation counter")
            drawn = self._counter.take()
            if not 0 <= drawn <= 0xFFFFFFFF:
                raise errors.InvocationCounterExhausted("the invocation counter left its 32 bits")
            self._drawn = drawn
            self.used.append(drawn)
        return self._drawn

    @invocationCounter.setter
    def invocationCounter(self, _: int) -> None:  # noqa: N802 - gurux's name
        self._drawn = None


class RequestBuilder:
    """Builds the APDUs of one association, in order: each ciphered one uses up an invocation counter."""

    def __init__(self, settings: AssociationSettings, challenge: bytes, receive_size: int) -> None:
        client = GXDLMSSecureClient(
            True, settings.client_address, 1, _AUTHENTICATION[settings.security], None, InterfaceType.PDU
        )
        self._cipher = _CountedCiphering(settings.client_system_title, settings.counter)
        if settings.security is Security.HLS5:
            self._cipher.security = GuruxSecurity.AUTHENTICATION_ENCRYPTION
            self._cipher.blockCipherKey = settings.keys.encryption_key
            self._cipher.authenticationKey = settings.keys.authentication_key
            client.ctoSChallenge = challenge
        elif settings.security is Security.LLS:
            client.password = settings.keys.lls_password
        client.settings.cipher = self._cipher
        client.proposedConformance = CONFORMANCE
        client.maxReceivePDUSize = receive_size
        self._client = client
        self.invoke_id = 0

    @property
    def counters_used(self) -> list[int]:
        """The invocation counters drawn so far, in order."""
        return self._cipher.used

    @property
    def is_ciphering(self) -> bool:
        return bool(self._cipher.security != GuruxSecurity.NONE)

    def aarq(self) -> bytes:
        """The association request. gurux writes its length in one octet, which a long challenge outgrows."""
        aarq = bytes(self._client.aarqRequest()[0])
        return aarq[:1] + encode_length(len(aarq) - 2) + aarq[2:]

    def associated(self, meter_system_title: bytes | None, send_size: int) -> None:
        """Notes what the meter answered; ``send_size`` is the longest APDU it takes, 64 to 65535."""
        settings: Any = self._client.settings
        settings.negotiatedConformance = CONFORMANCE
        settings.maxPduSize = send_size
        settings.sourceSystemTitle = meter_system_title
        settings.connected |= ConnectionState.DLMS

    def hls_proof(self, challenge: bytes) -> bytes:
        """f(StoC) for pass 3, with an invocation counter of its own."""
        cipher = self._cipher
        proof = ciphering.gmac(
            cipher.blockCipherKey,
            cipher.authenticationKey,
            cipher.systemTitle,
            cipher.invocationCounter,
            challenge,
        )
        cipher.invocationCounter = 0
        return proof

    def next_invoke_id(self) -> None:
        """Starts a new service invocation: all its requests and responses bear ``invoke_id``, 0 to 15."""
        self.invoke_id = (self.invoke_id + 1) & 0x0F
        self._client.settings.invokeId = self.invoke_id

    def request(self, service: int, request_type: int, body: bytes) -> bytes:
        """A GET, SET or ACTION request of ``request_type`` with the current invoke id, protected as agreed
        on.
        """
        parameters = GXDLMSLNParameters(
            self._client.settings, 0, service, request_type, GXByteBuffer(body), None, 0xFF
        )
        return bytes(GXDLMS.getLnMessages(parameters)[0])

    def plain_request(self, service: int, request_type: int, body: bytes) -> bytes:
        """The same without protection, for a trace."""
        priority = GXDLMS.getInvokeIDPriority(self._client.settings)
        return bytes((service, request_type, priority)) + body

    def rlrq(self) -> bytes:
        """The release request, unprotected as the Green Book allows."""
        return bytes(self._client.releaseRequest()[0])


ciphering.install()
_silence()
