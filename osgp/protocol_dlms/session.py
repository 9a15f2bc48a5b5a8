"""The exchanges of one association: sends protected requests, and returns checked, plain answers.

The services are in :mod:`services`. What a meter sends without being asked is set aside, and answers that
come late or twice are skipped, within the bounds of :mod:`transport.strays`:

* A notification goes to ``Line.on_notification``. It is not deciphered here.
* Octet for octet the answer before, in plain or as it was received: it came twice. No two answers that follow
  each other are alike: they differ in invoke id or block number. An exception-response has neither, so one
  that comes twice cannot be told from two.
* An answer with the invoke id of a former request comes late. If ciphered, it must be authentic, and its
  counter above the last one, as with any other answer.
* A refusal like the one of a request that was sent more than once may come as often.

Carriers may lose requests and answers. Then a request is sent again which the meter may carry out twice: the
GET that begins a service, and the release. Not the next block, since meters count those, nor what changes
something, nor the opening of an association. It is built anew, and so ciphered under a new invocation
counter: meters refuse a counter that they know as a replay. Such carriers also change the order of datagrams
and double them. So there an authentic answer with an old counter is skipped like one that comes late, and so
is the refusal of a counter other than that of the request that was sent last.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.agreed import Agreed
from osgp.protocol_dlms.budget import MAX_ELEMENTS, Budget
from osgp.protocol_dlms.builder import GET, RequestBuilder
from osgp.protocol_dlms.ciphering import OVERHEAD, Deciphering, unprotect
from osgp.protocol_dlms.error_responses import (
    CONFIRMED_SERVICE_ERROR,
    EXCEPTION_RESPONSE,
    parse_error_response,
)
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.settings import Limits
from osgp.protocol_dlms.tracing import Direction, Tracer
from osgp.protocol_dlms.transport import Link, Stream, WrapperLink
from osgp.protocol_dlms.transport.strays import NOTIFICATIONS

GLO_CONFIRMED_SERVICE_ERROR = 0x2E
_ERRORS = (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR, GLO_CONFIRMED_SERVICE_ERROR)

# Response tags relative to their request's, for instance get-request C0: get-response C4.
_RESPONSE = 4
_HEADER_LENGTH = 3  # tag, type, invoke id and priority
_ANSWERS = (0xC4, 0xC5, 0xC7)
_GLO_ANSWERS = (0xCC, 0xCD, 0xCF)
_BEGINNINGS = ((GET, 1), (GET, 3))
"""Requests that may be carried out twice: get-request-normal and get-request-with-list."""

AT_ONCE = (1.0,)
SHARES_OF_SENDS = (0.125, 0.25, 0.625)
"""How the time for an answer is shared between sending a request and sending it again."""
MOST_SENDS = len(SHARES_OF_SENDS)
"""How often one request is sent at most, and so the invocation counters that it may take."""

T = TypeVar("T")


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
        self.selective_access = False
        self._stream = stream
        self._link = link
        self.tracer = tracer
        self.consumption = stream.consumption
        self._last_answer = b""
        self._last_plain = b""
        self._last_refusal = b""
        self._refusals_due = 0
        """How often ``_last_refusal`` may come again, since its request was sent more than once."""
        self._invoke_id: int | None = None
        self._former_invoke_ids: set[int] = set()

    @property
    def request_size(self) -> int:
        """The octets of a request at most: the meter's receive size, or what the carrier carries well."""
        return min(self.send_size, self._stream.apdu_size)

    @property
    def room(self) -> int:
        """The octets that the body of one request may have to fit :attr:`request_size`."""
        return self.request_size - _HEADER_LENGTH - (OVERHEAD if self.builder.is_ciphering else 0)

    @property
    def agreed(self) -> Agreed:
        """What was agreed with the meter."""
        return Agreed(
            self._stream.connect_seconds,
            self.send_size,
            self.multiple_references,
            self.selective_access,
            self._link.agreed_frames,
        )

    @property
    def statistics(self) -> Statistics:
        return Statistics(
            self.round_trips,
            self._stream.bytes_sent,
            self._stream.bytes_received,
            list(self.builder.counters_used),
        )

    def exchange(self, apdu: bytes, *, seconds: float | None = None, repeatable: bool = False) -> bytes:
        """Send ``apdu`` unchanged and return the answer unchanged; does not trace them."""
        self.take_leave_with_rlrq()
        answer = self._exchange(lambda: apdu, lambda answer, _: answer, seconds, repeatable=repeatable)
        # The meter has no association now, unless it has just accepted one: then there is another farewell.
        self._stream.farewell = b""
        return answer

    def request(
        self, service: int, request_type: int, body: bytes, *, secret: bool = False
    ) -> tuple[int, Cursor]:
        """Send one request; return the response type and the rest of the response after the invoke id.

        Raises :class:`errors.DlmsError` if the exchange fails or the meter answers with an error.
        """
        self._check_waste()
        if self.tracer is not None:
            self.tracer.show_request(
                self.builder.build_plain_request(service, request_type, body), secret=secret
            )
        self._note_invoke_id()
        return self._exchange(
            partial(self.builder.build_request, service, request_type, body),
            partial(self._take_answer, service, secret),
            repeatable=(service, request_type) in _BEGINNINGS,
        )

    def make_budget(self, most: int = MAX_ELEMENTS) -> Budget:
        """Return the budget of the replies to one read, of which ``most`` elements are made in all."""
        return Budget(most=most, consumption=self.consumption)

    def _check_waste(self) -> None:
        if self.consumption.is_wasteful:
            error = errors.ReplyTooLarge("it is not asked for more: too much of what it sent was too large")
            error.retryable = False
            raise error

    def release(self, seconds: float) -> None:
        """Release the association within ``seconds``, and disconnect the data link."""
        request = self.builder.build_rlrq()
        if self.tracer is not None:
            self.tracer.show_plain(Direction.SENT, request)
        answer = self.exchange(request, seconds=seconds, repeatable=True)
        if self.tracer is not None:
            self.tracer.show_plain(Direction.RECEIVED, answer)
        self._link.disconnect()

    def take_leave_with_rlrq(self) -> None:
        """Have a meter that hears of no end of a connection be told that its association is over."""
        stream, link = self._stream, self._link
        if stream.may_lose and not stream.farewell and isinstance(link, WrapperLink):
            stream.farewell = link.frame(self.builder.build_rlrq())

    def _exchange(
        self,
        build: Callable[[], bytes],
        take: Callable[[bytes, int], T | None],
        seconds: float | None = None,
        *,
        repeatable: bool,
    ) -> T:
        """Send what ``build`` returns, and return what ``take`` makes of the answer.

        ``take`` also gets how often the request was sent, and returns None for what is no answer to it.
        """
        stream = self._stream
        stream.strays.begin()
        seconds = stream.clock.apdu_seconds if seconds is None else seconds
        shares = SHARES_OF_SENDS if repeatable and stream.may_lose else AT_ONCE
        for number, share in enumerate(shares, 1):
            # May wait for the database, for more counters: the meter has its time nevertheless.
            apdu = build()
            stream.clock.start_exchange(seconds * share)
            self._link.send(apdu)
            try:
                taken = self._await_answer(take, number)
                break
            except errors.ResponseTimeout as timeout:
                if number == len(shares):
                    raise stream.strays.explain(timeout) from None
        return taken

    def _await_answer(self, take: Callable[[bytes, int], T | None], sent: int) -> T:
        skip = self._stream.strays.skip
        while True:
            answer = self._receive()
            if answer[0] in NOTIFICATIONS:
                skip(len(answer), "a notification")
                self._tell_notification(answer)
            elif answer == self._last_answer and answer[0] not in _ERRORS:
                skip(len(answer), "an answer that came twice")
            else:
                taken = self._count_unless_skipped(take, answer, sent)
                self._last_answer = answer
                if taken is not None:
                    return taken
                skip(len(answer), "an answer to a former request")

    def _count_unless_skipped(
        self, take: Callable[[bytes, int], T | None], answer: bytes, sent: int
    ) -> T | None:
        """Return what ``take`` does. A round trip is over with any answer, also one that makes it raise."""
        is_over = True
        try:
            taken = take(answer, sent)
            is_over = taken is not None
            return taken
        finally:
            if is_over:
                self.round_trips += 1
                self._stream.traffic.round_trips += 1

    def _receive(self) -> bytes:
        link = self._link
        try:
            return link.receive()
        finally:
            while link.unsolicited:
                self._tell_notification(link.unsolicited.pop(0))

    def _tell_notification(self, apdu: bytes) -> None:
        if self.tracer is not None:
            self.tracer.show_plain(Direction.RECEIVED, apdu)
        self._stream.tell_notification(apdu)

    def _take_answer(self, service: int, secret: bool, answer: bytes, sent: int) -> tuple[int, Cursor] | None:
        """Return the parts of an answer to the current request; None if it answers a former one."""
        plain, is_late = answer, False
        try:
            plain = self._unprotect(answer, service)
            is_late = self._is_late(plain) or plain == self._last_plain
        except errors.ReplayedCounter:
            is_late = self._stream.may_lose
            if not is_late:
                raise
        finally:
            if self.tracer is not None:
                # Whether the former request was a secret one is not known any more.
                self.tracer.show_response(plain, secret=secret or is_late)
        if is_late:
            return None
        if answer[0] in _ERRORS:
            error = parse_error_response(plain)
            if isinstance(error, errors.InvocationCounterTooLow) and self._is_of_another(error, sent):
                return None
            if self._refusals_due and plain == self._last_refusal:
                self._refusals_due -= 1
                return None
            self._last_refusal, self._refusals_due = plain, sent - 1
            raise error
        self._last_plain = plain
        self._refusals_due = 0
        cursor = Cursor(plain)
        tag = cursor.read_unsigned()
        if tag != service + _RESPONSE:
            raise errors.IllegalResponse(f"an answer of type {tag:#04x} to a request of type {service:#04x}")
        response_type = cursor.read_unsigned()
        if cursor.read_unsigned() & 0x0F != self._invoke_id:
            raise errors.IllegalResponse("an answer to another request (the invoke id differs)")
        return response_type, cursor

    def _note_invoke_id(self) -> None:
        """Note which invoke ids are former ones of this association; the current one may have been one."""
        current = self.builder.invoke_id
        if self._invoke_id is not None:
            self._former_invoke_ids.add(self._invoke_id)
        self._former_invoke_ids.discard(current)
        self._invoke_id = current

    def _is_late(self, plain: bytes) -> bool:
        return (
            len(plain) >= _HEADER_LENGTH
            and plain[0] in _ANSWERS
            and plain[2] & 0x0F in self._former_invoke_ids
        )

    def _is_of_another(self, refusal: errors.InvocationCounterTooLow, sent: int) -> bool:
        """Return whether a refusal is not that of the last request: it was sent more than once, or its
        counter is high enough."""
        if not self._stream.may_lose or not self.builder.counters_used:
            return False
        return sent > 1 or refusal.expected <= self.builder.counters_used[-1]

    def _unprotect(self, answer: bytes, service: int) -> bytes:
        """Return the plain answer. Some meters protect their error responses, others do not."""
        tag = answer[0]
        if self.deciphering is None or tag in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
            return answer
        if tag == service + _RESPONSE:
            raise errors.UnableToDecipher("the answer is not ciphered although that was agreed on")
        if tag not in _GLO_ANSWERS and tag != GLO_CONFIRMED_SERVICE_ERROR:
            raise errors.IllegalResponse(f"an answer of type {tag:#04x} to a request of type {service:#04x}")
        return unprotect(answer, self.deciphering)
