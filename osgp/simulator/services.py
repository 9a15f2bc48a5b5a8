"""GET, SET and ACTION on one association, with block transfer of what is too long for one APDU (Green
Book)."""

from typing import NamedTuple

from osgp.catalogue.cosem import MethodDescriptor

from .association import Association, note_counter
from .codec import responses
from .codec.axdr import Data, DataType, decode, octet_string
from .codec.ciphering import OVERHEAD
from .codec.errors import DecipheringError
from .codec.exceptions import ServiceError, StateError, encode_exception_response
from .codec.initiate import Conformance
from .codec.requests import (
    ActionBlockRequest,
    ActionNextRequest,
    ActionRequest,
    AttributeReference,
    Block,
    GetNextRequest,
    GetRequest,
    Request,
    SetBlockRequest,
    SetRequest,
    decode_values,
)
from .codec.results import ActionResult, DataAccessResult
from .faults import FaultKind, HangUp
from .meter.meter import Meter
from .meter.query import AccessError
from .odd_objects import is_badly_sent, is_refused, limit_lists, make_bad_block, shorten_list
from .spoiling import spoil

REPLY_TO_HLS_AUTHENTICATION = MethodDescriptor(15, bytes((0, 0, 40, 0, 0, 255)), 1)
MAXIMUM_LONG_VALUE = 65_536
"""Octets that a client may send in blocks for one request."""


class NotAllowed(Exception):
    """The request is refused with an exception-response."""

    def __init__(
        self, service_error: ServiceError, state_error: StateError = StateError.SERVICE_NOT_ALLOWED
    ) -> None:
        super().__init__(service_error.name)
        self.apdu = encode_exception_response(state_error, service_error)


class _Outgoing(NamedTuple):
    """An answer that goes out in blocks."""

    invoke_id: int
    octets: bytes
    offset: int
    number: int
    is_action: bool


class _Incoming:
    """A request that comes in in blocks."""

    __slots__ = ("number", "octets", "request")

    def __init__(self, request: SetRequest | ActionRequest) -> None:
        self.request = request
        self.octets = bytearray()
        self.number = 0

    def take(self, block: Block) -> bool:
        """Add a block; False when it is not the next one or the value gets too long."""
        self.number += 1
        self.octets += block.octets
        return block.number == self.number and len(self.octets) <= MAXIMUM_LONG_VALUE


