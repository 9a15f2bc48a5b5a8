"""What the messages that change push setups share: where meters push to, and what they push."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.configuration.object_definitions import (
    MOST_OBJECTS,
    DefinedObject,
    DefinedObjectParameters,
    check_definitions,
    describe,
    make_definition,
)
from osgp.cosem import object_definitions
from osgp.cosem.object_definitions import ObjectDefinition
from osgp.cosem.push_setup import (
    LONGEST_DESTINATION,
    Destination,
    Transport,
    encode_destination,
    format_address,
    format_destination,
    name_message_type,
    name_transport,
    parse_destination,
)
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.changes import Change, Precondition, Setting, change_by_name
from osgp.messages.serializers import CharField, IntegerField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType

HOST, PORT, PUSH_OBJECTS = "host", "port", "push_objects"
DESTINATION = "destination"
LONGEST_HOST = 253
"""Characters of a name in the DNS (RFC 1035)."""

MOST_SHOWN = 8
"""Objects that the text of a fault names."""

_PROFILE_GENERIC, _BUFFER = 7, 2
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


class HostField(CharField):
    """An IPv4 or IPv6 address without brackets and zone, or the name of a host in ASCII."""

    default_error_messages = {"host": "Must be an IPv4 or IPv6 address or the name of a host."}

    def __init__(self, *, max_length: int = LONGEST_HOST, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        host = super().to_internal_value(data)
        if not _is_host(host):
            self.fail("host")
        return host


def _is_host(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        labels = text.split(".")
        # A name does not end in a number: it would be a mistyped address.
        return all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return getattr(address, "scope_id", None) is None


Host = Annotated[str, HostField(), "IPv4 or IPv6 address, or the name of a host, as the meter knows it."]
Port = Annotated[int, IntegerField(min_value=1, max_value=0xFFFF)]
PushObjects = Annotated[
    list[DefinedObjectParameters],
    f"What the meter pushes, in this order: 1 to {MOST_OBJECTS} objects, all of which it lets be read.",
]


class DestinationParameters(TypedDict):
    """Where the meter pushes to."""

    host: Host
    port: Port


class OptionalDestinationParameters(TypedDict):
    """Where the meter pushes to: both or neither."""

    host: NotRequired[Host]
    port: NotRequired[Port]


class PushDestination(TypedDict):
    """Where and how a meter pushes."""

    transport: Annotated[str, "TCP, UDP and so on, or the number if it has no name."]
    destination: Annotated[
        str,
        CharField(max_length=2 + 2 * LONGEST_DESTINATION),
        "host:port with TCP and UDP; what is no printable ASCII in hexadecimal after 0x.",
    ]
    message_type: Annotated[
        str, "A_XDR_ENCODED_APDU, XML_ENCODED_APDU, MANUFACTURER_SPECIFIC, or the number if it has no name."
    ]


class DestinationChange(TypedDict):
    """The destination, read from the meter."""

    before: Annotated[PushDestination | None, "Null if the meter did not say."]
    after: Annotated[PushDestination | None, "Null if the meter does not say."]


class PushObjectsChange(TypedDict):
    """What the meter pushes, read from it."""

    before: Annotated[list[DefinedObject] | None, "Null if the meter did not say."]
    after: Annotated[list[DefinedObject] | None, "Null if the meter does not say."]


def check_destination(parameters: Mapping[str, Any]) -> None:
    """Refuse host without port and the other way round. Raises ValidationError for what is missing."""
    for name, other in ((HOST, PORT), (PORT, HOST)):
        if name not in parameters and other in parameters:
            raise ValidationError({name: [f"Goes together with {other}."]})


def check_push_objects(parameters: Mapping[str, Any]) -> None:
    """Refuse lists and entries that cannot be. Raises ValidationError for each of them."""
    if PUSH_OBJECTS not in parameters:
        return
    entries = parameters[PUSH_OBJECTS]
    check_definitions(PUSH_OBJECTS, entries, MOST_OBJECTS)
    # There it selects rows or columns instead of an element (Blue Book, class 40).
    buffers = {
        str(index): {"data_index": ["Must be 0 for the buffer of a profile."]}
        for index, entry in enumerate(entries)
        if (entry["class_id"], entry["attribute"]) == (_PROFILE_GENERIC, _BUFFER) and entry["data_index"]
    }
    if buffers:
        raise ValidationError({PUSH_OBJECTS: buffers})


def set_destination(
    meter: VisitedMeter, tag: str, transport: Transport, parameters: Mapping[str, Any]
) -> list[Setting]:
    """The destination of a push setup as settings to write; none if the parameters have no host."""
    if HOST not in parameters:
        return []
    message_type = meter.find_object(tag).message_type
    assert message_type is not None
    address = format_address(parameters[HOST], parameters[PORT])
    value = encode_destination(Destination(transport, address, message_type))
    attribute = meter.find_attribute(tag, "send_destination_and_method")
    return [Setting(DESTINATION, attribute, value, _describe_destination)]


def set_push_objects(meter: VisitedMeter, tag: str, parameters: Mapping[str, Any]) -> list[Setting]:
    """The objects of a push setup as settings to write; none if the parameters have no objects."""
    if PUSH_OBJECTS not in parameters:
        return []
    value = object_definitions.encode(list_definitions(parameters))
    attribute = meter.find_attribute(tag, "push_object_list")
    return [Setting(PUSH_OBJECTS, attribute, value, _describe_objects)]


def list_definitions(parameters: Mapping[str, Any]) -> list[ObjectDefinition]:
    """The push objects of validated parameters, in their order."""
    return [make_definition(entry) for entry in parameters.get(PUSH_OBJECTS, ())]


def need_readable(definitions: Sequence[ObjectDefinition]) -> Precondition:
    """The precondition that a meter lets all of them be read.

    Its fault names those that it does not, and those that have no such element.
    """
    attributes = list(dict.fromkeys(definition.attribute for definition in definitions))

    def check(values: Iterator[Data | Fault]) -> None:
        found = {
            attribute: value if isinstance(value, Fault) else _count_elements(value)
            for attribute, value in zip(attributes, values, strict=True)
        }
        problems = [
            problem
            for index, definition in enumerate(definitions)
            if (problem := _find_problem(index, definition, found[definition.attribute]))
        ]
        if problems:
            texts = "; ".join(problem.message for problem in problems[:MOST_SHOWN])
            more = f"; and {len(problems) - MOST_SHOWN} more" if len(problems) > MOST_SHOWN else ""
            raise Fault(
                problems[0].code,
                f"Nothing was written. The meter does not have these objects to push: {texts}{more}.",
                component=Component.PROTOCOL_DLMS,
                pointer=f"/{PUSH_OBJECTS}",
            )

    return Precondition(attributes, check)


def _count_elements(value: Data) -> int:
    if value.type not in (DataType.ARRAY, DataType.STRUCTURE):
        return 0
    assert isinstance(value.value, tuple)
    return len(value.value)


def _find_problem(index: int, definition: ObjectDefinition, elements: int | Fault) -> Fault | None:
    """What is wrong with an object; ``elements``: how many its attribute has, or why it cannot be read."""
    where = f"{PUSH_OBJECTS}/{index}: {definition.attribute}"
    if isinstance(elements, Fault):
        return Fault(elements.code, f"{where}: {elements.message}")
    if definition.data_index > elements:
        return Fault(FaultCode.VALIDATION_ERROR, f"{where}: has no element {definition.data_index}")
    return None


def change_push_setup(
    meter: VisitedMeter, tag: str, transport: Transport, parameters: Mapping[str, Any]
) -> tuple[DestinationChange | None, PushObjectsChange | None]:
    """Write destination and objects, as far as they are given; return the change of each, None if not.

    Raises Fault, before anything is written, for objects that the meter does not let be read.
    """
    settings = [
        *set_destination(meter, tag, transport, parameters),
        *set_push_objects(meter, tag, parameters),
    ]
    changes = change_by_name(meter, settings, need_readable(list_definitions(parameters)))
    return tell_destination(changes), tell_push_objects(changes)


def tell_destination(changes: Mapping[str, Change]) -> DestinationChange | None:
    """The change of the destination among changes by name, None if there was none."""
    changed = changes.get(DESTINATION)
    return {"before": changed.before, "after": changed.after} if changed else None


def tell_push_objects(changes: Mapping[str, Change]) -> PushObjectsChange | None:
    """The change of the push objects among changes by name, None if there was none."""
    changed = changes.get(PUSH_OBJECTS)
    return {"before": changed.before, "after": changed.after} if changed else None


def _describe_destination(data: Data) -> PushDestination:
    transport, octets, message_type = parse_destination(data)
    return {
        "transport": name_transport(transport),
        "destination": format_destination(octets),
        "message_type": name_message_type(message_type),
    }


def _describe_objects(data: Data) -> list[DefinedObject]:
    return describe(data, "push objects")
