"""What a meter is to push: the order, as an alarm makes it, or as JSON describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from osgp.catalogue import obis
from osgp.catalogue.cosem import AttributeDescriptor

from .. import fields as parsers
from ..destinations import Destination, parse_destination
from ..fields import shown
from ..meter.pushing import SETUP_ALARM, SETUP_SMS, SETUP_UDP

MOST_ALARMS = 96
"""Names in one order: three registers of 32 bits."""
MOST_OBJECTS = 64
MOST_ROWS = 500
_UINT32 = parsers.integer(0, 0xFFFFFFFF)
_PORT = parsers.integer(0, 0xFFFF)
_OCTETS = range(1, 2_031)
"""Of a block, or of the information in an HDLC frame."""
_LEAST_INFORMATION = 16


class OrderError(ValueError):
    """An order that makes no sense; ``field`` says where."""

    def __init__(self, field_name: str, complaint: str) -> None:
        super().__init__(f"{field_name}: {complaint}")
        self.field = field_name


class Setup(StrEnum):
    """The push setups of Dutch meters."""

    ALARM = "alarm"
    SMS = "sms"
    """Wake-up: the meter tells its address after an SMS."""
    UDP = "udp"
    """Last gasp."""

    @property
    def tag(self) -> str:
        """The object, as profiles call it."""
        return {Setup.ALARM: SETUP_ALARM, Setup.SMS: SETUP_SMS, Setup.UDP: SETUP_UDP}[self]


class Form(StrEnum):
    """How a push is written."""

    DSMR4 = "dsmr4"
    """Text: identification, comma, alarm register or logical name."""
    MX382 = "mx382"
    """Event-notification: last gasp, or wake-up."""
    SMR5 = "smr5"
    """Data-notification of the push object list."""
    BODY = "body"
    """Data-notification of a body that the order describes."""


class Layout(StrEnum):
    """How the values of a body are arranged, with the letters of what is known of real meters."""

    VALUES = "A"
    """A structure of values, whose meaning is their place."""
    PAIRS = "B"
    """A structure of logical names, each followed by its value."""
    NESTED = "D"
    """An array of structures: logical name, value, and scaler and unit of registers."""
    OWN_LIST = "E"
    """A structure: the push object list, and then one value for each entry."""
    NAMED = "F"
    """A structure: identification, logical name of the push setup, values."""
    ROWS = "H"
    """A structure: identification, logical name, and the last rows of a profile."""


class PushFraming(StrEnum):
    """What carries an APDU."""

    WRAPPER = "wrapper"
    HDLC = "hdlc"
    """UI frames."""


class Transport(StrEnum):
    """What carries frames."""

    TCP = "tcp"
    UDP = "udp"


class PushFault(StrEnum):
    """What goes wrong with a push."""

    DOUBLED = "doubled"
    """The same is pushed twice, as after an acknowledgement that was lost."""
    REPLAYED = "replayed"
    """The same octets come again."""
    COUNTER_LOWERED = "counter-lowered"
    """Correctly ciphered, with an invocation counter that was used before."""
    BAD_TAG = "bad-tag"
    """One bit of the authentication tag is flipped."""
    TRUNCATED = "truncated"
    """Half of it, then the end."""
    WRONG_SYSTEM_TITLE = "wrong-system-title"
    """Ciphered by the keys of the meter under the system title of another one."""
    UNKNOWN_BITS = "unknown-bits"
    """Alarm registers with a bit that means nothing."""
    SLOW = "slow"
    """One octet a second."""


CIPHERED_FAULTS = (PushFault.COUNTER_LOWERED, PushFault.BAD_TAG, PushFault.WRONG_SYSTEM_TITLE)
"""Faults that only ciphered pushes have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is pushed instead of the push object list.

    ``objects`` are attributes with their data indices (none: clock, and the energy registers that the meter
    has); ``buffer`` the tag of a profile whose last ``rows`` go with layout H. ``name`` is the logical name
    of the push setup to which all this is said to belong.
    """

    layout: Layout
    name: bytes = bytes((0, 1, 25, 9, 0, 255))
    objects: tuple[tuple[AttributeDescriptor, int], ...] = ()
    buffer: str = "INTERVAL_VALUES_E"
    rows: int = 4


def _read_destination(value: Any) -> Destination:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no destination such as 192.0.2.1:9598")
    return parse_destination(value)


def _read_names(value: Any) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or len(value) > MOST_ALARMS
        or not all(isinstance(name, str) for name in value)
    ):
        raise ValueError(f"is a list of at most {MOST_ALARMS} names of alarms")
    return tuple(value)


def _read_logical_name(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no OBIS code")
    return obis.parse(value)


def _read_object(value: Any) -> tuple[AttributeDescriptor, int]:
    known = {"class_id", "obis_code", "attribute", "data_index"}
    if not isinstance(value, dict) or not {"class_id", "obis_code"} <= set(value) <= known:
        raise ValueError("is an object with class_id, obis_code and, perhaps, attribute and data_index")
    descriptor = AttributeDescriptor(
        parsers.integer(0, 0xFFFF)(value["class_id"]),
        _read_logical_name(value["obis_code"]),
        parsers.integer(0, 127)(value.get("attribute", 2)),
    )
    return descriptor, parsers.integer(0, 0xFFFF)(value.get("data_index", 0))


def _read_objects(value: Any) -> tuple[tuple[AttributeDescriptor, int], ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_OBJECTS:
        raise ValueError(f"is a list of 1 to {MOST_OBJECTS} objects")
    return tuple(_read_object(item) for item in value)


def _member_of(kind: type[StrEnum], *members: str) -> parsers.Parser:
    """A parser of the members of an enumeration, or of some of them."""
    parser = parsers.choice(*(members or kind))
    return lambda value: kind(parser(value))


_OF_BODY: Mapping[str, parsers.Parser] = {
    "layout": _member_of(Layout),
    "name": _read_logical_name,
    "objects": _read_objects,
    "buffer": parsers.text("[A-Z0-9_]{1,80}", "tag of an object"),
    "rows": parsers.integer(1, MOST_ROWS),
}


def _read_body(value: Any) -> Body:
    if not isinstance(value, dict) or "layout" not in value:
        raise ValueError("is an object with a layout")
    read = {}
    for name, part in value.items():
        if name not in _OF_BODY:
            raise ValueError(f"{shown(name)} is none of {', '.join(_OF_BODY)}")
        try:
            read[name] = _OF_BODY[name](part)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return Body(**read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to push. What is left out is as the meter's profile and its push setups have it.

    ``alarms`` are names, ``bits`` those of alarm registers by tag; they go beside those that are set. A push
    ``to`` a place goes there once, whatever push setup and alarm filter say. ``block`` is how many octets go
    in a block of general-block-transfer, ``information`` how many in an HDLC frame. ``source`` and
    ``destination`` are the wrapper's ports. With ``timed`` the notification has a time of its own, with
    ``confirmed`` it asks for a confirmation. ``is_prompt`` leaves the random delay out.
    """

    alarms: tuple[str, ...] = ()
    setup: Setup | None = None
    form: Form | None = None
    to: Destination | None = None
    transport: Transport | None = None
    framing: PushFraming = PushFraming.WRAPPER
    ciphered: bool | None = None
    block: int | None = None
    information: int = 128
    source: int | None = None
    destination: int | None = None
    invoke_id: int | None = None
    timed: bool | None = None
    confirmed: bool = False
    body: Body | None = None
    fault: PushFault | None = None
    bits: Mapping[str, int] = field(default_factory=dict)
    is_prompt: bool = True
    is_last_gasp: bool = False


