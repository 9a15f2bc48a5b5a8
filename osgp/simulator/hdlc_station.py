"""The meter as the secondary station of one HDLC connection: numbers, windows, repetition (ISO/IEC 13239,
unbalanced normal response mode). No I/O."""

from collections import deque
from typing import NamedTuple

from .codec.errors import RemoteProtocolError
from .codec.hdlc import (
    Frame,
    LinkParameters,
    encode_frame,
    information_control,
    receive_not_ready_control,
    receive_ready_control,
)

MAXIMUM_APDU = 65_536


class _Sent(NamedTuple):
    """An I frame that the client has not acknowledged."""

    number: int
    octets: bytes
    more: bool


class Station:
    """One connection between a client and a server address, as they stand in its frames.

    It gives lists of encoded frames, of which the last has the final bit.
    """

    __slots__ = (
        "_not_ready",
        "_received",
        "_unacknowledged",
        "_waiting",
        "client",
        "parameters",
        "receive_number",
        "send_number",
        "server",
    )

    def __init__(self, client: bytes, server: bytes, parameters: LinkParameters) -> None:
        self.client = client
        self.server = server
        self.parameters = parameters
        self.send_number = 0
        self.receive_number = 0
        self._received = bytearray()
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._unacknowledged: deque[_Sent] = deque()
        self._not_ready = 0

    def take_information(self, frame: Frame) -> bytes | None:
        """Take an I frame that has the next number; what the segments make once the last is here.

        The client that asks anew has what it wants of the answer before.
        """
        self.acknowledge(frame.receive_number)
        self.receive_number = (self.receive_number + 1) % 8
        self._received += frame.information
        if len(self._received) > MAXIMUM_APDU:
            raise RemoteProtocolError("a segmented APDU is too long")
        if frame.segmented:
            return None
        if self._unacknowledged:
            self.send_number = self._unacknowledged[0].number
        self._unacknowledged.clear()
        self._waiting.clear()
        octets = bytes(self._received)
        self._received.clear()
        return octets

    def acknowledge(self, number: int) -> None:
        """The client has all I frames before ``number``; one that makes no sense says nothing."""
        sent = self._unacknowledged
        if sent:
            for _ in range(count if (count := (number - sent[0].number) % 8) <= len(sent) else 0):
                sent.popleft()

    def send(self, octets: bytes, not_ready: int) -> list[bytes]:
        """The first frames of an answer; so many polls are told that the meter is not ready, if any."""
        size = self.parameters.transmit
        starts = range(0, len(octets), size)
        self._waiting = deque((octets[start : start + size], start + size < len(octets)) for start in starts)
        self._not_ready = not_ready
        return self.answer_poll()

    def answer_poll(self) -> list[bytes]:
        """What the meter sends when the client lets it: what is not acknowledged, the next frames, or RR."""
        if self._not_ready:
            self._not_ready -= 1
            return [self.receive_not_ready()]
        if not self._unacknowledged:
            while self._waiting and len(self._unacknowledged) < self.parameters.transmit_window:
                self._unacknowledged.append(_Sent(self.send_number, *self._waiting.popleft()))
                self.send_number = (self.send_number + 1) % 8
        if not self._unacknowledged:
            return [self.receive_ready()]
        last = self._unacknowledged[-1].number
        return [
            self._encode(information_control(number, self.receive_number, final=number == last), octets, more)
            for number, octets, more in self._unacknowledged
        ]

    def receive_ready(self) -> bytes:
        """RR."""
        return self._encode(receive_ready_control(self.receive_number))

    def receive_not_ready(self) -> bytes:
        """RNR."""
        return self._encode(receive_not_ready_control(self.receive_number))

    def _encode(self, control: int, octets: bytes = b"", more: bool = False) -> bytes:
        return encode_frame(Frame(self.client, self.server, control, octets, more))
