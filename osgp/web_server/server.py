"""uvicorn's server with the connections of this package."""

import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn

from osgp.web_server.lines import LineProtocol


class LineServer(uvicorn.Server):
    """Runs in the thread that calls ``serve``; whoever does handles signals and sets ``should_exit``.

    ``connections``: how many there may be at a time. ``stop_seconds``: how long answers may take to end when
    the process has to. ``most_calls``: after so many the server ends; 0: never.
    """

    def __init__(
        self, application: Any, *, connections: int, backlog: int, stop_seconds: int, most_calls: int = 0
    ) -> None:
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
                limit_max_requests=most_calls or None,
                backlog=backlog,
                timeout_graceful_shutdown=stop_seconds,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs it."""
        yield
