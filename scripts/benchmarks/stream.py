"""The live stream: what an idle listener costs, and how late many listeners hear of events."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from osgp.accounts.models import ApiToken, Organisation
from osgp.events.models import Event, EventKind
from scripts.benchmarks.head_end import HeadEnd, Part
from scripts.benchmarks.measuring import Figure, find_percentile
from scripts.benchmarks.sizes import Sizes

SECONDS = 10
"""How long events are stored at each rate."""
RATES = (1, 10, 50)
"""Events per second, of one organisation whose listeners get all of them."""
PATIENCE = 120.0
"""Seconds."""
EVENT_DATA = {
    "device_identification": "SIME0000000000001",
    "message": "ActualMeterReads",
    "status": "SUCCEEDED",
}


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """One process; listeners that wait, then the same ones while events come."""
    organisation = Organisation.objects.create(identification=f"STREAM{uuid.uuid4().hex[:8]}", name="Stream")
    _, token = ApiToken.issue(organisation, "bench")
    with head_end.stream(sizes.listeners) as (part, port), ExitStack() as stack:
        for caller in _call(stack, port, token, 1):  # what only the first one costs
            _read_until(caller, b"\nid: ")
        before = part.read_memory()
        listening = _Listeners(port, token, sizes.listeners)
        stack.callback(listening.close)
        what = f"{sizes.listeners:,} listeners"
        yield Figure(f"{what}: memory of each", 1024 * (part.read_memory() - before) / sizes.listeners, "KiB")
        yield Figure(f"{what}: threads of the process", part.count_threads(), "", "not one each")
        begun = part.read_cpu_seconds()
        time.sleep(SECONDS)
        idle = (part.read_cpu_seconds() - begun) / SECONDS
        yield Figure(f"{what}: CPU while nothing happens", 100 * idle, "% of a core")
        for rate in RATES:
            yield from _measure_rate(part, listening, organisation, rate, what)


def _measure_rate(
    part: Part, listening: "_Listeners", organisation: Organisation, rate: int, what: str
) -> Iterator[Figure]:
    count = rate * SECONDS
    listening.expect(count)
    cpu, begun = part.read_cpu_seconds(), time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        # Each is committed a moment later: the figures have that moment in them.
        Event.objects.create(
            organisation=organisation,
            kind=EventKind.REQUEST_COMPLETED,
            subject=uuid.uuid4(),
            device_identification=EVENT_DATA["device_identification"],
            data={"correlation_uid": str(uuid.uuid4()), **EVENT_DATA, "sent": time.time()},
        )
    latencies = listening.collect()
    used = part.read_cpu_seconds() - cpu
    prefix = f"{what}, {rate} events/s"
    yield Figure(f"{prefix}: from commit to listener, p50", 1000 * find_percentile(latencies, 0.5), "ms")
    yield Figure(f"{prefix}: from commit to listener, p95", 1000 * find_percentile(latencies, 0.95), "ms")
    yield Figure(f"{prefix}: CPU per event and listener", 1e6 * used / len(latencies), "µs")


class _Listeners:
    """Listeners in a process of their own, which use another core than what is measured."""

    def __init__(self, port: int, token: str, number: int) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(theirs, port, token, number), daemon=True)
        self._process.start()
        theirs.close()
        self._receive()

    def expect(self, count: int) -> None:
        """Have each wait for so many events."""
        self._pipe.send(count)

    def collect(self) -> list[float]:
        """Seconds from each event to each listener."""
        latencies: list[float] = self._receive()
        return latencies

    def _receive(self) -> list[float]:
        if not self._pipe.poll(PATIENCE):
            raise RuntimeError("the listeners did not get everything")
        answer: list[float] = self._pipe.recv()
        return answer

    def close(self) -> None:
        """Hang up."""
        self._process.terminate()
        self._process.join()


def _listen(pipe: Connection, port: int, token: str, number: int) -> None:
    with ExitStack() as stack, DefaultSelector() as selector:
        for caller in _call(stack, port, token, number):
            _read_until(caller, b"\nid: ")
            caller.setblocking(False)
            selector.register(caller, EVENT_READ)
        pipe.send([])
        rests: dict[int, bytes] = {}
        while True:
            expected = number * int(pipe.recv())
            latencies: list[float] = []
            while len(latencies) < expected:
                for key, _ in selector.select():
                    now = time.time()
                    *lines, rest = (rests.get(key.fd, b"") + key.fileobj.recv(65536)).split(b"\n")  # type: ignore[union-attr]
                    rests[key.fd] = rest
                    for line in lines:
                        if line.startswith(b"data: "):
                            latencies.append(now - json.loads(line[6:])["data"]["sent"])
            pipe.send(latencies)


def _call(stack: ExitStack, port: int, token: str, number: int) -> Iterator[socket.socket]:
    head = (
        f"GET /api/v1/events/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    for _ in range(number):
        caller = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        caller.sendall(head)
        yield caller


def _read_until(caller: socket.socket, mark: bytes) -> None:
    text = b""
    while mark not in text:
        octets = caller.recv(4096)
        if not octets or not text.startswith(b"HTTP/1.1 200"[: len(text)]):
            raise RuntimeError(f"a listener was refused: {text[:200]!r}")
        text += octets
