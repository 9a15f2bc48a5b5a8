"""The errors of communication with a meter, each with its stable fault code.

Which of them justify another attempt (``retryable``), without anybody doing anything:

* connection faults, time-outs, broken framing, illegal answers, an authentic answer that comes twice: yes.
  Mobile networks and half-rebooted meters produce all of these, and the next visit often succeeds;
* a rejected association without a reason, or a transient one, and an invocation counter that is too low:
  yes, because the caller is expected to read the meter's counter in between;
* access results that say "not now": temporary-failure, and those of transfers in blocks that broke off. The
  others say what the meter has, or who may use it: no;
* exception-responses: yes, but for a service that the meter does not know or a request that is too long;
* wrong or missing keys, whoever finds that, a refused authentication, a rejection that names its reason,
  settings out of range, a blank address, one where no meter is dialled, an unknown host name: no.

What ends an association (``ends_association``), after which its ``Meter`` refuses further use: all but what a
complete answer to this very request says, or fails to say (:class:`AccessError`, :class:`DecodeError`), an
:class:`ExceptionResponse` that declines this request only, and what was found before anything was sent
(:class:`EncodeError`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms.steps import Step

if TYPE_CHECKING:
    from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
    from osgp.protocol_dlms.access import AccessResult, ActionResult

REJECTED_PERMANENT = 1
"""Association-result."""
SERVICE_UNKNOWN = 2
"""State-error of an exception-response."""
OPERATION_NOT_POSSIBLE, SERVICE_NOT_SUPPORTED, OTHER_REASON, PDU_TOO_LONG = 1, 2, 3, 4
DECIPHERING_ERROR, INVOCATION_COUNTER_ERROR = 5, 6
"""Service-errors of an exception-response."""
_DECLINED_UNTOUCHED = (OPERATION_NOT_POSSIBLE, SERVICE_NOT_SUPPORTED, PDU_TOO_LONG)
_FINAL_SERVICE_ERRORS = ((0, 4), (3, 1), (3, 2), (6, 1), (6, 2), (6, 3))
"""Of a confirmed-service-error: context, service or size that the meter does not support; DLMS version,
conformance or size of an association."""


class DlmsError(Fault):
    """Base of all errors of this package. Texts never contain keys, passwords or meter data.

    ``step`` is how far the call came; None if the error arose in an association, or before dialling.
    """

    fault_code: ClassVar[FaultCode] = FaultCode.CONNECTION_ERROR
    can_retry: ClassVar[bool] = True
    ends_association: bool = True
    may_have_taken_effect: bool = False
    """Whether a SET or ACTION was answered, and how cannot be understood or trusted: read back what came of
    it."""
    step: Step | None = None

    def __init__(self, message: str) -> None:
        super().__init__(
            self.fault_code, message, component=Component.PROTOCOL_DLMS, retryable=self.can_retry
        )


@contextmanager
def during(step: Step) -> Iterator[None]:
    """Have the DLMS errors of the block say that they arose during ``step``; the innermost one counts."""
    try:
        yield
    except DlmsError as error:
        if error.step is None:
            error.step = step
        raise


# Connection


class ConnectionError_(DlmsError):  # noqa: N801 - the plain name is the builtin's
    """A connection failure without a more specific class."""


class InvalidAddress(DlmsError):
    """The meter has no (or a blank) network address."""

    fault_code = FaultCode.INVALID_IP_ADDRESS
    can_retry = False


class AddressNotAllowed(InvalidAddress):
    """No meter is dialled at that address. The text does not say what is there, nor whether anything is."""


class ConnectionRefused(ConnectionError_):
    """Nothing listens at the meter's address."""

    fault_code = FaultCode.CONNECTION_REFUSED


class ConnectionReset(ConnectionError_):
    """The connection broke while it was in use."""

    fault_code = FaultCode.CONNECTION_RESET


class ConnectionTimedOut(ConnectionError_):
    """The TCP connection was not set up in time, or timed out in use."""

    fault_code = FaultCode.CONNECTION_TIMED_OUT


class ConnectionEstablishError(ConnectionError_):
    """No connection could be set up: unknown host, no route, no data link."""

    fault_code = FaultCode.CONNECTION_ESTABLISH_ERROR


