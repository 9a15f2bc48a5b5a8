"""The answers with which a meter declines a request as a whole: exception-response and
confirmed-service-error.
"""

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.names_of_errors import name_confirmed_service_error, name_exception
from osgp.protocol_dlms.octets import Cursor

EXCEPTION_RESPONSE = 0xD8
CONFIRMED_SERVICE_ERROR = 0x0E
_UNDECIPHERED = (0, 6)
"""application-reference, deciphering-error"""


def parse_error_response(apdu: bytes) -> errors.DlmsError:
    """Return the typed error for an exception-response or a confirmed-service-error."""
    cursor = Cursor(apdu)
    tag = cursor.read_unsigned()
    try:
        if tag == EXCEPTION_RESPONSE:
            return _parse_exception(cursor)
        if tag == CONFIRMED_SERVICE_ERROR:
            service, kind, value = cursor.read_unsigned(), cursor.read_unsigned(), cursor.read_unsigned()
            text = name_confirmed_service_error(service, kind, value)
            if (kind, value) == _UNDECIPHERED:
                return errors.KeysNotAccepted(text)
            return errors.ServiceErrorResponse(text, service, kind, value)
    except errors.IllegalResponse:
        return errors.IllegalResponse("an error response cut short")
    return errors.IllegalResponse(f"an answer of unexpected type {tag:#04x}")


def _parse_exception(cursor: Cursor) -> errors.DlmsError:
    state_error, service_error = cursor.read_unsigned(), cursor.read_unsigned()
    text = name_exception(state_error, service_error)
    if service_error == errors.INVOCATION_COUNTER_ERROR:
        # Some meters leave out what they expect.
        if cursor.at_end:
            return errors.InvocationCounterError(text, state_error)
        return errors.InvocationCounterTooLow(cursor.read_unsigned(4), state_error)
    if service_error == errors.DECIPHERING_ERROR:
        return errors.KeysNotAccepted(text)
    return errors.ExceptionResponse(text, state_error, service_error)


def may_be_about_keys(error: errors.DlmsError) -> bool:
    """Whether an answer to the first ciphered requests is how some meters tell wrong keys, among other
    things: seen in the field as service-not-allowed, other-reason.
    """
    return isinstance(error, errors.ExceptionResponse) and (error.state_error, error.service_error) == (1, 3)
