"""From an order to a message: what a meter pushes, before it is ciphered and framed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import Data, DataType, decode, octet_string
from ..codec.cosem_time import encode_date_time
from ..codec.notifications import CONFIRMED, encode_data_notification, encode_event_notification
from ..destinations import Destination, parse_destination
from ..meter import history
from ..meter.alarm_bits import find_filter, has_push_setups, list_alarms
from ..meter.meter import Meter
from ..meter.pushing import IDENTIFICATION, find_setup, list_registers
from .bodies import Values
from .orders import Body, Form, Order, OrderError, PushFault, Setup, Transport
from .setups import PushSetup, SetupError, read_setup

LAST_GASP_OF_MX382 = AttributeDescriptor(1, bytes.fromhex("808080808000"), 2)
WAKE_UP_BY_SMS = bytes((0, 0, 2, 3, 0, 255))
"""What tells in text that the meter was woken by an SMS."""

DUTCH_SOURCE, DUTCH_DESTINATION = 0x67, 0x66
"""Ports of the wrapper around Dutch pushes."""

_PUSH_CLASS = 40
_LARGEST_INVOKE_ID = 0xFFFFFF


class Withheld(Exception):
    """The meter pushes nothing: it has no destination, or no alarm passes its filter. ``reason`` is one of a
    few."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Plan:
    """A push that can be made: its form, its way, and the setup that it goes by, if any."""

    order: Order
    kind: Setup
    form: Form
    destination: Destination
    transport: Transport
    setup: PushSetup | None

    @property
    def name(self) -> str:
        """Under which it is counted: form and transport."""
        return f"{self.form}/{self.transport}"


@dataclass(frozen=True, slots=True)
class Message:
    """An APDU, or text, with the ports of the wrapper."""

    octets: bytes
    is_text: bool
    source: int = DUTCH_SOURCE
    destination: int = DUTCH_DESTINATION


def plan_push(meter: Meter, order: Order) -> Plan:
    """How a meter will push; Withheld when it will not, OrderError when the order makes no sense for it."""
    bits = find_bits(meter, order)
    kind = order.setup or _choose_setup(meter, bits)
    try:
        setup = read_setup(meter, kind)
    except SetupError as error:
        if order.to is None:
            raise Withheld("the push setup cannot be carried out", str(error)) from None
        setup = None
    form = Form.BODY if order.body is not None else order.form or _choose_form(meter, setup, kind)
    if order.ciphered and form is Form.DSMR4:
        raise OrderError("ciphered", "text is not ciphered")
    if form is Form.MX382 and kind is not Setup.SMS and bits:
        raise Withheld("of alarms, such meters push their last gasp only")
    if form is Form.DSMR4 and order.block is not None:
        raise OrderError("block", "text has no blocks")
    if order.to is None and (order.bits or order.alarms) and not _passes_filter(meter, bits):
        raise Withheld("no alarm passes the filters")
    destination = order.to or (setup.destination if setup is not None else _find_default(meter))
    if destination is None:
        raise Withheld("there is no destination")
    usual = setup.transport if setup is not None else _choose_transport(form, kind)
    return Plan(order, kind, form, destination, order.transport or usual, setup)


def find_bits(meter: Meter, order: Order) -> dict[str, int]:
    """The alarm bits of an order by register, those of its names included; OrderError for unknown names."""
    bits = dict(order.bits)
    for name in order.alarms:
        alarm = meter.type.events.alarm(name)
        if alarm is not None:
            bits[alarm.register] = bits.get(alarm.register, 0) | 1 << alarm.bit
        elif has_push_setups(meter) or name != "LAST_GASP":
            raise OrderError("alarms", f"{name[:50]} is no alarm of {meter.type.profile.key}")
    return bits


def _choose_setup(meter: Meter, bits: Mapping[str, int]) -> Setup:
    tags = {find_setup(meter, register) for register in bits}
    if len(tags) > 1:
        raise OrderError("alarms", "go by different push setups")
    return next((setup for setup in Setup if setup.tag in tags), Setup.ALARM)


def _choose_form(meter: Meter, setup: PushSetup | None, kind: Setup) -> Form:
    if setup is not None:
        return setup.form
    if not has_push_setups(meter):
        return Form.MX382
    message = meter.type.profile[kind.tag].message_type if kind.tag in meter.type.tags else None
    return Form.DSMR4 if message else Form.SMR5


def _choose_transport(form: Form, kind: Setup) -> Transport:
    by_udp = kind is Setup.UDP or (form is Form.MX382 and kind is Setup.SMS)
    return Transport.UDP if by_udp else Transport.TCP


def _find_default(meter: Meter) -> Destination | None:
    """Where meters without push setups push to."""
    push_to = meter.settings.push_to
    return parse_destination(push_to) if push_to is not None and not has_push_setups(meter) else None


