"""The answers with which a meter declines a request as a whole: exception-response and
confirmed-service-error.
"""

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.octets import Cursor

EXCEPTION_RESPONSE = 0xD8
CONFIRMED_SERVICE_ERROR = 0x0E
INVOCATION_COUNTER_ERROR = 6


def parse_error_response(apdu: bytes) -> errors.DlmsError:
    """Return the typed error for an exception-response or a confirmed-service-error."""
    cursor = Cursor(apdu)
    tag = cursor.read_unsigned()
    try:
        if tag == EXCEPTION_RESPONSE:
            state_error, service_error = cursor.read_unsigned(), cursor.read_unsigned()
            if service_error == INVOCATION_COUNTER_ERROR:
                return errors.InvocationCounterTooLow(cursor.read_unsigned(4), state_error)
            return errors.ExceptionResponse(
                f"exception-response: state error {state_error}, service error {service_error}",
                state_error,
                service_error,
            )
        if tag == CONFIRMED_SERVICE_ERROR:
            service, kind, value = cursor.read_unsigned(), cursor.read_unsigned(), cursor.read_unsigned()
            return errors.IllegalResponse(
                f"confirmed-service-error: service {service}, error {kind}, value {value}"
            )
    except errors.IllegalResponse:
        return errors.IllegalResponse("an error response cut short")
    return errors.IllegalResponse(f"an answer of unexpected type {tag:#04x}")
