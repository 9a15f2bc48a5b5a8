"""Opening an application association: AARQ and AARE, and for HLS the mutual authentication (Green Book 9.3
and 9.2.7.4.5).

The AARE is parsed strictly as to lengths, but tolerantly as to what real meters send: fields in any order,
unknown fields, a protocol version, and a diagnostic that is missing or null in place of
authentication-required.
"""

import secrets
from dataclasses import dataclass

from osgp.catalogue.cosem import MethodDescriptor
from osgp.protocol_dlms import axdr, errors, names_of_errors
from osgp.protocol_dlms.access import ActionResult
from osgp.protocol_dlms.builder import GLO_INITIATE_REQUEST
from osgp.protocol_dlms.ciphering import Deciphering, unprotect
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.error_responses import (
    CONFIRMED_SERVICE_ERROR,
    EXCEPTION_RESPONSE,
    may_be_about_keys,
    parse_error_response,
)
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.services import invoke
from osgp.protocol_dlms.session import Session
from osgp.protocol_dlms.settings import (
    CHALLENGE_LENGTHS,
    SYSTEM_TITLE_LENGTH,
    AssociationSettings,
    Security,
)
from osgp.protocol_dlms.steps import Step
from osgp.protocol_dlms.tracing import Direction, find_user_information

REPLY_TO_HLS_AUTHENTICATION = MethodDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 1)

AARE = 0x61
INITIATE_RESPONSE = 0x08
GLO_INITIATE_RESPONSE = 0x28
DLMS_VERSION = 6
LOGICAL_NAME_VAA = 0x0007
# The smallest receive size of a meter: below it, not even one ciphered request would fit.
LEAST_SEND_SIZE = 64
CONFORMANCE_MULTIPLE_REFERENCES = 1 << (23 - 14)
CONFORMANCE_SELECTIVE_ACCESS = 1 << (23 - 21)

ACCEPTED, REJECTED_PERMANENT, REJECTED_TRANSIENT = 0, errors.REJECTED_PERMANENT, 2
AUTHENTICATION_REQUIRED = 14
_AUTHENTICATION_DIAGNOSTICS = (11, 12, 13)
"""authentication-mechanism-name-not-recognised and -required, authentication-failure"""
_NO_REASON = (None, 0, 1)
_USER_DIAGNOSTIC, _PROVIDER_DIAGNOSTIC = 0xA1, 0xA2
_MECHANISM_PREFIX = bytes((0x60, 0x85, 0x74, 0x05, 0x08, 0x02))
_HLS_GMAC = 5


@dataclass(slots=True)
class Aare:
    """The fields of an association response. ``diagnostic`` None: missing, or null.

    ``by_provider``: the diagnostic is that of the ACSE service provider, not of its user.
    """

    result: int | None = None
    diagnostic: int | None = None
    by_provider: bool = False
    responding_title: bytes = b""
    mechanism: int | None = None
    challenge: bytes = b""
    user_information: bytes = b""


def parse_aare(apdu: bytes) -> Aare:
    """Parse an AARE. Raises :class:`IllegalResponse` if it is another APDU or its lengths do not fit."""
    cursor = Cursor(apdu)
    if cursor.read_unsigned() != AARE:
        raise errors.IllegalResponse("the answer to an association request is not an AARE")
    fields = Cursor(cursor.read(cursor.read_length()))
    aare = Aare()
    while not fields.at_end:
        tag = fields.read_unsigned()
        content = fields.read(fields.read_length())
        if tag == 0xA2:
            aare.result = _parse_integer(content)
        elif tag == 0xA3:
            # The choice of ACSE user or provider adds one level around the number.
            aare.diagnostic = _parse_integer(_parse_inner(content, (_USER_DIAGNOSTIC, _PROVIDER_DIAGNOSTIC)))
            aare.by_provider = content[:1] == bytes((_PROVIDER_DIAGNOSTIC,))
        elif tag == 0xA4:
            aare.responding_title = _parse_inner(content, (0x04,))
        elif tag == 0x89:
            if content[:-1] != _MECHANISM_PREFIX:
                raise errors.IllegalResponse("an AARE with an unknown authentication mechanism")
            aare.mechanism = content[-1]
        elif tag == 0xAA:
            aare.challenge = _parse_inner(content, (0x80,))
        elif tag == 0xBE:
            aare.user_information = _parse_inner(content, (0x04,))
    return aare


def _parse_inner(content: bytes, tags: tuple[int, ...]) -> bytes:
    """Return the content of the one field in ``content``, whose tag must be in ``tags``; empty if empty."""
    if not content:
        return b""
    cursor = Cursor(content)
    if cursor.read_unsigned() not in tags:
        raise errors.IllegalResponse("an AARE with a field of another type than it should have")
    return cursor.read(cursor.read_length())


