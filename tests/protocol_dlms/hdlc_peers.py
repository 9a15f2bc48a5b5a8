"""Meters behind HDLC, with framing of their own."""

import binascii
import socket
from collections.abc import Callable

from tests.protocol_dlms.peers import RLRE, RLRQ, aare, initiate_response, receive

CLIENT, SERVER = b"\x03", b"\x03"
SNRM, UA, DISC, DM, RR = 0x93, 0x73, 0x53, 0x1F, 0x11
LLC = b"\xe6\xe7\x00"


def crc(octets: bytes) -> bytes:
    """CRC-16/X-25 by way of the plain CCITT one, mirrored."""
    mirrored = bytes(int(f"{octet:08b}"[::-1], 2) for octet in octets)
    return int(f"{binascii.crc_hqx(mirrored, 0xFFFF) ^ 0xFFFF:016b}"[::-1], 2).to_bytes(2, "little")


def frame(
    control: int,
    information: bytes = b"",
    *,
    segmented: bool = False,
    client: bytes = CLIENT,
    server: bytes = SERVER,
) -> bytes:
    """A frame from the server to the client."""
    length = 2 + len(client) + len(server) + 1 + 2 + (len(information) + 2 if information else 0)
    head = (
        (0xA000 | (0x0800 if segmented else 0) | length).to_bytes(2, "big")
        + client
        + server
        + bytes((control,))
    )
    head += crc(head)
    return b"\x7e" + head + (information + crc(head + information) if information else b"") + b"\x7e"


def receive_frame(connection: socket.socket) -> tuple[int, bool, bytes]:
    """Control field, segmentation bit and information of a frame from the client."""
    assert receive(connection, 1) == b"\x7e"
    head = receive(connection, 2)
    assert head[0] & 0xF0 == 0xA0
    length = (head[0] & 7) << 8 | head[1]
    body = head + receive(connection, length - 2)
    assert receive(connection, 1) == b"\x7e"
    assert body[2:4] == SERVER + CLIENT
    assert crc(body[:-2]) == body[-2:]
    if length == 7:
        return body[4], bool(head[0] & 8), b""
    assert crc(body[:5]) == body[5:7]
    return body[4], bool(head[0] & 8), body[7:-2]


class HdlcMeter:
    """Answers what ``answer`` makes of each plain request, in segments of ``segment`` octets.

    ``parameters`` is the information of its UA; ``window`` is how many segments it sends before it waits.
    """

    def __init__(
        self,
        answer: Callable[[bytes], bytes],
        *,
        parameters: bytes = b"",
        segment: int = 128,
        window: int = 1,
        tamper: Callable[[int, bytes], bytes] = lambda _, octets: octets,
    ) -> None:
        self.answer = answer
        self.parameters = parameters
        self.segment = segment
        self.window = window
        self.tamper = tamper
        self.longest_information = 0
        self.snrm = b""
        self.said_goodbye = False
        self._frames = 0

    def __call__(self, connection: socket.socket) -> None:
        control, _, self.snrm = receive_frame(connection)
        assert control == SNRM
        self._send(connection, frame(UA, self.parameters))
        self._sent = self._received = 0
        while True:
            apdu = self._receive_apdu(connection)
            if apdu is None:
                self._send(connection, frame(UA))
                self.said_goodbye = True
                return
            if apdu[0] == 0x60:
                response = aare(initiate_response())
            else:
                response = RLRE if apdu[0] == RLRQ else self.answer(apdu)
            self._send_apdu(connection, response)

    def _send(self, connection: socket.socket, octets: bytes) -> None:
        connection.sendall(self.tamper(self._frames, octets))
        self._frames += 1

    def _receive_apdu(self, connection: socket.socket) -> bytes | None:
        octets = b""
        while True:
            control, segmented, information = receive_frame(connection)
            if control == DISC:
                return None
            assert control & 1 == 0
            assert (control >> 1) & 7 == self._received
            assert control >> 5 == self._sent
            assert control & 0x10
            self._received = (self._received + 1) & 7
            self.longest_information = max(self.longest_information, len(information))
            octets += information
            if not segmented:
                assert octets[:3] == b"\xe6\xe6\x00"
                return octets[3:]
            self._send(connection, frame(RR | self._received << 5))

    def _send_apdu(self, connection: socket.socket, apdu: bytes) -> None:
        rest, unacknowledged = LLC + apdu, 0
        while True:
            information, rest = rest[: self.segment], rest[self.segment :]
            unacknowledged += 1
            final = not rest or unacknowledged == self.window
            control = self._received << 5 | (0x10 if final else 0) | self._sent << 1
            self._sent = (self._sent + 1) & 7
            self._send(connection, frame(control, information, segmented=bool(rest)))
            if not rest:
                return
            if final:
                control, _, _ = receive_frame(connection)
                assert control == RR | self._sent << 5
                unacknowledged = 0