def _passes_filter(meter: Meter, bits: Mapping[str, int]) -> bool:
    return not bits or any(bits[register] & find_filter(meter, register) for register in bits)


def compose(meter: Meter, plan: Plan, invoke_id: int, moment: float) -> Message:
    """What the meter pushes at ``moment`` (true time)."""
    order, form = plan.order, plan.form
    if form is Form.MX382:
        return _compose_event_notification(meter, plan, moment)
    values = Values(meter, _find_name(meter, plan), _show_registers(meter, plan, moment))
    if form is Form.DSMR4:
        return Message(_write_text(values, plan), is_text=True)
    value = _encode_body(values, plan, order.body)
    stamp = _stamp(meter, moment) if order.timed else b""
    number = (
        order.invoke_id
        if order.invoke_id is not None
        else invoke_id % _LARGEST_INVOKE_ID | (CONFIRMED if order.confirmed else 0)
    )
    source = DUTCH_SOURCE if form is Form.SMR5 else meter.logical_device_address
    return _address(order, encode_data_notification(number, stamp, value), source)


def _address(order: Order, apdu: bytes, source: int) -> Message:
    return Message(
        apdu,
        is_text=False,
        source=source if order.source is None else order.source,
        destination=DUTCH_DESTINATION if order.destination is None else order.destination,
    )


def _stamp(meter: Meter, moment: float) -> bytes:
    local: datetime = meter.local_time(moment)
    return encode_date_time(local.replace(microsecond=0))


def _compose_event_notification(meter: Meter, plan: Plan, moment: float) -> Message:
    """A wake-up tells the identification under its own name, a last gasp under one that stands for it."""
    wakes_up = plan.kind is Setup.SMS
    descriptor = IDENTIFICATION if wakes_up else LAST_GASP_OF_MX382
    stamp = b"" if plan.order.timed is False else _stamp(meter, moment)
    value = octet_string(meter.identification.encode())
    return _address(plan.order, encode_event_notification(stamp, descriptor, value), DUTCH_SOURCE)


def _find_name(meter: Meter, plan: Plan) -> bytes:
    if plan.order.body is not None:
        return plan.order.body.name
    if plan.setup is not None:
        return plan.setup.logical_name
    return meter.type.profile[plan.kind.tag].get_logical_name() if plan.kind.tag in meter.type.tags else b""


def _show_registers(meter: Meter, plan: Plan, moment: float) -> dict[str, int]:
    """What alarm registers show in a push: what passes the filter, unless the push goes around it."""
    bits, shown = find_bits(meter, plan.order), {}
    for register in meter.type.alarm_registers.values():
        value = history.alarm_register(meter, register, moment) | bits.get(register, 0)
        if plan.order.to is None:
            value &= find_filter(meter, register)
        if plan.order.fault is PushFault.UNKNOWN_BITS:
            value |= _find_unknown_bit(list_alarms(meter, register))
        shown[register] = value
    return shown


def _find_unknown_bit(known: int) -> int:
    """The lowest bit that means nothing."""
    return ~known & (known + 1)


def _list_objects(meter: Meter, plan: Plan) -> tuple[tuple[AttributeDescriptor, int], ...]:
    """The push object list; in a meter whose setup has no destination yet, the one of the factory."""
    if plan.setup is not None:
        return plan.setup.objects
    own = AttributeDescriptor(_PUSH_CLASS, _find_name(meter, plan), 1)
    registers = list_registers(meter, plan.kind.tag)
    values = (meter.type.profile[tag].address_attribute("value") for tag in registers)
    return tuple((descriptor, 0) for descriptor in (IDENTIFICATION, own, *values))


def _encode_body(values: Values, plan: Plan, body: Body | None) -> bytes:
    if body is not None:
        return values.encode_body(body)
    return values.encode_list(_list_objects(values.meter, plan))


def _write_text(values: Values, plan: Plan) -> bytes:
    """The values as they are, with commas between them; after an SMS what tells of it."""
    if plan.kind is Setup.SMS:
        return values.meter.identification.encode() + b"," + WAKE_UP_BY_SMS
    listed = _list_objects(values.meter, plan)
    told = [each for each in listed if each[0].class_id != _PUSH_CLASS]
    return b",".join(_write_value(values.encode(each)) for each in (told if len(told) > 1 else listed))


def _write_value(encoded: bytes) -> bytes:
    """The octets of an octet-string, or of a number; of anything else those of its encoding."""
    data: Data = decode(encoded)
    if data.type is DataType.OCTET_STRING:
        return bytes(data.value)
    if data.type is DataType.VISIBLE_STRING:
        return str(data.value).encode()
    return encoded[1:] if isinstance(data.value, int) else encoded
