"""A process of gunicorn that serves with this package's server.

gunicorn holds the listening socket, starts as many processes as it is told to, starts another one where one
has died or hangs, and ends them; it has no part in the calls themselves.
"""

import asyncio
import os
import sys
from typing import Any

from gunicorn.workers.base import Worker

from osgp.web_server.bridge import WsgiBridge
from osgp.web_server.listening import allow_descriptors
from osgp.web_server.server import LineServer

SPARE_SECONDS = 5
"""Of gunicorn's graceful_timeout, for what comes after the last answers."""


class BridgeWorker(Worker):
    """Uses gunicorn's settings threads, worker_connections, backlog, max_requests, timeout and
    graceful_timeout.
    """

    def run(self) -> None:
        """Serve until the process has to end."""
        threads = self.cfg.threads
        bridge = WsgiBridge(self.wsgi, threads)
        server = _Server(self, bridge)
        asyncio.run(server.serve([each.sock for each in self.sockets]))
        bridge.close(SPARE_SECONDS / threads)


class _Server(LineServer):
    def __init__(self, worker: BridgeWorker, application: Any) -> None:
        settings = worker.cfg
        super().__init__(
            application,
            connections=allow_descriptors(settings.worker_connections),
            backlog=settings.backlog,
            stop_seconds=max(1, settings.graceful_timeout - SPARE_SECONDS),
            most_calls=0 if worker.max_requests == sys.maxsize else worker.max_requests,
        )
        self._worker = worker

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: tell gunicorn that the process is alive, and see whether it has to end."""
        if counter % 10 == 0:
            self._worker.notify()
        is_over = await super().on_tick(counter)
        if is_over or not self._worker.alive or os.getppid() != self._worker.ppid:
            # Calls that wait look at it (deploy/gunicorn.conf.py), also when the process has had its calls.
            self._worker.alive = False
            return True
        return False
