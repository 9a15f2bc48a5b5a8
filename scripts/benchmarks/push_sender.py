"""Simulated meters that push many alarms a second, over raw sockets.

A process of its own (`python -m scripts.benchmarks.push_sender --help`), so that its CPU is not the
listener's. Each alarm has a number of its own in its two alarm registers. Prints a JSON object; the numbers
of pushes whose connection was closed in good order go to a file, one a line.
"""

import argparse
import errno
import json
import select
import socket
import struct
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

TRIGGER = bytes.fromhex("09060001190900FF")
ADDRESSES = 100
"""Source addresses, 127.0.1.1 and so on: each has only so many ports in a minute."""
PATIENCE = 30.0
"""Seconds that the last pushes may take to be acknowledged."""
TICK = 0.002
SO_BIND_ADDRESS_NO_PORT = 24


def make_alarm(sender: int, number: int) -> bytes:
    """Return an SMR 5 alarm with both registers; together they are the number."""
    identification = f"E{sender:016}".encode()
    registers = struct.pack(">BIBI", 6, number >> 16, 6, number & 0xFFFF)
    apdu = bytes.fromhex("0F00000F01000204") + b"\x09\x11" + identification + TRIGGER + registers
    return struct.pack(">HHHH", 1, 103, 102, len(apdu)) + apdu


def read_number(octets: bytes) -> int:
    """Return the number of an alarm."""
    _, high, _, low = struct.unpack(">BIBI", octets[-10:])
    return int(high << 16 | low)


@dataclass
class Outcome:
    """What became of what was sent."""

    sent: int = 0
    acknowledged: int = 0
    reset: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    """Until the last one was sent."""
    waits: list[float] = field(default_factory=list)
    """Seconds until the acknowledgement: the median, that of 99 %, the longest."""


class Calls:
    """TCP connections, each for one alarm."""

    def __init__(self, port: int, senders: int) -> None:
        self._port = port
        self._senders = senders
        self._epoll = select.epoll()
        self._open: dict[int, tuple[socket.socket, int, float, bytes]] = {}
        self.outcome = Outcome()
        self.numbers: list[int] = []
        self._waits: list[float] = []

    def send(self, number: int) -> None:
        """Dial, and push an alarm."""
        alarm = make_alarm(number % self._senders, number)
        call = socket.socket()
        call.setblocking(False)
        call.setsockopt(socket.IPPROTO_IP, SO_BIND_ADDRESS_NO_PORT, 1)
        call.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
        begun = time.monotonic()
        problem = call.connect_ex(("127.0.0.1", self._port))
        self.outcome.sent += 1
        if problem not in (0, errno.EINPROGRESS):
            self.outcome.reset += 1
            call.close()
            return
        self._open[call.fileno()] = (call, number, begun, alarm)
        self._epoll.register(call, select.EPOLLOUT)

    def attend(self, timeout: float) -> None:
        """Go on with the calls that are open."""
        for descriptor, event in self._epoll.poll(timeout):
            call, number, begun, alarm = self._open[descriptor]
            try:
                if event & (select.EPOLLERR | select.EPOLLHUP) and not event & select.EPOLLIN:
                    raise ConnectionResetError
                if event & select.EPOLLOUT:
                    call.send(alarm)
                    call.shutdown(socket.SHUT_WR)
                    self._epoll.modify(call, select.EPOLLIN)
                    continue
                call.recv(1)
                self.outcome.acknowledged += 1
                self.numbers.append(number)
                self._waits.append(time.monotonic() - begun)
            except OSError:
                self.outcome.reset += 1
            del self._open[descriptor]
            call.close()

    def finish(self) -> None:
        """Wait for what is still open."""
        end = time.monotonic() + PATIENCE
        while self._open and time.monotonic() < end:
            self.attend(0.1)
        self.outcome.unanswered = len(self._open)
        ordered = sorted(self._waits) or [0.0]
        places = (len(ordered) // 2, len(ordered) * 99 // 100, len(ordered) - 1)
        self.outcome.waits = [ordered[place] for place in places]


class Datagrams:
    """UDP, of which nobody hears anything."""

    def __init__(self, port: int, senders: int) -> None:
        self._to = ("127.0.0.1", port)
        self._senders = senders
        self._sockets = []
        for number in range(ADDRESSES):
            sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sending.bind((f"127.0.1.{1 + number}", 0))
            self._sockets.append(sending)
        self.outcome = Outcome()
        self.numbers: list[int] = []

    def send(self, number: int) -> None:
        """Push an alarm."""
        alarm = make_alarm(number % self._senders, number)
        self._sockets[number % ADDRESSES].sendto(alarm, self._to)
        self.outcome.sent += 1

    def attend(self, timeout: float) -> None:
        """Wait a moment."""
        time.sleep(timeout)

    def finish(self) -> None:
        """Nothing: nobody answers."""


def send_steadily(to: Calls | Datagrams, rate: float, count: int, first: int) -> None:
    """Send ``count`` alarms, ``rate`` a second; never more at once than are due."""
    begun = time.monotonic()
    sent = 0
    while sent < count:
        due = min(count, int((time.monotonic() - begun) * rate) + 1)
        for number in range(first + sent, first + due):
            to.send(number)
        sent = due
        to.attend(TICK)
    to.outcome.seconds = time.monotonic() - begun
    to.finish()


def main() -> None:
    """Send, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("transport", choices=["tcp", "udp"])
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, required=True, help="alarms per second")
    parser.add_argument("--count", type=int, required=True, help="alarms in all")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--senders", type=int, default=10_000)
    parser.add_argument("--numbers", type=Path, help="file for the numbers of acknowledged ones")
    options = parser.parse_args()
    to = (Calls if options.transport == "tcp" else Datagrams)(options.port, options.senders)
    send_steadily(to, options.rate, options.count, options.first)
    if options.numbers:
        options.numbers.write_text("".join(f"{number}\n" for number in to.numbers))
    print(json.dumps(asdict(to.outcome)))


if __name__ == "__main__":
    main()
