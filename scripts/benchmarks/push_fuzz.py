"""Malformed pushes, seeded, at a listener: `python -m scripts.benchmarks.push_fuzz --count 1000000`.

Datagrams and streams made of good ones: octets changed, cut, doubled, mixed up, or by chance alone. Some
connections end in good order, some with a reset, and some stay as they are. Afterwards the listener has to
be alive, to take a good push, to have closed all connections, and to use no more memory than before. Prints
what it saw as JSON; exits with 1 if that is not so. Uses the database of the environment.
"""

import argparse
import json
import os
import random
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.benchmarks.measuring import read_memory, running_process
from scripts.benchmarks.push_sender import ADDRESSES, make_alarm
from scripts.private_services import find_free_port

SAMPLES = (
    make_alarm(1, 2),
    b"E0000000000000123,\x00\x00\x00\x04",
    b"E0000000000000123,\x00\x00\x02\x02\x00\xff",
    bytes.fromhex("7EA0210313B414E6E7000F40000000000107020209060101000281FF0A0B41494400007E"),
    bytes.fromhex("680D0D6853FF1101679D45F0FC4060477FFF16"),
    bytes.fromhex("DB084D4D4D0000BC614E21300000000C017568672C02C097C950EB583457530430FC"),
    bytes.fromhex("000100670066002ac2090c07e70706040a362600ff88800001808080808000020910")
    + b"KA6P005039021110",
    bytes.fromhex("00010001006700E0E04000010000103132333435363738"),
    b"/XMX5LGBBFG1009012345\r\n\r\n1-3:0.2.8(50)\r\n!1234\r\n",
)
LONGEST = 3_000
"""Octets of one piece."""
RATE = 4_000.0
"""Pieces a second: below the limit of a source, of which there are many."""
STREAM_SHARE = 0.05
"""Of pieces are streams, of several pieces each."""
LEFT_OPEN = 200
"""Connections that are left as they are, at a time; the oldest is reset by us then."""
GROWTH = 64.0
"""MiB by which the memory may grow: buffers and tables that are full once stay so."""
SETTLE_SECONDS = 120.0


def make_rubbish(chance: random.Random) -> bytes:
    """Return a malformed push; now and then a good one."""
    octets = bytearray(chance.choice(SAMPLES))
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(octets)) if octets else 0
        match chance.randrange(7):
            case 0 if octets:
                octets[place] = chance.randrange(256)
            case 1:
                del octets[place:]
            case 2:
                octets[place:place] = octets[place : place + chance.randint(1, 40)]
            case 3:
                octets += chance.choice(SAMPLES)
            case 4:
                octets[place:place] = chance.randbytes(chance.randint(1, 60))
            case 5:
                del octets[place : place + chance.randint(1, 8)]
            case _:
                octets = bytearray(chance.randbytes(chance.randint(0, 200)))
    return bytes(octets[:LONGEST])


@dataclass
class Seen:
    """What came of it."""

    datagrams: int = 0
    streams: int = 0
    pieces: int = 0
    """Of both."""
    closed: int = 0
    reset: int = 0
    memory_before: float = 0.0
    """MiB, after a tenth of all: by then everything has been used once."""
    memory_after: float = 0.0
    still_open: int = 0
    """Connections of the listener in the end."""


