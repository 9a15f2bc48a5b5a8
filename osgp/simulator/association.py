"""Opening an association: what the meter makes of an AARQ (Green Book "Application association
establishment")."""

from hmac import compare_digest
from secrets import token_bytes

from osgp.catalogue.communication import Security

from .codec import acse, ciphering, initiate
from .codec.acse import ApplicationContext, AssociationRequest, AssociationResult, Diagnostic, Mechanism
from .codec.ciphering import Cipher
from .codec.errors import DecipheringError, RemoteProtocolError
from .codec.exceptions import ServiceError, StateError, encode_exception_response
from .codec.initiate import Conformance, InitiateError, InitiateRequest
from .faults import FaultKind, HangUp
from .meter.identity import KeyName
from .meter.meter import Meter
from .nonces import MAXIMUM_REPEATED
from .quirks import Quirk

PUBLIC_CLIENT = 16
MANAGEMENT_CLIENT = 1

CHALLENGE_OCTETS = range(8, 65)
SERVER_CHALLENGE_OCTETS = 16
UNLIMITED_PDU = 0xFFFF
SMALL_RECEIVE_SIZE = 160
"""Octets that a meter with that quirk takes."""

SUPPORTED = (
    Conformance.GET
    | Conformance.SET
    | Conformance.ACTION
    | Conformance.SELECTIVE_ACCESS
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.PRIORITY_MGMT_SUPPORTED
)
PUBLIC_SUPPORTED = Conformance.GET | Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.MULTIPLE_REFERENCES

_MECHANISMS = {Security.NONE: None, Security.LLS: Mechanism.LOW, Security.HLS5: Mechanism.HIGH_GMAC}


class Refusal(Exception):
    """The association is not opened; ``apdu`` says so to the client."""

    def __init__(self, apdu: bytes, *, authentication: bool = False) -> None:
        super().__init__("the association is refused")
        self.apdu = apdu
        self.authentication = authentication


class Association:
    """An association, or one that waits for the client's answer to the challenge (``established`` is
    False)."""

    __slots__ = (
        "cipher",
        "client_address",
        "client_challenge",
        "client_system_title",
        "conformance",
        "context",
        "counter_of_request",
        "established",
        "maximum_pdu_size",
        "mechanism",
        "server_address",
        "server_challenge",
    )

    def __init__(self, client_address: int, server_address: int, request: AssociationRequest) -> None:
        self.client_address = client_address
        self.server_address = server_address
        self.context = request.context or ApplicationContext.LN
        self.mechanism = request.mechanism or Mechanism.LOWEST
        self.client_system_title = request.calling_ap_title or b""
        self.client_challenge = request.authentication_value or b""
        self.server_challenge = b""
        self.cipher: Cipher | None = None
        self.conformance = 0
        self.maximum_pdu_size = UNLIMITED_PDU
        self.counter_of_request = -1
        self.established = False

    @property
    def is_public(self) -> bool:
        """Whether it is the public client's."""
        return self.client_address == PUBLIC_CLIENT

    def renew_cipher(self, meter: Meter) -> None:
        """Go on with the keys that the meter has now."""
        encryption_key = meter.key(KeyName.ENCRYPTION)
        authentication_key = meter.key(KeyName.AUTHENTICATION)
        cipher = self.cipher
        if cipher is None or (encryption_key, authentication_key) != (
            cipher.encryption_key,
            cipher.authentication_key,
        ):
            self.cipher = Cipher(
                encryption_key, authentication_key, meter.system_title, self.client_system_title
            )


