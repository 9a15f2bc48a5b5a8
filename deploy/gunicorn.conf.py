"""gunicorn's settings: two processes with threads, which take a call once it has arrived as a whole."""

import os
from typing import Any

bind = os.environ.get("OSGP_WEB_BIND", "0.0.0.0:8000")
workers = int(os.environ.get("OSGP_WEB_PROCESSES", "2"))
# Calls that wait (`Prefer: wait`) keep a thread each, and a quarter of the threads may be kept by callers who
# are slow to take a stream: some have to be left.
waiting = int(os.environ.get("OSGP_WAITING_CALLS", "4"))
threads = max(int(os.environ.get("OSGP_WEB_THREADS", "8")), waiting * 3 // 2 + 2)
worker_class = "osgp.web_server.worker.BridgeWorker"
worker_connections = int(os.environ.get("OSGP_WEB_CONNECTIONS", "1000"))
worker_tmp_dir = "/dev/shm"  # noqa: S108 (a heartbeat file in memory, not on a container's disk)
timeout = 60
graceful_timeout = 30
max_requests = 100_000
max_requests_jitter = 10_000
accesslog = None
# Nobody steers it over a socket, and its default place is not writable for an unprivileged user.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Calls that wait are answered when their process is to end, instead of being cut off."""
    from osgp.requests.api import waiting

    waiting.end_when(lambda: not worker.alive)