class NameNotResolved(ConnectionEstablishError):
    """Nobody told the addresses of a host name, or not in time: the meter was not dialled."""


class NameNotFound(ConnectionEstablishError):
    """There is no such host name, or it has no address."""

    can_retry = False


class SocketClosedByRemote(ConnectionError_):
    """The meter closed the connection. Some meters do so when the invocation counter is too low."""

    fault_code = FaultCode.SOCKET_CLOSED_BY_REMOTE


# Time


class ResponseTimeout(DlmsError):
    """No complete answer within the time for one APDU."""

    fault_code = FaultCode.RESPONSE_TIMEOUT


class CommunicationTimeout(DlmsError):
    """The time for the whole session is over."""

    fault_code = FaultCode.COMMUNICATION_TIMEOUT


# Association


class AssociationRejected(DlmsError):
    """The meter declined the association; ``result`` and ``diagnostic`` are those of its AARE.

    ``is_final``: it named a reason that does not pass by itself.
    """

    fault_code = FaultCode.CONNECTION_ESTABLISH_ERROR

    def __init__(self, message: str, result: int, diagnostic: int | None, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.result = result
        self.diagnostic = diagnostic
        if is_final:
            self.retryable = False


class AuthenticationError(AssociationRejected):
    """The meter did not accept our proof, or could not prove itself."""

    fault_code = FaultCode.AUTHENTICATION_ERROR
    can_retry = False


class AuthenticationRequired(AssociationRejected):
    """The meter demands an authentication that this session does not offer."""

    fault_code = FaultCode.AUTHENTICATION_REQUIRED
    can_retry = False


class KeysNotAccepted(AuthenticationError):
    """The meter cannot decipher what we sent: it has other keys, or takes us for another client."""

    fault_code = FaultCode.UNABLE_TO_DECYPHER

    def __init__(self, answer: str) -> None:
        super().__init__(f"the meter does not accept the keys ({answer})", REJECTED_PERMANENT, None)


class UnknownAssociationResult(AssociationRejected):
    """The AARE has a result that the Green Book does not define."""

    fault_code = FaultCode.UNKNOWN_ASSOCIATION_RESULT


# Answers


class IllegalResponse(DlmsError):
    """The answer is malformed, too large, wrongly addressed, or does not match the request."""

    fault_code = FaultCode.ILLEGAL_RESPONSE


class WrapperHeaderInvalid(DlmsError):
    """The octets received do not start with a wrapper header of version 1."""

    fault_code = FaultCode.WRAPPER_HEADER_INVALID


class DecodeError(IllegalResponse):
    """A complete answer to this very request cannot be understood: its structure is not that of the service,
    or its data are cut short, nested too deep, too many or of an unknown type.

    The exchange is in order, and the association stays open.
    """

    ends_association = False


class OutcomeNotTold(DecodeError):
    """The answer to a SET or ACTION cannot be understood: the meter may have done it or not."""

    may_have_taken_effect = True


class ReplyTooLarge(IllegalResponse):
    """The answer exceeds the limit of one APDU."""


class ValueTooLarge(DecodeError, ReplyTooLarge):
    """An answer is larger than it has reason to be, or becomes so as a value: it is not asked for again."""

    can_retry = False


class ExceptionResponse(IllegalResponse):
    """The meter answered with an exception-response, see Green Book 9.4.2 (state-error, service-error)."""

    def __init__(self, message: str, state_error: int, service_error: int) -> None:
        super().__init__(message)
        self.state_error = state_error
        self.service_error = service_error
        self.ends_association = not self.declines_request
        if state_error == SERVICE_UNKNOWN or service_error in (SERVICE_NOT_SUPPORTED, PDU_TOO_LONG):
            self.retryable = False

    @property
    def declines_request(self) -> bool:
        """Whether the meter may decline only this request: operation not possible, service not supported,
        other reason, PDU too long.
        """
        return self.state_error in (1, 2) and self.service_error in (*_DECLINED_UNTOUCHED, OTHER_REASON)

    @property
    def declines_untouched(self) -> bool:
        """Whether the meter has declined the request as such, before it did any of it."""
        return self.state_error in (1, 2) and self.service_error in _DECLINED_UNTOUCHED


class ServiceErrorResponse(IllegalResponse):
    """The meter answered with a confirmed-service-error: ``service``, choice (``kind``) and ``value``."""

    def __init__(self, message: str, service: int, kind: int, value: int) -> None:
        super().__init__(message)
        self.service = service
        self.kind = kind
        self.value = value
        if (kind, value) in _FINAL_SERVICE_ERRORS:
            self.retryable = False


class InvocationCounterError(ExceptionResponse):
    """The meter received an invocation counter that is too low, and does not say what it expects."""

    fault_code = FaultCode.SOCKET_CLOSED_BY_REMOTE

    def __init__(self, message: str, state_error: int) -> None:
        super().__init__(message, state_error, INVOCATION_COUNTER_ERROR)


class InvocationCounterTooLow(InvocationCounterError):
    """The meter received an invocation counter lower than it expects.

    ``expected`` is the lowest value that it accepts. It arrives unprotected and can be forged: read the
    counter from the meter, or limit the increase, before using it.
    """

    def __init__(self, expected: int, state_error: int) -> None:
        super().__init__(f"the meter expects an invocation counter of at least {expected}", state_error)
        self.expected = expected


class InvocationCounterLowered(DlmsError):
    """The meter turned us down, and its invocation counter is lower than ours: it is not the one we know.

    The text does not say ours: others may use the same key, and what they do is no business of the caller.
    """

    fault_code = FaultCode.ATTEMPT_TO_LOWER_INVOCATION_COUNTER

    def __init__(self, latest: int, refusal: DlmsError) -> None:
        super().__init__(
            f"{refusal.message}; the meter's invocation counter, {latest}, is lower than the platform's"
        )
        self.step = refusal.step


class UnableToDecipher(DlmsError):
    """The answer fails authentication, or lacks the negotiated protection: the meter has other keys, or it is
    not the meter that answers.
    """

    fault_code = FaultCode.UNABLE_TO_DECYPHER
    can_retry = False


class ReplayedCounter(UnableToDecipher):
    """An authentic answer has an invocation counter that is not higher than the one before: a stray frame.

    The meter has the keys, and the next visit may go well.
    """

    can_retry = True


class InvocationCounterNotTrusted(DlmsError):
    """The meter claims an invocation counter that cannot be tried, or was tried in vain too often."""

    fault_code = FaultCode.UNABLE_TO_DECYPHER


# Access, and the caller's data


class AccessError(DlmsError):
    """The meter refused access to one attribute or method; the association stays open."""

    fault_code = FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    can_retry = False
    ends_association = False

    def __init__(
        self, result: "AccessResult | ActionResult", descriptor: "AttributeDescriptor | MethodDescriptor"
    ) -> None:
        super().__init__(f"{result.name.lower().replace('_', '-')}: {descriptor}")
        self.result = result
        self.descriptor = descriptor
        self.retryable = result.is_transient


class EncodeError(DlmsError, ValueError):
    """A value does not fit its data type; nothing was sent."""

    fault_code = FaultCode.VALIDATION_ERROR
    can_retry = False
    ends_association = False


class RequestTooLong(EncodeError):
    """A request does not fit what the meter takes, and cannot be sent in blocks; nothing was sent."""

    fault_code = FaultCode.UNABLE_TO_PROCESS_REQUEST


class InvalidSettings(DlmsError, ValueError):
    """A setting of the session is out of its range (addresses, system title, password)."""

    fault_code = FaultCode.VALIDATION_ERROR
    can_retry = False


class ChallengeLengthOutOfRange(InvalidSettings):
    """Challenges are 8 to 64 octets long."""

    fault_code = FaultCode.CHALLENGE_LENGTH_OUT_OF_RANGE


class KeyNotPresent(InvalidSettings):
    """A key or password that the security setting needs is missing."""

    fault_code = FaultCode.KEY_NOT_PRESENT


class InvalidKeyFormat(InvalidSettings):
    """Keys of security suite 0 are 16 octets long."""

    fault_code = FaultCode.INVALID_DLMS_KEY_FORMAT


class InvocationCounterExhausted(DlmsError):
    """The counter left its 32 bits: the key must be changed before another ciphered APDU."""

    fault_code = FaultCode.ENCRYPTION_EXCEPTION
    can_retry = False


class MeterClosed(ConnectionError_):
    """The ``Meter`` was closed, or an earlier exchange failed: open a new session."""