def _parse_integer(content: bytes) -> int | None:
    """Return an INTEGER; None for a NULL and for no content."""
    if not content or content[0] == 0x05:
        return None
    octets = _parse_inner(content, (0x02,))
    return int.from_bytes(octets, "big") if 0 < len(octets) <= 4 else None


def associate(session: Session, settings: AssociationSettings, challenge: bytes) -> None:
    """Open the association and store the negotiated parameters in ``session``.

    ``challenge`` is CtoS, as given to the session's builder. Raises :class:`AssociationRejected` and its
    subclasses, :class:`UnableToDecipher`, :class:`IllegalResponse`, and the errors of the link.
    """
    aarq = session.builder.build_aarq()
    tracer = session.tracer
    if tracer is not None:
        tracer.show_association(Direction.SENT, aarq, _decipher_initiate_request(aarq, settings))
    answer = session.exchange(aarq)
    initiate_response = b""
    try:
        if answer[0] in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
            raise _consider_keys(parse_error_response(answer), settings.security)
        aare = parse_aare(answer)
        _check_result(aare, settings.security)
        session.take_leave_with_rlrq()
        if settings.security is Security.HLS5:
            session.deciphering = _make_deciphering(aare, settings)
        initiate_response = _extract_initiate_response(aare, session.deciphering)
    finally:
        if tracer is not None:
            tracer.show_association(Direction.RECEIVED, answer, initiate_response)
    _apply_initiate_response(session, initiate_response)
    if settings.security is Security.HLS5:
        with errors.during(Step.AUTHENTICATION):
            _prove(session, settings, aare, challenge)


def _consider_keys(error: errors.DlmsError, security: Security) -> errors.DlmsError:
    """Return the error, whose text names wrong keys if it is how some meters tell them."""
    if security is not Security.HLS5 or not may_be_about_keys(error):
        return error
    assert isinstance(error, errors.ExceptionResponse)
    text = f"{error.message}; some meters tell in this way that they have other keys"
    return errors.ExceptionResponse(text, error.state_error, error.service_error)


def _decipher_initiate_request(aarq: bytes, settings: AssociationSettings) -> bytes:
    """Return the plain initiate request of our own AARQ, for a trace; empty if there is none."""
    information = find_user_information(aarq)
    if not information or information[0] != GLO_INITIATE_REQUEST:
        return information
    assert settings.keys.encryption_key is not None
    assert settings.keys.authentication_key is not None
    own = Deciphering(
        settings.keys.encryption_key, settings.keys.authentication_key, settings.client_system_title
    )
    return unprotect(information, own)


def make_challenge(length: int) -> bytes:
    """Return ``length`` unpredictable octets for CtoS."""
    return secrets.token_bytes(length)


def _check_result(aare: Aare, security: Security) -> None:
    result, diagnostic = aare.result, aare.diagnostic
    # The numbers of the service provider mean something else.
    user_diagnostic = None if aare.by_provider else diagnostic
    if result == ACCEPTED:
        if user_diagnostic == AUTHENTICATION_REQUIRED and security is not Security.HLS5:
            raise errors.AuthenticationRequired("the meter requires HLS authentication", result, diagnostic)
        return
    if result is None:
        raise errors.UnknownAssociationResult("an AARE without association result", -1, diagnostic)
    text = _describe_rejection(aare, result)
    if result not in (REJECTED_PERMANENT, REJECTED_TRANSIENT):
        raise errors.UnknownAssociationResult(text, result, diagnostic)
    if user_diagnostic == AUTHENTICATION_REQUIRED:
        raise errors.AuthenticationRequired(text, result, diagnostic)
    if user_diagnostic in _AUTHENTICATION_DIAGNOSTICS:
        raise errors.AuthenticationError(text, result, diagnostic)
    is_final = result == REJECTED_PERMANENT and diagnostic not in _NO_REASON
    raise errors.AssociationRejected(text, result, diagnostic, is_final=is_final)


def _describe_rejection(aare: Aare, result: int) -> str:
    """Return result, diagnostic and, if there is one, the error of the initiate service in words."""
    text = f"association {names_of_errors.name_association_result(result)}"
    if aare.diagnostic is not None:
        diagnostic = names_of_errors.name_diagnostic(aare.diagnostic, by_provider=aare.by_provider)
        text += f", {diagnostic}"
    if aare.user_information[:1] == bytes((CONFIRMED_SERVICE_ERROR,)):
        text += f", {parse_error_response(aare.user_information).message}"
    return text