def open_association(
    meter: Meter, client_address: int, server_address: int, apdu: bytes
) -> tuple[Association, bytes]:
    """The association that an AARQ asks for, and the AARE; :class:`Refusal` when the meter does not want
    it."""
    request = acse.decode_association_request(apdu)
    context = request.context or ApplicationContext.LN

    def rejected(
        diagnostic: Diagnostic,
        result: AssociationResult = AssociationResult.REJECTED_PERMANENT,
        user_information: bytes | None = None,
    ) -> Refusal:
        return Refusal(
            acse.encode_association_response(
                context=context, result=result, diagnostic=diagnostic, user_information=user_information
            ),
            authentication=diagnostic is Diagnostic.AUTHENTICATION_FAILURE,
        )

    if not acse.has_protocol_version_1(apdu):
        raise Refusal(
            acse.encode_association_response(
                context=context,
                result=AssociationResult.REJECTED_PERMANENT,
                diagnostic=acse.NO_COMMON_ACSE_VERSION,
                provider_diagnostic=True,
            )
        )
    if client_address not in (PUBLIC_CLIENT, MANAGEMENT_CLIENT) or _has_to_refuse(meter):
        raise rejected(Diagnostic.NO_REASON_GIVEN)
    public = client_address == PUBLIC_CLIENT
    if not public and meter.memory.associated is not None:
        meter.memory.statistics.concurrent_associations += 1
        raise rejected(Diagnostic.NO_REASON_GIVEN, AssociationResult.REJECTED_TRANSIENT)

    security = Security.NONE if public else meter.security
    ciphered = security is Security.HLS5
    if request.context != (ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN):
        raise rejected(Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
    mechanism = request.mechanism or None  # lowest level security may be named or left out
    if mechanism != _MECHANISMS[security]:
        raise rejected(
            Diagnostic.AUTHENTICATION_REQUIRED
            if mechanism is None
            else Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
        )

    association = Association(client_address, server_address, request)
    if ciphered:
        if len(association.client_system_title) != ciphering.SYSTEM_TITLE_OCTETS:
            raise rejected(Diagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED)
        association.renew_cipher(meter)
    try:
        proposal = _read_proposal(meter, association, request.user_information)
    except DecipheringError as error:
        if Quirk.KEYS_TOLD_BY_EXCEPTION in meter.quirks:
            answer = encode_exception_response(StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR)
            raise Refusal(answer, authentication=True) from error
        raise rejected(Diagnostic.AUTHENTICATION_FAILURE) from error
    except RemoteProtocolError as error:
        raise rejected(Diagnostic.NO_REASON_GIVEN) from error
    negotiated = proposal.conformance & (PUBLIC_SUPPORTED if public else SUPPORTED)
    reason = _find_objection(proposal, negotiated)
    if reason is not None:
        raise rejected(Diagnostic.NO_REASON_GIVEN, user_information=initiate.encode_initiate_error(reason))
    if security is Security.LLS and not compare_digest(
        association.client_challenge, meter.lls_password.encode()
    ):
        raise rejected(Diagnostic.AUTHENTICATION_FAILURE)
    if ciphered and _dislikes_challenge(meter, len(association.client_challenge)):
        raise rejected(Diagnostic.AUTHENTICATION_FAILURE)

    association.conformance = int(negotiated)
    association.maximum_pdu_size = proposal.maximum_pdu_size or UNLIMITED_PDU
    association.established = not ciphered
    return association, _accept(meter, association)


def _has_to_refuse(meter: Meter) -> bool:
    return meter.take_fault(FaultKind.REFUSE_ASSOCIATION) is not None


def _dislikes_challenge(meter: Meter, octets: int) -> bool:
    if octets not in CHALLENGE_OCTETS:
        return True
    usual = octets == SERVER_CHALLENGE_OCTETS
    return not usual and meter.take_fault(FaultKind.SIXTEEN_OCTET_CHALLENGE) is not None


def _read_proposal(meter: Meter, association: Association, information: bytes | None) -> InitiateRequest:
    """The InitiateRequest in the user-information of the AARQ, deciphered when it has to be ciphered."""
    if not information:
        raise RemoteProtocolError("the AARQ has no user-information")
    if association.cipher is None:
        return initiate.decode_initiate_request(information)
    if information[0] != ciphering.GLOBAL_INITIATE_REQUEST:
        raise RemoteProtocolError("the InitiateRequest is not ciphered")
    deciphered = association.cipher.decipher(information)
    association.counter_of_request = deciphered.invocation_counter
    if not accept_counter(meter, association.cipher, deciphered.invocation_counter):
        raise Refusal(refuse_counter(meter))
    return initiate.decode_initiate_request(deciphered.apdu)


def note_counter(meter: Meter, cipher: Cipher, counter: int) -> None:
    """The client has protected something authentic with ``counter``, whether the meter accepts it or not."""
    repeated = meter.memory.counters.repeated
    fresh = meter.settings.nonces.use(cipher.encryption_key, cipher.peer_system_title, counter)
    if not fresh and len(repeated) < MAXIMUM_REPEATED:
        repeated.append(counter)


def accept_counter(meter: Meter, cipher: Cipher, counter: int) -> bool:
    """Whether the counter of an authentic APDU of the client is above all before it; it then is the
    highest."""
    counters = meter.memory.counters
    note_counter(meter, cipher, counter)
    if counter <= counters.highest:
        meter.memory.statistics.invocation_counter_refusals += 1
        return False
    counters.highest = counter
    return True


def refuse_counter(meter: Meter) -> bytes:
    """The exception-response that tells which counter the meter expects, or claims to; HangUp instead of it
    from a meter that has that fault."""
    if meter.take_fault(FaultKind.LOW_COUNTER_CLOSES):
        raise HangUp
    expected = meter.behaviour.told_counter
    if expected is None:
        expected = min(meter.memory.counters.highest + 1, ciphering.MAXIMUM_COUNTER)
    return encode_exception_response(
        StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, expected
    )


def _find_objection(proposal: InitiateRequest, negotiated: Conformance) -> InitiateError | None:
    if proposal.dlms_version < initiate.DLMS_VERSION:
        return InitiateError.DLMS_VERSION_TOO_LOW
    if 0 < proposal.maximum_pdu_size < initiate.MINIMUM_PDU_SIZE:
        return InitiateError.PDU_SIZE_TOO_SHORT
    if not negotiated & Conformance.GET:
        return InitiateError.INCOMPATIBLE_CONFORMANCE
    return None


def receive_size(meter: Meter) -> int:
    """The longest APDU that the meter takes, as its AARE says."""
    size = meter.settings.maximum_pdu_size
    return min(size, SMALL_RECEIVE_SIZE) if Quirk.SMALL_RECEIVE_SIZE in meter.quirks else size


def _accept(meter: Meter, association: Association) -> bytes:
    response = initiate.encode_initiate_response(Conformance(association.conformance), receive_size(meter))
    protocol_version = meter.take_fault(FaultKind.PROTOCOL_VERSION) is not None
    if association.cipher is None:
        return acse.encode_association_response(
            context=association.context,
            result=AssociationResult.ACCEPTED,
            diagnostic=Diagnostic.NULL,
            user_information=response,
            protocol_version=protocol_version,
        )
    says_null = meter.take_fault(FaultKind.DIAGNOSTIC_NULL) is not None
    association.server_challenge = token_bytes(SERVER_CHALLENGE_OCTETS)
    return acse.encode_association_response(
        context=association.context,
        result=AssociationResult.ACCEPTED,
        diagnostic=Diagnostic.NULL if says_null else Diagnostic.AUTHENTICATION_REQUIRED,
        protocol_version=protocol_version,
        system_title=meter.system_title,
        mechanism=association.mechanism,
        challenge=association.server_challenge,
        user_information=association.cipher.encipher(
            ciphering.GLOBAL_INITIATE_RESPONSE, meter.memory.take_server_counter(), response
        ),
    )
