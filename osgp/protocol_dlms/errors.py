"""The errors of communication with a meter, each with its stable fault code.

Which of them justify another attempt (``retryable``):

* connection faults, time-outs, broken framing, illegal or undecipherable answers: yes. Mobile networks and
  half-rebooted meters produce all of these, and the next visit often succeeds;
* a permanently rejected association and an invocation counter that is too low: yes, because the caller is
  expected to read the meter's counter in between;
* wrong or missing keys, a refused authentication, settings out of range, an address that is blank, an
  access result (the meter understood and declined): no.

After any :class:`DlmsError` but :class:`AccessError`, :class:`EncodeError`, :class:`DecodeError` of an
attribute's value and a survivable :class:`ExceptionResponse`, the association is closed and its ``Meter``
refuses further use.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms.steps import Step

if TYPE_CHECKING:
    from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
    from osgp.protocol_dlms.access import AccessResult, ActionResult


class DlmsError(Fault):
    """Base of all errors of this package. Texts never contain keys, passwords or meter data.

    ``step`` is how far the call came; None if the error arose in an association, or before dialling.
    """

    fault_code: ClassVar[FaultCode] = FaultCode.CONNECTION_ERROR
    can_retry: ClassVar[bool] = True
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
    """The meter declined the association; ``result`` and ``diagnostic`` are those of its AARE."""

    fault_code = FaultCode.CONNECTION_ESTABLISH_ERROR

    def __init__(self, message: str, result: int, diagnostic: int | None) -> None:
        super().__init__(message)
        self.result = result
        self.diagnostic = diagnostic


class AuthenticationError(AssociationRejected):
    """The meter did not accept our proof, or could not prove itself."""

    fault_code = FaultCode.AUTHENTICATION_ERROR
    can_retry = False


class AuthenticationRequired(AssociationRejected):
    """The meter demands an authentication that this session does not offer."""

    fault_code = FaultCode.AUTHENTICATION_REQUIRED
    can_retry = False


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
    """The A-XDR encoded data are cut short, nested too deep, too many or of an unknown type."""


class ReplyTooLarge(IllegalResponse):
    """The answer exceeds the limit of one APDU or of a whole block transfer."""


class ExceptionResponse(IllegalResponse):
    """The meter answered with an exception-response, see Green Book 9.4.2 (state-error, service-error).

    ``survivable``: the meter only does not know the service, and the association stays usable.
    """

    def __init__(self, message: str, state_error: int, service_error: int) -> None:
        super().__init__(message)
        self.state_error = state_error
        self.service_error = service_error

    @property
    def survivable(self) -> bool:
        return self.state_error == 2 and self.service_error in (1, 2)

    @property
    def declines_request(self) -> bool:
        """Whether the meter may decline only this request: operation not possible, service not supported,
        other reason, PDU too long.
        """
        return self.state_error in (1, 2) and self.service_error in (1, 2, 3, 4)


class InvocationCounterTooLow(ExceptionResponse):
    """The meter received an invocation counter lower than it expects.

    ``expected`` is the lowest value that it accepts. It arrives unprotected and can be forged: read the
    counter from the meter, or limit the increase, before using it.
    """

    fault_code = FaultCode.SOCKET_CLOSED_BY_REMOTE

    def __init__(self, expected: int, state_error: int) -> None:
        super().__init__(f"the meter expects an invocation counter of at least {expected}", state_error, 6)
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
    """The answer fails authentication, or lacks the negotiated protection."""

    fault_code = FaultCode.UNABLE_TO_DECYPHER


class ReplayedCounter(UnableToDecipher):
    """An authentic answer has an invocation counter that is not higher than the one before."""


class InvocationCounterNotTrusted(DlmsError):
    """The meter claims an invocation counter that cannot be tried, or was tried in vain too often."""

    fault_code = FaultCode.UNABLE_TO_DECYPHER


# Access, and the caller's data


class AccessError(DlmsError):
    """The meter refused access to one attribute or method; the association stays open."""

    fault_code = FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    can_retry = False

    def __init__(
        self, result: "AccessResult | ActionResult", descriptor: "AttributeDescriptor | MethodDescriptor"
    ) -> None:
        super().__init__(f"{result.name.lower().replace('_', '-')}: {descriptor}")
        self.result = result
        self.descriptor = descriptor


class EncodeError(DlmsError, ValueError):
    """A value does not fit its data type."""

    fault_code = FaultCode.VALIDATION_ERROR
    can_retry = False


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
