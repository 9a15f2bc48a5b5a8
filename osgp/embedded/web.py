"""The web application and the stream of events on one port, in threads of this process.

One event loop accepts all connections. It holds the listeners of the stream itself, and hands all other calls
to threads in which Django answers them. So pages and stream have the same origin, as browsers want it.
"""

import asyncio
import errno
import threading
from types import TracebackType
from typing import Any, Self

from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

from osgp.processes.database import give_back_connection
from osgp.stream.application import make_application
from osgp.stream.hub import Hub
from osgp.stream.server import BACKLOG, StreamServer
from osgp.web_server.bridge import WsgiBridge
from osgp.web_server.listening import listen

THREADS = 8
STOP_SECONDS = 10
CONNECTIONS = 500
"""Connections at a time, those of listeners included."""


class PortInUse(Exception):
    """Somebody else listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} of {host} is in use; choose another one: make run PORT={port + 1}")


class WebThread:
    """Context manager: serves the platform on ``host``:``port`` until it is left. Port 0: any free one.

    Raises PortInUse, or OSError when the address cannot be had for another reason.
    """

    def __init__(self, host: str, port: int) -> None:
        # Taken at once, so that a port in use is known before anything else starts.
        try:
            self._listener = listen(host, port, BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port) from error
            raise
        self.host = host
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where the platform is reached, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._hub = Hub()
        self._bridge = WsgiBridge(get_wsgi_application(), THREADS)
        application = make_application(self._hub, self._bridge)
        self._server = StreamServer(application, self._hub, connections=CONNECTIONS)
        # Its threads end with it, and would leave their connections to the database behind.
        request_finished.connect(_on_request_finished)
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(2 * STOP_SECONDS)
        self._bridge.close(STOP_SECONDS)
        self._hub.close()
        request_finished.disconnect(_on_request_finished)

    def _serve(self) -> None:
        asyncio.run(self._server.serve_listener(self._listener))

    def close(self) -> None:
        """Give the port back without having served."""
        self._listener.close()


def _on_request_finished(**_: Any) -> None:
    give_back_connection()
