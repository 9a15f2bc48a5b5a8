"""The exception-response APDU (Green Book "ExceptionResponse")."""

from enum import IntEnum

EXCEPTION_RESPONSE = 0xD8


class StateError(IntEnum):
    """Why the server is in no state to answer."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceError(IntEnum):
    """What is wrong with the service that was asked for."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


def encode_exception_response(
    state: StateError, service: ServiceError, expected_invocation_counter: int | None = None
) -> bytes:
    """An exception-response; with an invocation-counter-error goes the counter that the server expects."""
    apdu = bytes((EXCEPTION_RESPONSE, state, service))
    if expected_invocation_counter is not None:
        apdu += expected_invocation_counter.to_bytes(4, "big")
    return apdu
