"""The push listener in a thread of this process."""

import threading
from types import TracebackType
from typing import Self

from osgp.listener.service import PORT, Listener
from osgp.listener.sockets import AddressInUse
from osgp.processes.heartbeats import Heartbeat, ProcessKind

STOP_SECONDS = 30


class ListenerThread:
    """Context manager: takes pushes, TCP and UDP, until it is left.

    The ports are taken when the object is made: ``port``, or any free one if somebody else has it. Raises
    OSError if the address or the spool cannot be had, and spool.SpoolInUse if another process listens with
    the same folder.
    """

    def __init__(self, host: str, port: int = PORT) -> None:
        self.host = host
        self.wanted_port = port
        try:
            self._listener = Listener(host, port, port)
        except AddressInUse:
            self._listener = Listener(host, 0, 0)

    @property
    def tcp_port(self) -> int:
        """Where meters push over TCP."""
        return self._listener.tcp_port or 0

    @property
    def udp_port(self) -> int:
        """Where meters push over UDP."""
        return self._listener.udp_port or 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        # In its own thread: there is no heartbeat when it has ended, whatever for.
        with Heartbeat(ProcessKind.LISTEN, "embedded"):
            self._listener.run()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.stop()
        self._thread.join(STOP_SECONDS)

    def close(self) -> None:
        """Give the ports back without having listened."""
        self._listener.close()