def _make_deciphering(aare: Aare, settings: AssociationSettings) -> Deciphering:
    title = aare.responding_title
    if len(title) != SYSTEM_TITLE_LENGTH:
        raise errors.IllegalResponse("an AARE without the meter's system title")
    # Our own title in return would make our own protected APDUs pass for the meter's.
    if title == settings.client_system_title:
        raise errors.IllegalResponse("an AARE with our own system title")
    assert settings.keys.encryption_key is not None
    assert settings.keys.authentication_key is not None
    return Deciphering(settings.keys.encryption_key, settings.keys.authentication_key, title)


def _extract_initiate_response(aare: Aare, deciphering: Deciphering | None) -> bytes:
    information = aare.user_information
    if not information:
        raise errors.IllegalResponse("an AARE without initiate response")
    if deciphering is not None:
        if information[0] != GLO_INITIATE_RESPONSE:
            raise errors.UnableToDecipher("the initiate response is not ciphered although that was asked for")
        try:
            information = unprotect(information, deciphering)
        except errors.UnableToDecipher as error:
            text = f"{error.message}: the meter has other keys, or it is another meter"
            raise errors.UnableToDecipher(text) from None
    if information[0] == CONFIRMED_SERVICE_ERROR:
        raise parse_error_response(information)
    return information


def _apply_initiate_response(session: Session, initiate_response: bytes) -> None:
    cursor = Cursor(initiate_response)
    if cursor.read_unsigned() != INITIATE_RESPONSE:
        raise errors.IllegalResponse("the user information of the AARE is not an initiate response")
    if cursor.read_unsigned():
        cursor.read_unsigned()  # negotiated quality of service, which means nothing in COSEM
    if cursor.read_unsigned() != DLMS_VERSION:
        raise errors.IllegalResponse("the meter does not speak DLMS version 6")
    if cursor.read_unsigned() != 0x5F:
        raise errors.IllegalResponse("an initiate response without conformance block")
    # [APPLICATION 31] in its two-octet form, or as older meters abbreviate it.
    size = cursor.read_unsigned()
    if size == 0x1F:
        size = cursor.read_unsigned()
    if size != 4:
        raise errors.IllegalResponse("a conformance block of another size than 24 bits")
    cursor.read_unsigned()
    conformance = cursor.read_unsigned(3)
    send_size = cursor.read_unsigned(2) or 0xFFFF
    if send_size < LEAST_SEND_SIZE:
        raise errors.IllegalResponse(f"the meter takes APDUs of {send_size} octets only")
    if cursor.read_unsigned(2) != LOGICAL_NAME_VAA:
        raise errors.IllegalResponse("the meter does not use logical name referencing")
    session.multiple_references = bool(conformance & CONFORMANCE_MULTIPLE_REFERENCES)
    session.selective_access = bool(conformance & CONFORMANCE_SELECTIVE_ACCESS)
    session.send_size = send_size


def _prove(session: Session, settings: AssociationSettings, aare: Aare, challenge: bytes) -> None:
    """Carry out passes 3 and 4: each side proves that it has the keys by answering the other's challenge."""
    if aare.mechanism not in (None, _HLS_GMAC):
        raise errors.IllegalResponse(f"the meter chose authentication mechanism {aare.mechanism}")
    if len(aare.challenge) not in CHALLENGE_LENGTHS:
        raise errors.IllegalResponse(f"the meter's challenge has {len(aare.challenge)} octets")
    if aare.challenge == challenge:
        raise errors.AuthenticationError("the meter returned our own challenge", ACCEPTED, aare.diagnostic)
    proof = session.builder.build_hls_proof(aare.challenge)
    parameter = axdr.encode(Data(DataType.OCTET_STRING, proof))
    try:
        result, answer = invoke(session, REPLY_TO_HLS_AUTHENTICATION, parameter, secret=True)
    except errors.ExceptionResponse as error:
        raise _consider_keys(error, settings.security) from None
    if result is not ActionResult.SUCCESS or answer is None:
        raise errors.AuthenticationError("the meter does not accept our proof", ACCEPTED, aare.diagnostic)
    returned = axdr.decode(answer)
    assert session.deciphering is not None
    assert settings.keys.authentication_key is not None
    if returned.type != DataType.OCTET_STRING or not session.deciphering.verify_gmac(
        bytes(returned.value),  # type: ignore[call-overload]
        settings.keys.authentication_key,
        challenge,
    ):
        raise errors.AuthenticationError("the meter does not prove itself", ACCEPTED, aare.diagnostic)
