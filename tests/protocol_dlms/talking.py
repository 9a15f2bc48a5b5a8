"""Meters that say more than they are asked for."""

import itertools
import socket
from collections.abc import Callable, Iterator
from typing import Any

from tests.protocol_dlms.peers import Answer, WrapperMeter, wrapped

DATA_NOTIFICATION = bytes.fromhex("0f00000001 00 0203 0601020304 1105 09021234")
EVENT_NOTIFICATION = bytes.fromhex("c200 0001 0000600715ff 02 120107")
GLO_EVENT_NOTIFICATION = bytes.fromhex("ca14 30 00000001") + bytes(15)
GENERAL_GLO = bytes.fromhex("db 08 4d4d4d0000bc614e 14 30 00000001") + bytes(15)
GENERAL_CIPHERING = bytes.fromhex("dd 00 08 4d4d4d0000bc614e 00 00 00 14 30 00000001") + bytes(15)
BLOCK = bytes.fromhex("e0 80 0001 0000 04 0f000000")
UNSOLICITED = (
    DATA_NOTIFICATION,
    EVENT_NOTIFICATION,
    GLO_EVENT_NOTIFICATION,
    GENERAL_GLO,
    GENERAL_CIPHERING,
    BLOCK,
)

Change = Callable[[int, bytes], bytes]
"""From the number of an answer (that of the AARE is 0) and its frame to the octets that are sent."""


class Changed:
    """A connection to which something else is written than its user writes."""

    def __init__(self, connection: socket.socket, change: Change) -> None:
        self._connection = connection
        self._change = change
        self._numbers = itertools.count()

    def sendall(self, octets: bytes) -> None:
        self._connection.sendall(self._change(next(self._numbers), octets))

    def recv(self, size: int) -> bytes:
        return self._connection.recv(size)


def changing(meter: WrapperMeter, change: Change) -> Callable[[socket.socket], None]:
    """The meter with other octets instead of its frames."""

    def talk(connection: socket.socket) -> None:
        meter(Changed(connection, change))  # type: ignore[arg-type]

    return talk


class Late(WrapperMeter):
    """Sends, before the answer to each request but the first, one more answer: ``make_late`` of the request.

    It is protected as the others, with a counter of its own.
    """

    def __init__(self, answer: Answer, make_late: Callable[[bytes], bytes], **settings: Any) -> None:
        super().__init__(answer, **settings)
        self._make_late = make_late
        self._before = b""

    def _protect(self, plain: bytes, counters: Iterator[int]) -> bytes:
        asked = len(self.requests) - (1 if self.hls else 0)
        if asked > 1:
            late = self._make_late(self.requests[-1])
            self._before = wrapped(super()._protect(late, counters))
        return super()._protect(plain, counters)

    def __call__(self, connection: socket.socket) -> None:
        def add(_: int, frame: bytes) -> bytes:
            before, self._before = self._before, b""
            return before + frame

        super().__call__(Changed(connection, add))  # type: ignore[arg-type]


def counting() -> Answer:
    """Answers each GET with the number of the request, from 1."""
    numbers = itertools.count(1)

    def answer(request: bytes) -> bytes:
        assert request[:2] == b"\xc0\x01"
        return b"\xc4\x01" + request[2:3] + b"\x00\x12" + next(numbers).to_bytes(2, "big")

    return answer


def blocks(*contents: bytes) -> Answer:
    """Answers each GET in blocks of these raw data."""

    def answer(request: bytes) -> bytes:
        assert request[0] == 0xC0
        number = 1 if request[1] == 1 else int.from_bytes(request[3:7], "big") + 1
        raw = contents[number - 1]
        last = number == len(contents)
        head = b"\xc4\x02" + request[2:3] + bytes((last,)) + number.to_bytes(4, "big")
        return head + b"\x00" + bytes((len(raw),)) + raw

    return answer
