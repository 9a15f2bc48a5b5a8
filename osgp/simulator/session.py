"""The application layer of a meter towards one client: associations, ciphering, services. No I/O."""

from .association import (
    Association,
    Refusal,
    accept_counter,
    open_association,
    receive_size,
    refuse_counter,
)
from .codec import acse
from .codec.errors import DecipheringError, RemoteProtocolError
from .codec.exceptions import ServiceError, StateError, encode_exception_response
from .codec.requests import ACTION_REQUEST, GET_REQUEST, SET_REQUEST, decode_request
from .codec.responses import GET_RESPONSE
from .faults import FaultKind
from .meter.event_names import FAILED_LOGIN
from .meter.meter import Meter
from .services import NotAllowed, ServiceHandler

GLOBAL_CIPHERED = {0xC8: GET_REQUEST, 0xC9: SET_REQUEST, 0xCB: ACTION_REQUEST}
"""Ciphered requests with the global key, and what they must hold."""

_GLOBAL_RESPONSE = {0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF}
_SERVICES = (GET_REQUEST, SET_REQUEST, ACTION_REQUEST)

_ANSWER_FAULTS = (
    FaultKind.WRONG_INVOKE_ID,
    FaultKind.CUT_SHORT,
    FaultKind.TRAILING_BYTES,
    FaultKind.UNCIPHERED,
    FaultKind.WRONG_TAG,
    FaultKind.REPLAYED_COUNTER,
)
STRAY_OCTETS = b"\x00\x00\x00"


class Session:
    """What one client (``client_address``) and one meter have going over one connection."""

    __slots__ = ("_services", "association", "client_address", "meter", "server_address")

    def __init__(self, meter: Meter, client_address: int, server_address: int) -> None:
        self.meter = meter
        self.client_address = client_address
        self.server_address = server_address
        self.association: Association | None = None
        self._services: ServiceHandler | None = None

    def receive(self, apdu: bytes) -> bytes | None:
        """The answer to an APDU of the client; None when the meter keeps silent."""
        statistics = self.meter.memory.statistics
        statistics.apdus += 1
        try:
            return self._answer(apdu)
        except NotAllowed as refusal:
            statistics.exceptions += 1
            return refusal.apdu
        except DecipheringError:
            statistics.exceptions += 1
            statistics.authentication_failures += 1
            return encode_exception_response(StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR)
        except RemoteProtocolError:
            statistics.exceptions += 1
            return encode_exception_response(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)

    def close(self) -> None:
        """The connection is gone, or the association has ended."""
        if self.meter.memory.associated is self:
            self.meter.memory.associated = None
        self.association = None
        self._services = None

    def _answer(self, apdu: bytes) -> bytes | None:
        tag = apdu[0] if apdu else -1
        # With an AARQ the client cannot know yet what fits.
        fitting = self.meter.settings.maximum_pdu_size if tag == acse.AARQ else receive_size(self.meter)
        if len(apdu) > fitting:
            raise NotAllowed(ServiceError.PDU_TOO_LONG)
        if tag == acse.AARQ:
            return self._open(apdu)
        association, services = self.association, self._services
        if tag == acse.RLRQ:
            return self._release(apdu)
        if association is None or services is None:
            raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)
        cipher = association.cipher
        if cipher is None:
            if tag not in _SERVICES:
                raise NotAllowed(ServiceError.SERVICE_NOT_SUPPORTED, StateError.SERVICE_UNKNOWN)
            return self._answer_plainly(services, apdu)
        if tag not in GLOBAL_CIPHERED:
            # Plain requests are against the security policy; other ciphered ones are not offered.
            known = tag in _SERVICES
            raise NotAllowed(
                ServiceError.OTHER_REASON if known else ServiceError.SERVICE_NOT_SUPPORTED,
                StateError.SERVICE_NOT_ALLOWED if known else StateError.SERVICE_UNKNOWN,
            )
        deciphered = cipher.decipher(apdu)
        if not accept_counter(self.meter, cipher, deciphered.invocation_counter):
            return refuse_counter(self.meter)
        if deciphered.apdu[:1] != bytes((GLOBAL_CIPHERED[tag],)):
            raise RemoteProtocolError("a ciphered APDU holds another service than its tag says")
        answer = self._answer_plainly(services, deciphered.apdu)
        fault = self.meter.take_fault(*_ANSWER_FAULTS[3:])
        if fault is FaultKind.UNCIPHERED:
            return answer
        if fault is FaultKind.REPLAYED_COUNTER:
            counter = max(self.meter.memory.server_counter - 1, 0)
        else:
            counter = self.meter.memory.take_server_counter()
        ciphered = cipher.encipher(_GLOBAL_RESPONSE[answer[0]], counter, answer)
        if deciphered.apdu[0] == ACTION_REQUEST:
            association.renew_cipher(self.meter)  # the method may have replaced the keys
        if fault is FaultKind.WRONG_TAG:
            return ciphered[:-1] + bytes((ciphered[-1] ^ 1,))
        return ciphered

    def _answer_plainly(self, services: ServiceHandler, apdu: bytes) -> bytes:
        association = services.association
        pending = not association.established
        answer = services.handle(decode_request(apdu))
        if pending:
            if association.established:
                self.meter.memory.statistics.associations += 1
            else:
                self.meter.memory.statistics.authentication_failures += 1
                self._note_failed_login()
                self.close()
        fault = self.meter.take_fault(*_ANSWER_FAULTS[:3])
        if fault is FaultKind.WRONG_INVOKE_ID:
            return answer[:2] + bytes((answer[2] ^ 0x01,)) + answer[3:]
        if fault is FaultKind.CUT_SHORT and answer[0] == GET_RESPONSE:
            return answer[:3]
        if fault is FaultKind.TRAILING_BYTES and answer[0] == GET_RESPONSE:
            return answer + STRAY_OCTETS
        return answer

    def _open(self, apdu: bytes) -> bytes:
        statistics = self.meter.memory.statistics
        try:
            if self.association is not None:
                raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)
            association, answer = open_association(self.meter, self.client_address, self.server_address, apdu)
        except Refusal as refusal:
            statistics.refused_associations += 1
            if refusal.authentication:
                statistics.authentication_failures += 1
                self._note_failed_login()
            return refusal.apdu
        self.association = association
        self._services = ServiceHandler(self.meter, association)
        if association.is_public:
            statistics.public_associations += 1
        else:
            self.meter.memory.associated = self
            if association.established:
                statistics.associations += 1
        return answer

    def _note_failed_login(self) -> None:
        self.meter.record_event(self.meter.settings.clock(), FAILED_LOGIN)

    def _release(self, apdu: bytes) -> bytes | None:
        request = acse.decode_release_request(apdu)
        association = self.association
        if association is None:
            raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)
        if association.cipher is not None and request.user_information is not None:
            deciphered = association.cipher.decipher(request.user_information)
            if not accept_counter(self.meter, association.cipher, deciphered.invocation_counter):
                return refuse_counter(self.meter)
        fault = self.meter.take_fault(FaultKind.RELEASE_EXCEPTION, FaultKind.RELEASE_IGNORED)
        self.meter.memory.statistics.releases += 1
        self.close()
        if fault is FaultKind.RELEASE_EXCEPTION:
            raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)
        if fault is FaultKind.RELEASE_IGNORED:
            return None
        return acse.encode_release_response()