_PARSERS: Mapping[str, parsers.Parser] = {
    "alarms": _read_names,
    "setup": _member_of(Setup),
    "form": _member_of(Form, Form.DSMR4, Form.MX382, Form.SMR5),
    "to": _read_destination,
    "transport": _member_of(Transport),
    "framing": _member_of(PushFraming),
    "ciphered": parsers.boolean,
    "block": parsers.integer(_OCTETS.start, _OCTETS.stop - 1),
    "information": parsers.integer(_LEAST_INFORMATION, _OCTETS.stop - 1),
    "source": _PORT,
    "destination": _PORT,
    "invoke_id": _UINT32,
    "timed": parsers.boolean,
    "confirmed": parsers.boolean,
    "body": _read_body,
    "fault": _member_of(PushFault),
}
"""By field of an order, those that documents may have."""


def parse_order(document: Mapping[str, Any]) -> Order:
    """The order that a document describes; OrderError when it describes none."""
    values: dict[str, Any] = {}
    for name, value in document.items():
        parser = _PARSERS.get(name)
        if parser is None:
            raise OrderError(name[:50], f"is none of {', '.join(_PARSERS)}")
        try:
            values[name] = parser(value)
        except ValueError as error:
            raise OrderError(name, str(error)) from None
    order = Order(**values)
    if order.body is not None and order.form is not None:
        raise OrderError("form", "goes without body")
    if order.fault in CIPHERED_FAULTS and order.ciphered is False:
        raise OrderError("fault", f"{order.fault} is one of ciphered pushes")
    if order.ciphered and order.form is Form.DSMR4:
        raise OrderError("ciphered", "text is not ciphered")
    return order
