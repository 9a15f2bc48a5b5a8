"""Meters behind HDLC that say what a script tells them, frame by frame."""

import socket
from collections.abc import Callable, Sequence

from osgp.protocol_dlms.transport.hdlc_reader import Pace
from tests.protocol_dlms.hdlc_peers import LLC, UA, crc, frame
from tests.protocol_dlms.peers import aare, initiate_response, receive

QUICK = Pace(shortest=0.6, longest=0.6, quiet=0.15, first_pause=0.02, longest_pause=0.05)
"""For links whose peers answer at once or not at all."""

AARE = LLC + aare(initiate_response())
ANSWER = LLC + bytes.fromhex("c401c1001105")
PROPER = frame(0x52, ANSWER)
"""The answer to the first request: N(S) 1, N(R) 2."""

Reply = bytes | Callable[[bytes], bytes]
Step = tuple[int | Sequence[int], Reply]
"""The control fields of the frames that are due from the client, and what comes then, perhaps made of the
last of them."""


def receive_octets(connection: socket.socket) -> bytes:
    """A whole frame of the client, flags and all."""
    head = receive(connection, 3)
    assert head[:1] == b"\x7e"
    assert head[1] & 0xF0 == 0xA0
    octets = head + receive(connection, ((head[1] & 7) << 8 | head[2]) - 1)
    assert octets[-1:] == b"\x7e"
    assert crc(octets[1:-3]) == octets[-3:-1]
    return octets


def get_control(octets: bytes) -> int:
    """The control field of a frame, after the one address that is longer than an octet, or none."""
    position = 3
    for _ in range(2):
        while not octets[position] & 1:
            position += 1
        position += 1
    return octets[position]


class Scripted:
    """Grants the data link with ``parameters``, associates, and goes through ``steps``; then hangs up.

    ``heard`` is what the client sent in the steps.
    """

    def __init__(self, steps: Sequence[Step], parameters: bytes = b"") -> None:
        opening: list[Step] = [(0x93, frame(UA, parameters)), (0x10, frame(0x30, AARE))]
        self.steps = [*opening, *steps]
        self.heard: list[bytes] = []
        self.finished = False

    def __call__(self, connection: socket.socket) -> None:
        for due, reply in self.steps:
            octets = b""
            for control in [due] if isinstance(due, int) else due:
                octets = receive_octets(connection)
                self.heard.append(octets)
                assert f"{get_control(octets):02x}" == f"{control:02x}"
            connection.sendall(reply if isinstance(reply, bytes) else reply(octets))
        self.finished = True
