"""The exchanges of one association: sends protected requests, and returns checked, plain answers.

The services are in :mod:`services`.
"""

from dataclasses import dataclass, field

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.builder import RequestBuilder
from osgp.protocol_dlms.ciphering import OVERHEAD, Deciphering, unprotect
from osgp.protocol_dlms.error_responses import (
    CONFIRMED_SERVICE_ERROR,
    EXCEPTION_RESPONSE,
    parse_error_response,
)
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.settings import Limits
from osgp.protocol_dlms.tracing import Direction, Tracer
from osgp.protocol_dlms.transport import Link, Stream

GLO_CONFIRMED_SERVICE_ERROR = 0x2E
_ERRORS = (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR, GLO_CONFIRMED_SERVICE_ERROR)

# Response tags relative to their request's, for instance get-request C0: get-response C4, glo-get-response
# CC.
_RESPONSE = 4
_GLO_RESPONSE = 12
_HEADER_LENGTH = 3  # tag, type, invoke id and priority


@dataclass(slots=True)
class Statistics:
    """Counters of a session so far. Octets include framing."""

    round_trips: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    invocation_counters: list[int] = field(default_factory=list)


class Session:
    """Exchanges requests and answers over a link, one at a time."""

    def __init__(
        self, stream: Stream, link: Link, builder: RequestBuilder, limits: Limits, tracer: Tracer | None
    ) -> None:
        self.builder = builder
        self.limits = limits
        self.round_trips = 0
        self.deciphering: Deciphering | None = None
        # Until the AARE arrives: the smallest receive size of any meter.
        self.send_size = 64
        self.multiple_references = False
        self._stream = stream
        self._link = link
        self.tracer = tracer

    @property
    def room(self) -> int:
        """The octets that the body of one request may have to fit the meter's receive size."""
        return self.send_size - _HEADER_LENGTH - (OVERHEAD if self.builder.is_ciphering else 0)

    @property
    def statistics(self) -> Statistics:
        return Statistics(
            self.round_trips,
            self._stream.bytes_sent,
            self._stream.bytes_received,
            list(self.builder.counters_used),
        )

    def exchange(self, apdu: bytes, *, seconds: float | None = None) -> bytes:
        """Send ``apdu`` unchanged and return the answer unchanged; does not trace them."""
        self._stream.clock.start_exchange(seconds)
        self._link.send(apdu)
        answer = self._link.receive()
        self.round_trips += 1
        self._stream.traffic.round_trips += 1
        return answer

    def request(
        self, service: int, request_type: int, body: bytes, *, secret: bool = False
    ) -> tuple[int, Cursor]:
        """Send one request; return the response type and the rest of the response after the invoke id.

        Raises :class:`errors.DlmsError` if the exchange fails or the meter answers with an error.
        """
        if self.tracer is not None:
            self.tracer.show_request(
                self.builder.build_plain_request(service, request_type, body), secret=secret
            )
        invoke_id = self.builder.invoke_id
        answer = self.exchange(self.builder.build_request(service, request_type, body))
        plain = answer
        try:
            plain = self._unprotect(answer, service)
        finally:
            if self.tracer is not None:
                self.tracer.show_response(plain, secret=secret)
        if answer[0] in _ERRORS:
            raise parse_error_response(plain)
        cursor = Cursor(plain)
        tag = cursor.read_unsigned()
        if tag != service + _RESPONSE:
            raise errors.IllegalResponse(f"an answer of type {tag:#04x} to a request of type {service:#04x}")
        response_type = cursor.read_unsigned()
        if cursor.read_unsigned() & 0x0F != invoke_id:
            raise errors.IllegalResponse("an answer to another request (the invoke id differs)")
        return response_type, cursor

    def release(self, seconds: float) -> None:
        """Release the association within ``seconds``, and disconnect the data link."""
        request = self.builder.build_rlrq()
        if self.tracer is not None:
            self.tracer.show_plain(Direction.SENT, request)
        answer = self.exchange(request, seconds=seconds)
        if self.tracer is not None:
            self.tracer.show_plain(Direction.RECEIVED, answer)
        self._link.disconnect()

    def _unprotect(self, answer: bytes, service: int) -> bytes:
        """Return the plain answer. Some meters protect their error responses, others do not."""
        tag = answer[0]
        if self.deciphering is None or tag in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
            return answer
        if tag == service + _RESPONSE:
            raise errors.UnableToDecipher("the answer is not ciphered although that was agreed on")
        if tag not in (service + _GLO_RESPONSE, GLO_CONFIRMED_SERVICE_ERROR):
            raise errors.IllegalResponse(f"an answer of type {tag:#04x} to a request of type {service:#04x}")
        return unprotect(answer, self.deciphering)
