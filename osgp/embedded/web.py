"""The web application in threads of this process, served by waitress."""

import errno
import socket
import threading
from types import TracebackType
from typing import Any, Self

from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application
from waitress import wasyncore
from waitress.server import create_server

from osgp.processes.database import give_back_connection

THREADS = 8
IDLE_SECONDS = 1.0
STOP_SECONDS = 10


class PortInUse(Exception):
    """Somebody else listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} of {host} is in use; choose another one: make run PORT={port + 1}")


class WebThread:
    """Context manager: serves the platform on ``host``:``port`` until it is left. Port 0: any free one.

    Raises PortInUse, or OSError when the address cannot be had for another reason.
    """

    def __init__(self, host: str, port: int) -> None:
        self._listener = _listen(host, port)
        self.host = host
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where the platform is reached, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            get_wsgi_application(), map=self._sockets, sockets=[self._listener], threads=THREADS, ident=""
        )
        # Its threads end with it, and would leave their connections to the database behind.
        request_finished.connect(_on_request_finished)
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._server.pull_trigger()
        self._thread.join(STOP_SECONDS)
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._sockets, ignore_all=True)
        request_finished.disconnect(_on_request_finished)

    def _serve(self) -> None:
        # Waitress' own loop ends only when its sockets are closed under it.
        while not self._stop.is_set():
            wasyncore.loop(timeout=IDLE_SECONDS, map=self._sockets, use_poll=True, count=1)

    def close(self) -> None:
        """Give the port back without having served."""
        self._listener.close()


def _on_request_finished(**_: Any) -> None:
    give_back_connection()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken at once so that a port in use is known before anything else starts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from error
        raise
    return listener
