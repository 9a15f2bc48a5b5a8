"""Serves an ASGI application and the hub of the stream in one event loop."""

import asyncio
import contextlib
import socket
from typing import Any

from osgp.stream.hub import Hub
from osgp.web_server.server import LineServer

BACKLOG = 2048
"""Connections that wait to be accepted: after a restart all listeners come at once."""
SPARE_CONNECTIONS = 200
"""Connections beside those of listeners: calls that are refused, health checks."""
STOP_SECONDS = 10
"""How long answers may take to end when the process has to."""


class StreamServer(LineServer):
    """The server of the stream, beside its hub."""

    def __init__(self, application: Any, hub: Hub, *, connections: int) -> None:
        super().__init__(application, connections=connections, backlog=BACKLOG, stop_seconds=STOP_SECONDS)
        self._hub = hub

    async def serve_listener(self, listening: socket.socket) -> None:
        """Serve until ``should_exit``. Raises what makes the hub fail: nobody would get events any more."""
        hub = asyncio.create_task(self._hub.run())
        hub.add_done_callback(lambda _: setattr(self, "should_exit", True))
        try:
            await self.serve(sockets=[listening])
        finally:
            hub.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in good order: listeners are sent away first, as uvicorn waits for all answers to end."""
        self._hub.say_farewell()
        await super().shutdown(sockets)
