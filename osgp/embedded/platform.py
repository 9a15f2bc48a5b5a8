"""All of the platform's parts as threads of this process, started and stopped in order."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from osgp.devices import never_dialled
from osgp.embedded.dispatching import DispatcherThread
from osgp.embedded.listening import ListenerThread
from osgp.embedded.web import WebThread
from osgp.embedded.worker import ALL_QUEUES, VISIT_THREADS, WorkerThread, count_threads
from osgp.listener.service import PORT
from osgp.processes.heartbeats import Heartbeat, ProcessKind
from osgp.requests.slots import make_details
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import restores

LOOPBACK = "127.0.0.1"


class EmbeddedPlatform:
    """Context manager: web application, dispatcher, worker, push listener and simulated meters.

    Ports are taken when the object is made (embedded.web.PortInUse; listener.spool.SpoolInUse if another
    listener keeps pushes in the same folder); the database must be ready before the block is entered. Parts
    stop in the reverse order, so that what was begun can be finished. ``make_fleet`` gets the address of the
    listener, to which the simulated meters may push.
    """

    def __init__(
        self,
        make_fleet: Callable[[str], Fleet],
        *,
        host: str = LOOPBACK,
        port: int = 0,
        simulator_port: int = 0,
        push_port: int = PORT,
    ) -> None:
        self._stack = ExitStack()
        self.web = WebThread(host, port)
        self._stack.callback(self.web.close)
        try:
            self.listener = ListenerThread(host, push_port)
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(self.listener.close)
        for own in (self.web.port, self.listener.tcp_port):
            never_dialled.add_local_port(own)
            self._stack.callback(never_dialled.remove_local_port, own)
        self.fleet = make_fleet(f"{LOOPBACK}:{self.listener.tcp_port}")
        self.simulator = SimulatorThread(self.fleet, host=LOOPBACK, port=simulator_port)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.simulator)
            stack.enter_context(restores.watching())
            worker = stack.enter_context(WorkerThread(concurrency=count_threads(), queues=ALL_QUEUES))
            details = make_details(VISIT_THREADS)
            stack.enter_context(Heartbeat(ProcessKind.WORKER, worker.name, details, worker.queues))
            stack.enter_context(DispatcherThread())
            stack.enter_context(self.listener)
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
