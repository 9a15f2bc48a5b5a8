"""A simulator in a thread of its own, for tests and for programs that are not written with asyncio."""

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from .fleet import Fleet
from .meter.meter import Meter
from .push.delivery import Deadlines
from .scenario import Scenario
from .server import SimulatorServer


class SimulatorThread:
    """Runs a :class:`SimulatorServer` in a daemon thread; a context manager.

    Meters, their faults and their statistics may be looked at and changed from other threads while it runs.
    """

    def __init__(
        self,
        fleet: Fleet,
        host: str = "127.0.0.1",
        port: int = 0,
        http_port: int | None = None,
        scenario: Scenario | None = None,
        push_deadlines: Deadlines | None = None,
    ) -> None:
        self.fleet = fleet
        self.server = SimulatorServer(
            fleet, host, port, http_port, scenario=scenario, push_deadlines=push_deadlines
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    @property
    def meters(self) -> Mapping[str, Meter]:
        """The meters by identification."""
        return self.fleet.meters

    @property
    def host(self) -> str:
        """The address on which the simulator listens."""
        return self.server.host

    @property
    def port(self) -> int:
        """The first port on which the simulator listens."""
        return self.fleet.ports[0]

    @property
    def http_port(self) -> int | None:
        """The port of the HTTP interface, when there is one."""
        return self.server.http_port

    def start(self) -> None:
        """Listen; returns when the ports are open, raises what kept them from it."""
        if self._thread is not None:
            raise RuntimeError("the simulator runs already")
        self._ready.clear()
        self._error = None
        self._thread = threading.Thread(target=self._run, name="meter-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join()
            self._thread = None
            raise self._error

    def stop(self) -> None:
        """Hang up and listen no more; returns when the thread has ended."""
        if self._thread is None:
            return
        assert self._loop is not None
        assert self._stopping is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 -- raised in the thread that waits for the start
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await self.server.start()
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            await self.server.stop()
