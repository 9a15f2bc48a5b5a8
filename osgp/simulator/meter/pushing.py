"""What a meter that nobody has set up pushes, and where: alarm filters and push setups (class 40)."""

from osgp.catalogue.cosem import AttributeDescriptor

from ..codec.axdr import array, decode, enum, octet_string, structure
from ..codec.results import ActionResult
from .definitions import encode_definition
from .event_names import LAST_GASP
from .methods import SUCCESS, TYPE_UNMATCHED, method
from .query import Invocation, LogicalDevice, Outcome, Query
from .registry import value_of_class

PUSH_SETUP = "push_setup"
SETUP_ALARM, SETUP_SMS, SETUP_UDP = "PUSH_SETUP_ALARM", "PUSH_SETUP_SMS", "PUSH_SETUP_UDP"
DESTINATION = (PUSH_SETUP, "send_destination_and_method")

TCP, UDP = 0, 1
"""Of the transports that push setups know, those that are simulated."""
APDU, TEXT = 0, 128
"""Of the types of messages: A-XDR encoded APDUs, and the manufacturer's own form."""

IDENTIFICATION = AttributeDescriptor(1, bytes((0, 0, 96, 1, 1, 255)), 2)
_LOGICAL_NAME = 1


def list_registers(meter: LogicalDevice, setup: str) -> list[str]:
    """The tags of the alarm registers whose alarms go by a push setup: last gasps go by UDP, if there is a
    setup for it."""
    gasping = meter.type.events.alarm(LAST_GASP)
    by_udp = gasping.register if gasping is not None and SETUP_UDP in meter.type.tags else None
    if setup == SETUP_UDP:
        return [by_udp] if by_udp is not None else []
    if setup == SETUP_SMS:
        return []
    return [tag for tag in meter.type.alarm_registers.values() if tag != by_udp]


def find_setup(meter: LogicalDevice, register: str) -> str:
    """The tag of the push setup by which alarms of a register go."""
    return SETUP_UDP if register in list_registers(meter, SETUP_UDP) else SETUP_ALARM


@value_of_class(PUSH_SETUP, "push_object_list")
def push_object_list(query: Query) -> bytes:
    """The meter's identification, the setup's own name, and the alarm registers if there are any for it."""
    profile, entry = query.meter.type.profile, query.entry
    registers = list_registers(query.meter, entry.tag)
    attributes = [
        IDENTIFICATION,
        AttributeDescriptor(entry.class_id, entry.logical_name, _LOGICAL_NAME),
        *(profile[tag].address_attribute("value") for tag in registers),
    ]
    return array(encode_definition(attribute) for attribute in attributes)


@value_of_class(*DESTINATION)
def send_destination_and_method(query: Query) -> bytes:
    """Where all meters of the fleet push to, or nowhere."""
    cosem_object = query.meter.type.profile[query.entry.tag]
    destination = (query.meter.settings.push_to or "").encode()
    transport = UDP if query.entry.tag == SETUP_UDP else TCP
    return structure(enum(transport), octet_string(destination), enum(cosem_object.message_type or APDU))


def alarm_filter(tag: str, query: Query) -> float:
    """All alarms where the fleet has a place to push them to, or none."""
    flags = query.meter.type.profile[tag].flags
    if query.meter.settings.push_to is None or flags is None:
        return 0
    return sum(1 << bit for bit in flags.names)


@method(PUSH_SETUP, "push")
def push(call: Invocation) -> Outcome:
    """Push now, whatever has happened; takes integer(0)."""
    if call.parameter is None or call.parameter.value != 0:
        return TYPE_UNMATCHED
    destination = call.meter.get(call.entry.descriptors[DESTINATION[1]])
    if not decode(destination).value[1].value:
        return ActionResult.TEMPORARY_FAILURE, None
    call.meter.settings.alarms.ask(call.meter.identification, call.entry.tag)
    return SUCCESS
