"""Serves an ASGI application and the hub of the stream in one event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from osgp.stream.hub import Hub
from osgp.stream.lines import LineProtocol

BACKLOG = 2048
"""Connections that wait to be accepted: after a restart all listeners come at once."""
SPARE_CONNECTIONS = 200
"""Connections beside those of listeners: calls that are refused, health checks."""
STOP_SECONDS = 10
"""How long answers may take to end when the process has to."""


class StreamServer(uvicorn.Server):
    """Runs in the thread that calls ``run``; whoever does handles signals and sets ``should_exit``."""

    def __init__(self, application: Any, hub: Hub, *, connections: int) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=LineProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                # Nothing is derived from who calls, and a proxy's word is not needed.
                proxy_headers=False,
                server_header=False,
                limit_concurrency=connections,
                backlog=BACKLOG,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._hub = hub

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs it."""
        yield

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
