"""The parameters of an HDLC data link, in SNRM and UA: sizes of frames and windows (Green Book 8.4.5.3.2)."""

from typing import NamedTuple

from osgp.protocol_dlms.errors import IllegalResponse

DEFAULT_INFORMATION_SIZE = 128
# The most that one frame of format type 3 can hold with the longest addresses.
MAX_INFORMATION_SIZE = 2030
SMALLEST_INFORMATION_SIZE = 8
"""Of a meter that still can be talked to. Those of the books take 32 and more."""
DEFAULT_WINDOW = 1
MAX_WINDOW = 7

PARAMETER_FORMAT = 0x81
PARAMETER_GROUP = 0x80
MAX_INFORMATION_TRANSMIT = 0x05
MAX_INFORMATION_RECEIVE = 0x06
WINDOW_TRANSMIT = 0x07
WINDOW_RECEIVE = 0x08


class LinkParameters(NamedTuple):
    """What the station that names them transmits and receives: octets of information in one frame, and
    frames before an acknowledgement. What is left out of SNRM or UA has its default.
    """

    transmit_size: int = DEFAULT_INFORMATION_SIZE
    receive_size: int = DEFAULT_INFORMATION_SIZE
    transmit_window: int = DEFAULT_WINDOW
    receive_window: int = DEFAULT_WINDOW


class AgreedFrames(NamedTuple):
    """What holds for a data link: octets of information in a frame to the meter, and frames before an
    acknowledgement, to the meter and from it.
    """

    information_size: int
    send_window: int
    receive_window: int


def build_link_parameters(size: int, window: int) -> bytes:
    """Return the information field of SNRM: one size and one window for both directions."""
    octets = size.to_bytes(2, "big")
    parameters = (
        bytes((MAX_INFORMATION_TRANSMIT, 2)) + octets + bytes((MAX_INFORMATION_RECEIVE, 2)) + octets
        + bytes((WINDOW_TRANSMIT, 4, 0, 0, 0, window, WINDOW_RECEIVE, 4, 0, 0, 0, window))
    )  # fmt: skip
    return bytes((PARAMETER_FORMAT, PARAMETER_GROUP, len(parameters))) + parameters


def parse_link_parameters(information: bytes) -> LinkParameters:
    """Return the parameters in the information field of a UA, as the meter says them.

    Sizes are at most 2030, windows 1 to 7. Raises :class:`IllegalResponse` if the meter takes less than 8
    octets.
    """
    values: dict[int, int] = {}
    if len(information) >= 3 and information[0] == PARAMETER_FORMAT and information[1] == PARAMETER_GROUP:
        position, end = 3, min(3 + information[2], len(information))
        while position + 2 <= end:
            parameter, length = information[position], information[position + 1]
            value = information[position + 2 : position + 2 + length]
            position += 2 + length
            if len(value) == length:
                values[parameter] = int.from_bytes(value, "big")
    names = (MAX_INFORMATION_TRANSMIT, MAX_INFORMATION_RECEIVE)
    sizes = [values.get(name, DEFAULT_INFORMATION_SIZE) for name in names]
    if sizes[1] < SMALLEST_INFORMATION_SIZE:
        raise IllegalResponse(f"the meter takes {sizes[1]} octets per HDLC frame")
    windows = [values.get(name, DEFAULT_WINDOW) for name in (WINDOW_TRANSMIT, WINDOW_RECEIVE)]
    return LinkParameters(
        *(min(size, MAX_INFORMATION_SIZE) for size in sizes),
        *(min(max(window, 1), MAX_WINDOW) for window in windows),
    )
