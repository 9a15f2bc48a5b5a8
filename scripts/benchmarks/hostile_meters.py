"""Hostile meters of all kinds on ports of this machine: ``python -m scripts.benchmarks.hostile_meters``.

Each kind has a port of its own. Identifications of meters begin with the kind, such as ``SLOWBLOCKS140001``.
They are for this platform alone, and listen on 127.0.0.1 only.
"""

import argparse
import asyncio
import json
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from osgp.simulator.fleet import Fleet
from osgp.simulator.settings import FleetSettings
from scripts.benchmarks.hostile_kinds import KINDS
from scripts.benchmarks.hostile_line import Kind, Line, Measure

HOST = "127.0.0.1"
_LARGEST_APDU = 65_535
_FILLERS = 4
"""Connections that fill the queue of a port that accepts none."""


def find_prefix(kind: type[Kind]) -> str:
    """With what the identifications of its meters begin, before a number."""
    return kind.find_name().replace("-", "").upper()


def find_kind(identification: str) -> str | None:
    """The name of the kind of a meter; None for all other meters."""
    return _NAMES.get(identification.rstrip("0123456789"))


_NAMES = {find_prefix(kind): kind.find_name() for kind in KINDS}


class HostilePort:
    """The meters of one kind, on one port."""

    def __init__(self, kind: type[Kind], count: int, measure: Measure) -> None:
        self._kind = kind(measure)
        self.fleet = Fleet.build(
            count,
            # System titles are made of the number: each meter has another one.
            start=f"{find_prefix(kind)}{KINDS.index(kind) + 1:02d}0001",
            framing=kind.framing,
            settings=FleetSettings(maximum_pdu_size=_LARGEST_APDU),
        )
        for meter in self.fleet.meters.values():
            for fault in kind.faults:
                meter.faults.switch_on(fault)
        self._server: asyncio.Server | None = None
        self._sockets: list[socket.socket] = []
        self._lines: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on any free port."""
        if self._kind.accepts:
            self._server = await asyncio.start_server(self._serve, HOST, 0, backlog=1_024)
            listening = self._server.sockets[0].getsockname()
        else:
            listening = self._fill_backlog()
        self.fleet.host, self.fleet.ports = HOST, (listening[1],)

    async def stop(self) -> None:
        """Hang up and listen no more."""
        for open_socket in self._sockets:
            open_socket.close()
        if self._server is not None:
            self._server.close()
        for line in tuple(self._lines):
            line.cancel()
            with suppress(asyncio.CancelledError):
                await line

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        try:
            await Line(self._kind, self.fleet, reader, writer).serve()
        finally:
            self._lines.discard(task)

    def _fill_backlog(self) -> Any:
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen(0)
        self._sockets.append(listener)
        for _ in range(_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            self._sockets.append(filler)
        return listener.getsockname()


class HostileMeters:
    """So many hostile meters, as evenly of all kinds as can be. Use within one running event loop."""

    def __init__(
        self, count: int, measure: Measure | None = None, kinds: Sequence[type[Kind]] = KINDS
    ) -> None:
        measure = measure or Measure()
        self._ports = [
            HostilePort(kind, number, measure)
            for place, kind in enumerate(kinds)
            if (number := count // len(kinds) + (place < count % len(kinds)))
        ]

    async def start(self) -> None:
        """Listen."""
        for port in self._ports:
            await port.start()

    async def stop(self) -> None:
        """Hang up and listen no more."""
        for port in self._ports:
            await port.stop()

    def describe(self) -> list[dict[str, dict[str, Any]]]:
        """For each meter the fields with which it is added to a head-end, and its keys (hexadecimal)."""
        return [described for port in self._ports for described in port.fleet.describe()]


@contextmanager
def running(meters: HostileMeters) -> Iterator[list[dict[str, dict[str, Any]]]]:
    """Have hostile meters in a thread of this process; yields their descriptions."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="hostile-meters", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(meters.start(), loop).result()
        yield meters.describe()
    finally:
        asyncio.run_coroutine_threadsafe(meters.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _run(count: int, described: Path) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    meters = HostileMeters(count)
    await meters.start()
    described.write_text(json.dumps(meters.describe()))
    print(f"{count} hostile meters listen", flush=True)
    await stopping.wait()
    await meters.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("described", type=Path, help="file for what the platform has to know of them")
    options = parser.parse_args()
    asyncio.run(_run(options.count, options.described))