class ServiceHandler:
    """Answers the requests of one association. Any request but the next block ends an unfinished transfer."""

    __slots__ = ("_incoming", "_outgoing", "association", "meter", "room")

    def __init__(self, meter: Meter, association: Association) -> None:
        self.meter = meter
        self.association = association
        self._outgoing: _Outgoing | None = None
        self._incoming: _Incoming | None = None
        size = min(association.maximum_pdu_size, meter.settings.maximum_pdu_size)
        self.room = max(size - (OVERHEAD if association.cipher else 0), responses.BLOCK_OVERHEAD + 1)

    def handle(self, request: Request) -> bytes:
        """The answer, in plain; :class:`NotAllowed` for what the association does not allow."""
        outgoing, incoming = self._outgoing, self._incoming
        self._outgoing = self._incoming = None
        if isinstance(request, GetRequest):
            return self._get(request)
        if not self.association.established:
            return self._authenticate(request)
        if isinstance(request, SetRequest):
            return self._set(request)
        if isinstance(request, ActionRequest):
            return self._act(request)
        if isinstance(request, GetNextRequest):
            return self._get_next(request, outgoing)
        if isinstance(request, ActionNextRequest):
            return self._act_on_next(request, outgoing)
        if isinstance(request, SetBlockRequest):
            return self._set_block(request, incoming)
        return self._act_on_block(request, incoming)

    def _demand(self, conformance: Conformance) -> None:
        if not self.association.conformance & conformance.value:
            raise NotAllowed(ServiceError.SERVICE_NOT_SUPPORTED)

    def _demand_list(self, length: int) -> None:
        self._demand(Conformance.MULTIPLE_REFERENCES)
        if not 0 < length <= limit_lists(self.meter):
            raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)

    # GET

    def _get(self, request: GetRequest) -> bytes:
        if not self.association.established:
            raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)
        if request.with_list:
            self._demand_list(len(request.references))
        if self.meter.quirks and any(
            is_badly_sent(self.meter, reference.descriptor) for reference in request.references
        ):
            return make_bad_block(request.invoke_id)
        if not request.with_list:
            outcome = self._read(request.references[0])
            answer = responses.get_normal(request.invoke_id, outcome)
            if len(answer) <= self.room:
                return answer
            assert isinstance(outcome, bytes)
            if not self.association.conformance & Conformance.BLOCK_TRANSFER_WITH_GET.value:
                return responses.get_normal(request.invoke_id, DataAccessResult.OTHER_REASON)
            return self._send_block(_Outgoing(request.invoke_id, outcome, 0, 1, False))
        outcomes = [self._read(reference) for reference in request.references]
        outcomes = shorten_list(self.meter, outcomes)
        answer = responses.get_with_list(request.invoke_id, outcomes)
        if len(answer) <= self.room:
            return answer
        self._demand(Conformance.BLOCK_TRANSFER_WITH_GET)
        return self._send_block(_Outgoing(request.invoke_id, answer[3:], 0, 1, False))

    def _read(self, reference: AttributeReference) -> bytes | DataAccessResult:
        self.meter.memory.statistics.gets += 1
        if reference.selection is not None and not (
            self.association.conformance & Conformance.SELECTIVE_ACCESS.value
        ):
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        if self.meter.quirks and is_refused(self.meter, reference.descriptor):
            return DataAccessResult.OBJECT_UNDEFINED
        try:
            value = self.meter.get(reference.descriptor, reference.selection, self.association)
        except AccessError as error:
            return error.result
        return spoil(self.meter, reference.descriptor, value) if self.meter.has_faults else value

    def _send_block(self, outgoing: _Outgoing) -> bytes:
        size = self.room - responses.BLOCK_OVERHEAD
        octets = outgoing.octets[outgoing.offset : outgoing.offset + size]
        end = outgoing.offset + len(octets)
        last = end >= len(outgoing.octets)
        if not last:
            self._outgoing = outgoing._replace(offset=end, number=outgoing.number + 1)
        encode = responses.action_block if outgoing.is_action else responses.get_block
        return encode(outgoing.invoke_id, last, outgoing.number, octets)

    def _get_next(self, request: GetNextRequest, outgoing: _Outgoing | None) -> bytes:
        def refused(result: DataAccessResult) -> bytes:
            return responses.get_block_refused(request.invoke_id, request.block_number, result)

        if outgoing is None or outgoing.is_action:
            return refused(DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        if request.invoke_id != outgoing.invoke_id:
            return refused(DataAccessResult.LONG_GET_ABORTED)
        if request.block_number != outgoing.number - 1:
            return refused(DataAccessResult.DATA_BLOCK_NUMBER_INVALID)
        return self._send_block(outgoing)

    # SET

    def _set(self, request: SetRequest) -> bytes:
        self._demand(Conformance.SET)
        if request.with_list:
            self._demand_list(len(request.references))
        if request.block is not None:
            self._demand(Conformance.BLOCK_TRANSFER_WITH_SET)
            return self._take_set_block(request.invoke_id, request.block, _Incoming(request))
        results = self._write(request.references, request.values)
        if request.with_list:
            return responses.set_with_list(request.invoke_id, shorten_list(self.meter, results))
        return responses.set_normal(request.invoke_id, results[0])

    def _write(
        self, references: tuple[AttributeReference, ...], values: tuple[bytes, ...]
    ) -> list[DataAccessResult]:
        results = []
        for reference, value in zip(references, values, strict=True):
            self.meter.memory.statistics.sets += 1
            if reference.selection is not None:
                results.append(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
                continue
            try:
                self.meter.set(reference.descriptor, value, self.association)
            except AccessError as error:
                results.append(error.result)
            else:
                results.append(DataAccessResult.SUCCESS)
        return results

    def _set_block(self, request: SetBlockRequest, incoming: _Incoming | None) -> bytes:
        if incoming is None or not isinstance(incoming.request, SetRequest):
            return responses.set_last_block(
                request.invoke_id, DataAccessResult.NO_LONG_SET_IN_PROGRESS, request.block.number
            )
        if request.invoke_id != incoming.request.invoke_id:
            return responses.set_last_block(
                request.invoke_id, DataAccessResult.LONG_SET_ABORTED, request.block.number
            )
        return self._take_set_block(request.invoke_id, request.block, incoming)

    def _take_set_block(self, invoke_id: int, block: Block, incoming: _Incoming) -> bytes:
        request = incoming.request
        assert isinstance(request, SetRequest)
        if not incoming.take(block):
            in_turn = block.number == incoming.number
            result = (
                DataAccessResult.LONG_SET_ABORTED if in_turn else DataAccessResult.DATA_BLOCK_NUMBER_INVALID
            )
            return responses.set_last_block(invoke_id, result, block.number)
        if not block.last:
            self._incoming = incoming
            return responses.set_block(invoke_id, block.number)
        values = decode_values(bytes(incoming.octets), len(request.references) if request.with_list else None)
        results = self._write(request.references, values)
        if request.with_list:
            results = shorten_list(self.meter, results)
            return responses.set_last_block_with_list(invoke_id, results, block.number)
        return responses.set_last_block(invoke_id, results[0], block.number)

    # ACTION

    def _act(self, request: ActionRequest) -> bytes:
        self._demand(Conformance.ACTION)
        if request.with_list:
            self._demand_list(len(request.methods))
        if request.block is not None:
            self._demand(Conformance.BLOCK_TRANSFER_WITH_ACTION)
            return self._take_action_block(request.invoke_id, request.block, _Incoming(request))
        return self._invoke(request, request.parameters)

    def _invoke(self, request: ActionRequest, parameters: tuple[bytes | None, ...]) -> bytes:
        outcomes = []
        for descriptor, parameter in zip(request.methods, parameters, strict=True):
            self.meter.memory.statistics.actions += 1
            outcome = self.meter.invoke(descriptor, parameter, self.association)
            if outcome[0] is ActionResult.OBJECT_UNDEFINED and self.meter.take_fault(
                FaultKind.UNKNOWN_METHOD_CLOSES
            ):
                raise HangUp
            outcomes.append(outcome)
        if request.with_list:
            answer = responses.action_with_list(request.invoke_id, shorten_list(self.meter, outcomes))
        else:
            answer = responses.action_normal(request.invoke_id, *outcomes[0])
        if len(answer) <= self.room:
            return answer
        self._demand(Conformance.BLOCK_TRANSFER_WITH_ACTION)
        return self._send_block(_Outgoing(request.invoke_id, answer[3:], 0, 1, True))

    def _act_on_next(self, request: ActionNextRequest, outgoing: _Outgoing | None) -> bytes:
        if outgoing is None or not outgoing.is_action:
            return responses.action_normal(request.invoke_id, ActionResult.NO_LONG_ACTION_IN_PROGRESS, None)
        if (request.invoke_id, request.block_number) != (outgoing.invoke_id, outgoing.number - 1):
            return responses.action_normal(request.invoke_id, ActionResult.LONG_ACTION_ABORTED, None)
        return self._send_block(outgoing)

    def _act_on_block(self, request: ActionBlockRequest, incoming: _Incoming | None) -> bytes:
        if incoming is None or not isinstance(incoming.request, ActionRequest):
            return responses.action_normal(request.invoke_id, ActionResult.NO_LONG_ACTION_IN_PROGRESS, None)
        if request.invoke_id != incoming.request.invoke_id:
            return responses.action_normal(request.invoke_id, ActionResult.LONG_ACTION_ABORTED, None)
        return self._take_action_block(request.invoke_id, request.block, incoming)

    def _take_action_block(self, invoke_id: int, block: Block, incoming: _Incoming) -> bytes:
        request = incoming.request
        assert isinstance(request, ActionRequest)
        if not incoming.take(block):
            return responses.action_normal(invoke_id, ActionResult.LONG_ACTION_ABORTED, None)
        if not block.last:
            self._incoming = incoming
            return responses.action_next_block(invoke_id, block.number)
        values = decode_values(bytes(incoming.octets), len(request.methods) if request.with_list else None)
        return self._invoke(request, values)

    # The fourth pass of the high level authentication

    def _authenticate(self, request: Request) -> bytes:
        """The only request before the association is established: the client's answer to the challenge."""
        if (
            not isinstance(request, ActionRequest)
            or request.methods != (REPLY_TO_HLS_AUTHENTICATION,)
            or request.block is not None
        ):
            raise NotAllowed(ServiceError.OPERATION_NOT_POSSIBLE)
        self.meter.memory.statistics.actions += 1
        association, cipher = self.association, self.association.cipher
        assert cipher is not None
        answer = (
            decode(request.parameters[0]) if request.parameters[0] is not None else Data(DataType.NULL_DATA)
        )
        if answer.type is not DataType.OCTET_STRING:
            return responses.action_normal(request.invoke_id, ActionResult.TYPE_UNMATCHED, None)
        try:
            counter = cipher.check_challenge(answer.value, association.server_challenge)
        except DecipheringError:
            return responses.action_normal(request.invoke_id, ActionResult.READ_WRITE_DENIED, None)
        # The counter in the answer precedes that of the APDU around it, which is the highest by now. It may
        # not have been used before either.
        note_counter(self.meter, cipher, counter)
        if counter <= association.counter_of_request or counter == self.meter.memory.counters.highest:
            return responses.action_normal(request.invoke_id, ActionResult.READ_WRITE_DENIED, None)
        association.established = True
        proof = cipher.answer_challenge(self.meter.memory.take_server_counter(), association.client_challenge)
        return responses.action_normal(request.invoke_id, ActionResult.SUCCESS, octet_string(proof))
