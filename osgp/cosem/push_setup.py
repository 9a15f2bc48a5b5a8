"""Where a push setup sends its messages and when (Blue Book, class 40: send_destination_and_method,
communication_window).
"""

import ipaddress
from enum import IntEnum
from typing import NamedTuple

from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data, DataType

LONGEST_DESTINATION = 512
"""Octets; the longest name of a host has 253."""
MOST_WINDOWS = 256
_LENGTH_OF_DATE_TIME = 12


class Transport(IntEnum):
    """The enumeration transport_service."""

    TCP = 0
    UDP = 1
    FTP = 2
    SMTP = 3
    SMS = 4
    HDLC = 5
    M_BUS = 6
    ZIGBEE = 7
    DLMS_GATEWAY = 8


class MessageType(IntEnum):
    """The enumeration of messages."""

    A_XDR_ENCODED_APDU = 0
    XML_ENCODED_APDU = 1
    MANUFACTURER_SPECIFIC = 128


_TRANSPORTS = {int(member): member.name for member in Transport}
_MESSAGE_TYPES = {int(member): member.name for member in MessageType}


class Destination(NamedTuple):
    """The value of send_destination_and_method; numbers of both enumerations may have no name."""

    transport: int
    destination: bytes
    message_type: int


class Window(NamedTuple):
    """A time in which messages are sent: two date-times of 12 octets, which may be not specified in part."""

    begin: bytes
    end: bytes


def format_address(host: str, port: int) -> bytes:
    """Return a destination over TCP or UDP: ``host:port`` in ASCII, ``[host]:port`` for an IPv6 address."""
    try:
        is_ipv6 = ipaddress.ip_address(host).version == 6
    except ValueError:
        is_ipv6 = False
    return f"[{host}]:{port}".encode("ascii") if is_ipv6 else f"{host}:{port}".encode("ascii")


def format_destination(octets: bytes) -> str:
    """Return a destination as text: as it is if it is printable ASCII, else ``0x`` and hexadecimal digits."""
    if all(0x20 <= octet < 0x7F for octet in octets):
        return octets.decode("ascii")
    return f"0x{octets.hex()}"


def name_transport(number: int) -> str:
    """Return the name of a transport, or its number if it has none."""
    return _TRANSPORTS.get(number, str(number))


def name_message_type(number: int) -> str:
    """Return the name of a message type, or its number if it has none."""
    return _MESSAGE_TYPES.get(number, str(number))


def encode_destination(destination: Destination) -> Data:
    """Return the value of send_destination_and_method."""
    return Data(
        DataType.STRUCTURE,
        (
            Data(DataType.ENUM, destination.transport),
            Data(DataType.OCTET_STRING, destination.destination),
            Data(DataType.ENUM, destination.message_type),
        ),
    )


def parse_destination(data: Data) -> Destination:
    """Return what a value of send_destination_and_method means. Raises Fault for anything else."""
    match data.native:
        case (int(transport), bytes(octets), int(message_type)) if (
            0 <= transport <= 0xFF and 0 <= message_type <= 0xFF and len(octets) <= LONGEST_DESTINATION
        ):
            return Destination(transport, octets, message_type)
    raise make_illegal_response("The destination of the push setup makes no sense.")


def encode_windows(windows: list[Window]) -> Data:
    """Return the value of communication_window; without windows messages are sent at any time."""
    return Data(
        DataType.ARRAY,
        tuple(
            Data(DataType.STRUCTURE, tuple(Data(DataType.OCTET_STRING, octets) for octets in window))
            for window in windows
        ),
    )


def parse_windows(data: Data) -> list[Window]:
    """Return what a value of communication_window means. Raises Fault for anything else."""
    wrong = make_illegal_response("The communication window of the push setup makes no sense.")
    if data.type is not DataType.ARRAY or not isinstance(data.value, tuple):
        raise wrong
    if len(data.value) > MOST_WINDOWS:
        raise wrong
    windows = []
    for element in data.value:
        match element.native:
            case (bytes(begin), bytes(end)) if len(begin) == len(end) == _LENGTH_OF_DATE_TIME:
                windows.append(Window(begin, end))
            case _:
                raise wrong
    return windows