class Fuzzer:
    """Sends rubbish to a listener."""

    def __init__(self, seed: int, tcp_port: int, udp_port: int) -> None:
        self._chance = random.Random(seed)
        self._tcp_port = tcp_port
        self._udp_port = udp_port
        self._open: list[socket.socket] = []
        self._datagrams = []
        for number in range(ADDRESSES):
            sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sending.bind((f"127.0.1.{1 + number}", 0))
            self._datagrams.append(sending)
        self.seen = Seen()

    def send_one(self) -> None:
        """Send a datagram, or a stream."""
        if self._chance.random() < STREAM_SHARE:
            self._send_stream()
            return
        sending = self._chance.choice(self._datagrams)
        sending.sendto(make_rubbish(self._chance), ("127.0.0.1", self._udp_port))
        self.seen.datagrams += 1
        self.seen.pieces += 1

    def _send_stream(self) -> None:
        source = (f"127.0.1.{self._chance.randint(1, ADDRESSES)}", 0)
        call = socket.create_connection(("127.0.0.1", self._tcp_port), 30, source_address=source)
        self.seen.streams += 1
        number = self._chance.randint(1, 8)
        self.seen.pieces += number
        try:
            for _ in range(number):
                call.sendall(make_rubbish(self._chance))
            match self._chance.randrange(3):
                case 0:
                    call.shutdown(socket.SHUT_WR)
                    call.recv(1)
                    self.seen.closed += 1
                    call.close()
                case 1:
                    _hang_up(call)
                case _:
                    self._open.append(call)
        except TimeoutError as error:
            raise RuntimeError("a connection is stuck") from error
        except OSError:
            self.seen.reset += 1
            call.close()
        if len(self._open) > LEFT_OPEN:
            _hang_up(self._open.pop(0))

    def close(self) -> None:
        """Close what is open here."""
        for call in self._open:
            call.close()
        for sending in self._datagrams:
            sending.close()


def _hang_up(call: socket.socket) -> None:
    call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.close()


def count_connections(port: int) -> int:
    """Return how many established TCP connections a local port has."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(1 for field in fields if field[1].endswith(wanted) and field[3] in ("01", "08"))


def fuzz(count: int, seed: int, pid: int, tcp_port: int, udp_port: int) -> Seen:
    """Send ``count`` pieces to the listener in the process ``pid``. Raises RuntimeError if one is stuck."""
    fuzzer = Fuzzer(seed, tcp_port, udp_port)
    seen = fuzzer.seen
    begun = time.monotonic()
    while seen.pieces < count:
        fuzzer.send_one()
        if not seen.memory_before and seen.pieces >= count / 10:
            seen.memory_before = read_memory(pid)
        ahead = seen.pieces / RATE - (time.monotonic() - begun)
        if ahead > 0:
            time.sleep(ahead)
    end = time.monotonic() + SETTLE_SECONDS
    while (still := count_connections(tcp_port)) and time.monotonic() < end:
        time.sleep(0.5)
    seen.still_open = still
    seen.memory_after = read_memory(pid)
    fuzzer.close()
    return seen


def check_good_push(port: int) -> bool:
    """Whether the listener takes a good push."""
    with socket.create_connection(("127.0.0.1", port), 30) as call:
        call.sendall(make_alarm(1, 1))
        call.shutdown(socket.SHUT_WR)
        try:
            return call.recv(1) == b""
        except ConnectionResetError:
            return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a listener, and send it rubbish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="pieces (1000000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    port = find_free_port()
    with tempfile.TemporaryDirectory(prefix="osgp-fuzz-") as name:
        folder = Path(name)
        environment = {
            **os.environ,
            "LOG_LEVEL": "INFO",
            "OSGP_PUSH_SPOOL_DIR": str(folder / "push-spool"),
            "OSGP_PUSH_MESSAGE_SECONDS": "10",
        }
        command = ["manage.py", "listen", "--host", "127.0.0.1"]
        ports = ["--tcp-port", str(port), "--udp-port", str(port)]
        log = folder / "listener.log"
        with running_process(
            *command, *ports, environment=environment, log=log, ready="listening for pushes"
        ) as child:
            seen = fuzz(options.count, options.seed, child.pid, port, port)
            is_good = check_good_push(port) and child.poll() is None
            said = log.read_text()
    print(json.dumps(asdict(seen)))
    grown = seen.memory_after - seen.memory_before
    if not is_good or seen.still_open or grown > GROWTH or "Traceback" in said:
        print(f"takes good pushes: {is_good}, log:\n{said[-3000:]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
