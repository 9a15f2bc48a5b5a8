"""All of the platform's parts as threads of this process, started and stopped in order."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from osgp.embedded.dispatching import DispatcherThread
from osgp.embedded.web import WebThread
from osgp.embedded.worker import WorkerThread
from osgp.processes.heartbeats import Heartbeat, ProcessKind
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import restores

LOOPBACK = "127.0.0.1"


class EmbeddedPlatform:
    """Context manager: web application, dispatcher, worker and simulated meters.

    The web port is taken when the object is made (embedded.web.PortInUse); the database must be ready before
    the block is entered. Parts stop in the reverse order, so that what was begun can be finished.
    """

    def __init__(self, fleet: Fleet, *, host: str = LOOPBACK, port: int = 0, simulator_port: int = 0) -> None:
        self._stack = ExitStack()
        self.web = WebThread(host, port)
        self._stack.callback(self.web.close)
        self.simulator = SimulatorThread(fleet, host=LOOPBACK, port=simulator_port)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.simulator)
            stack.enter_context(restores.watching())
            worker = stack.enter_context(WorkerThread())
            stack.enter_context(Heartbeat(ProcessKind.WORKER, worker.name, queues=worker.queues))
            stack.enter_context(DispatcherThread())
            stack.enter_context(self.web)
            self._stack.push(stack.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs and give the port back."""
        self._stack.close()

    @property
    def api_url(self) -> str:
        """Root of the REST API."""
        return f"{self.web.url}/api/v1"
