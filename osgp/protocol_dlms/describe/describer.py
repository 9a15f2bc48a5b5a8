"""The APDUs of one association in words: service, object, data or result."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from osgp import catalogue
from osgp.catalogue import obis
from osgp.protocol_dlms import names_of_errors
from osgp.protocol_dlms.access import AccessResult, ActionResult
from osgp.protocol_dlms.describe import acse
from osgp.protocol_dlms.describe.text import (
    MOST_DECODED,
    Lines,
    Names,
    add_encoded,
    format_octets,
)
from osgp.protocol_dlms.errors import INVOCATION_COUNTER_ERROR, IllegalResponse
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.tracing import TraceRecord

_SERVICES = {
    (0xC0, 1): "get-request-normal",
    (0xC0, 2): "get-request-next",
    (0xC0, 3): "get-request-with-list",
    (0xC1, 1): "set-request-normal",
    (0xC1, 2): "set-request-with-first-datablock",
    (0xC1, 3): "set-request-with-datablock",
    (0xC1, 4): "set-request-with-list",
    (0xC1, 5): "set-request-with-list-and-first-datablock",
    (0xC3, 1): "action-request-normal",
    (0xC3, 2): "action-request-next-pblock",
    (0xC3, 3): "action-request-with-list",
    (0xC3, 4): "action-request-with-first-pblock",
    (0xC3, 5): "action-request-with-list-and-first-pblock",
    (0xC3, 6): "action-request-with-pblock",
    (0xC4, 1): "get-response-normal",
    (0xC4, 2): "get-response-with-datablock",
    (0xC4, 3): "get-response-with-list",
    (0xC5, 1): "set-response-normal",
    (0xC5, 2): "set-response-datablock",
    (0xC5, 3): "set-response-last-datablock",
    (0xC5, 4): "set-response-last-datablock-with-list",
    (0xC5, 5): "set-response-with-list",
    (0xC7, 1): "action-response-normal",
    (0xC7, 2): "action-response-with-pblock",
    (0xC7, 3): "action-response-with-list",
    (0xC7, 4): "action-response-next-pblock",
}
_OTHERS = {
    0x0E: "confirmed-service-error",
    0x0F: "data-notification",
    0x60: "AARQ",
    0x61: "AARE",
    0x62: "RLRQ",
    0x63: "RLRE",
    0xC2: "event-notification-request",
    0xD8: "exception-response",
    0xD9: "access-request",
    0xDA: "access-response",
    0xDB: "general-glo-ciphering",
    0xDC: "general-ded-ciphering",
    0xDD: "general-ciphering",
    0xDF: "general-signing",
    0xE0: "general-block-transfer",
}
_CIPHERED = {
    0x2E: "glo-confirmed-service-error",
    0xC8: "glo-get-request",
    0xC9: "glo-set-request",
    0xCB: "glo-action-request",
    0xCC: "glo-get-response",
    0xCD: "glo-set-response",
    0xCF: "glo-action-response",
}
_DATA, _RESULT = 0, 1


class Description(NamedTuple):
    """The Green Book name of the service, and the content of the APDU in lines."""

    service: str
    text: str


class _Target(NamedTuple):
    """The attribute or method of a descriptor."""

    is_method: bool
    class_id: int
    logical_name: bytes
    member: int


def _find_member_name(target: _Target) -> str:
    """Return the Blue Book name of the attribute or method; empty for an id that it does not define."""
    interface_class = catalogue.get_interface_classes().find_latest(target.class_id)
    if interface_class is None:
        return ""
    find_name = interface_class.find_method_name if target.is_method else interface_class.find_attribute_name
    return find_name(target.member) or ""


def _find_no_name(_: bytes) -> str:
    return ""


@dataclass
class Describer:
    """Follows one association. ``names`` may be replaced when another device is read."""

    names: Names = _find_no_name
    _targets: list[_Target] = field(default_factory=list)
    """The attributes or methods of the latest request."""
    _blocks: bytearray = field(default_factory=bytearray)
    _listed: bool = False
    """Whether the blocks hold a list."""

    def describe(self, record: TraceRecord) -> Description:
        """Describe one APDU. Any content gives a description."""
        apdu, lines = record.apdu, Lines()
        hidden = record.hidden[-1] if record.hidden else None
        if hidden is not None and hidden[1] == len(apdu) and apdu[:1] and apdu[0] not in (0x60, 0x61):
            apdu = apdu[: hidden[0]]
        else:
            hidden = None
        service = _find_service(apdu)
        try:
            self._add(lines, apdu, is_hidden=hidden is not None)
        except (IllegalResponse, ValueError, IndexError) as error:
            if hidden is None:
                lines.add(f"malformed ({error}): {format_octets(apdu)}")
        if hidden is not None:
            count = hidden[1] - hidden[0]
            lines.add(f"{count} octet{'' if count == 1 else 's'}, hidden")
        return Description(service, str(lines))

    def _add(self, lines: Lines, apdu: bytes, *, is_hidden: bool) -> None:
        cursor = Cursor(apdu)
        tag = cursor.read_unsigned()
        if tag in (acse.AARQ, acse.AARE):
            acse.add_association(lines, apdu)
        elif tag in (acse.RLRQ, acse.RLRE):
            acse.add_release(lines, apdu)
        elif tag == 0xD8:
            _add_exception(lines, cursor)
        elif tag == 0x0E:
            service, kind, value = (cursor.read_unsigned() for _ in range(3))
            lines.add(names_of_errors.name_confirmed_service_error(service, kind, value))
        elif tag in _CIPHERED:
            _add_ciphered(lines, cursor)
        elif handler := _HANDLERS.get((tag, apdu[1] if len(apdu) > 1 else 0)):
            cursor.read(2)
            handler(self, lines, cursor)
            if not cursor.at_end and not is_hidden:
                lines.add(f"followed by {format_octets(cursor.read_rest())}")
        else:
            lines.add(format_octets(apdu))

    # --- Requests -----------------------------------------------------------------------------------------

    def _begin_request(self, *, listed: bool) -> None:
        self._targets, self._listed = [], listed
        self._blocks = bytearray()

    def _add_get(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=False)
        self._add_target(lines, cursor, is_method=False)

    def _add_get_list(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=True)
        for _ in range(cursor.read_length()):
            self._add_target(lines, cursor, is_method=False)

    def _add_next(self, lines: Lines, cursor: Cursor) -> None:
        lines.add(f"block {cursor.read_unsigned(4)} received, the next one please")

    def _add_set(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=False)
        self._add_target(lines, cursor, is_method=False)
        self._add_value(lines, cursor)

    def _add_set_list(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=True)
        for _ in range(cursor.read_length()):
            self._take_target(cursor, is_method=False)
            cursor.read(1)
        cursor.read_length()
        for target in self._targets:
            self._add_value(lines, cursor, f"{self._format_target(target)}: ")

    def _add_set_first_block(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=False)
        self._add_target(lines, cursor, is_method=False)
        self._add_block(lines, cursor)

    def _add_set_list_first_block(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=True)
        for _ in range(cursor.read_length()):
            self._add_target(lines, cursor, is_method=False)
        self._add_block(lines, cursor)

    def _add_action(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=False)
        self._add_target(lines, cursor, is_method=True)
        if cursor.read_unsigned():
            self._add_value(lines, cursor)

    def _add_action_first_block(self, lines: Lines, cursor: Cursor) -> None:
        self._begin_request(listed=False)
        self._add_target(lines, cursor, is_method=True)
        self._add_block(lines, cursor)

    # --- Responses ----------------------------------------------------------------------------------------

    def _add_get_response(self, lines: Lines, cursor: Cursor) -> None:
        self._add_result(lines, cursor, self._format_heading(0))

    def _add_get_list_response(self, lines: Lines, cursor: Cursor) -> None:
        for position in range(cursor.read_length()):
            if lines.is_full:
                return
            self._add_result(lines, cursor, self._format_heading(position))

    def _add_get_block(self, lines: Lines, cursor: Cursor) -> None:
        last, number = cursor.read_unsigned(), cursor.read_unsigned(4)
        if cursor.read_unsigned() == _RESULT:
            lines.add(f"block {number}: {_format_access_result(cursor.read_unsigned())}")
            return
        self._collect(lines, cursor, number, last=bool(last))

    def _add_set_response(self, lines: Lines, cursor: Cursor) -> None:
        lines.add(f"{self._format_heading(0)}{_format_access_result(cursor.read_unsigned())}")

    def _add_set_list_response(self, lines: Lines, cursor: Cursor) -> None:
        for position in range(cursor.read_length()):
            if lines.is_full:
                return
            lines.add(f"{self._format_heading(position)}{_format_access_result(cursor.read_unsigned())}")

    def _add_set_last_block(self, lines: Lines, cursor: Cursor) -> None:
        self._add_set_response(lines, cursor)
        lines.add(f"block {cursor.read_unsigned(4)} received")

    def _add_set_last_block_list(self, lines: Lines, cursor: Cursor) -> None:
        self._add_set_list_response(lines, cursor)
        lines.add(f"block {cursor.read_unsigned(4)} received")

    def _add_action_response(self, lines: Lines, cursor: Cursor) -> None:
        code = cursor.read_unsigned()
        lines.add(f"{self._format_heading(0)}{_format_result(ActionResult, code)}")
        if not cursor.at_end and cursor.read_unsigned():
            self._add_result(lines, cursor, "returns ")

    def _add_action_block(self, lines: Lines, cursor: Cursor) -> None:
        last, number = cursor.read_unsigned(), cursor.read_unsigned(4)
        self._collect(lines, cursor, number, last=bool(last))

    # --- Parts --------------------------------------------------------------------------------------------

    def _take_target(self, cursor: Cursor, *, is_method: bool) -> _Target:
        target = _Target(is_method, cursor.read_unsigned(2), cursor.read(6), cursor.read_unsigned())
        self._targets.append(target)
        return target

    def _add_target(self, lines: Lines, cursor: Cursor, *, is_method: bool) -> None:
        lines.add(self._format_target(self._take_target(cursor, is_method=is_method)))
        if not is_method and cursor.read_unsigned():
            selector = cursor.read_unsigned()
            self._add_value(lines, cursor, f"access selector {selector}: ")

    def _format_target(self, target: _Target) -> str:
        number = f"method {target.member}" if target.is_method else str(target.member)
        text = f"{target.class_id}/{obis.to_text(target.logical_name)}/{number}"
        return " ".join(
            part for part in (text, self.names(target.logical_name), _find_member_name(target)) if part
        )

    def _format_heading(self, position: int) -> str:
        return f"{self._format_target(self._targets[position])}: " if position < len(self._targets) else ""

    def _add_value(self, lines: Lines, cursor: Cursor, heading: str = "") -> None:
        if cursor.at_end:
            raise IllegalResponse("no data")
        encoded = cursor.octets[cursor.position :]
        cursor.read(add_encoded(lines, heading, encoded, self.names))

    def _add_result(self, lines: Lines, cursor: Cursor, heading: str) -> None:
        if cursor.read_unsigned() == _RESULT:
            lines.add(f"{heading}{_format_access_result(cursor.read_unsigned())}")
        else:
            self._add_value(lines, cursor, heading)

    def _add_block(self, lines: Lines, cursor: Cursor) -> None:
        last, number = cursor.read_unsigned(), cursor.read_unsigned(4)
        self._collect(lines, cursor, number, last=bool(last))

    def _collect(self, lines: Lines, cursor: Cursor, number: int, *, last: bool) -> None:
        """Add a block, and after the last one the data of all."""
        chunk = cursor.read(cursor.read_length())
        lines.add(f"block {number}{', the last' if last else ''}: {len(chunk)} octets")
        if len(self._blocks) <= MOST_DECODED:
            self._blocks += chunk
        if not last:
            return
        octets, self._blocks = bytes(self._blocks), bytearray()
        if len(octets) > MOST_DECODED:
            lines.add("together too long to be shown")
            return
        lines.add(f"together {len(octets)} octets:")
        inner = Cursor(octets)
        if not self._listed:
            self._add_value(lines, inner, self._format_heading(0))
            return
        for position in range(inner.read_length()):
            if lines.is_full:
                return
            # Answers have a choice ahead of each value, requests have not.
            if cursor.octets[0] == 0xC4:
                self._add_result(lines, inner, self._format_heading(position))
            else:
                self._add_value(lines, inner, self._format_heading(position))


_Handler = Callable[[Describer, Lines, Cursor], None]
_HANDLERS: dict[tuple[int, int], _Handler] = {
    (0xC0, 1): Describer._add_get,
    (0xC0, 2): Describer._add_next,
    (0xC0, 3): Describer._add_get_list,
    (0xC1, 1): Describer._add_set,
    (0xC1, 2): Describer._add_set_first_block,
    (0xC1, 3): Describer._add_block,
    (0xC1, 4): Describer._add_set_list,
    (0xC1, 5): Describer._add_set_list_first_block,
    (0xC3, 1): Describer._add_action,
    (0xC3, 2): Describer._add_next,
    (0xC3, 4): Describer._add_action_first_block,
    (0xC3, 6): Describer._add_block,
    (0xC4, 1): Describer._add_get_response,
    (0xC4, 2): Describer._add_get_block,
    (0xC4, 3): Describer._add_get_list_response,
    (0xC5, 1): Describer._add_set_response,
    (0xC5, 2): Describer._add_next,
    (0xC5, 3): Describer._add_set_last_block,
    (0xC5, 4): Describer._add_set_last_block_list,
    (0xC5, 5): Describer._add_set_list_response,
    (0xC7, 1): Describer._add_action_response,
    (0xC7, 2): Describer._add_action_block,
    (0xC7, 4): Describer._add_next,
}


def _find_service(apdu: bytes) -> str:
    if not apdu:
        return "empty"
    tag = apdu[0]
    kind = (tag, apdu[1] if len(apdu) > 1 else 0)
    return _SERVICES.get(kind) or _OTHERS.get(tag) or _CIPHERED.get(tag) or f"unknown ({tag:02x})"


def _add_exception(lines: Lines, cursor: Cursor) -> None:
    state, service = cursor.read_unsigned(), cursor.read_unsigned()
    lines.add(f"state error: {names_of_errors.name(names_of_errors.STATE_ERRORS, state)}")
    lines.add(f"service error: {names_of_errors.name(names_of_errors.SERVICE_ERRORS, service)}")
    if service == INVOCATION_COUNTER_ERROR and not cursor.at_end:
        lines.add(f"the meter expects an invocation counter of at least {cursor.read_unsigned(4)}")


def _add_ciphered(lines: Lines, cursor: Cursor) -> None:
    length = cursor.read_length()
    lines.add(
        f"ciphered, {length} octets: security control {cursor.read_unsigned():02x}, "
        f"invocation counter {cursor.read_unsigned(4)}"
    )
    lines.add("not deciphered")


def _format_access_result(code: int) -> str:
    return _format_result(AccessResult, code)


def _format_result(results: type[AccessResult] | type[ActionResult], code: int) -> str:
    known = {int(result): result.name.lower().replace("_", "-") for result in results}
    return known.get(code, f"result {code}")
