"""A head-end for the benchmarks: a database and a virtual host of its own, the platform's processes as
production runs them, and simulated meters.
"""

import json
import os
import re
import secrets
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from osgp.commands.management.commands.worker import DEFAULT_QUEUES, make_celery_command
from scripts import services
from scripts.benchmarks.measuring import (
    count_threads,
    read_cpu_seconds,
    read_memory,
    read_peak_memory,
    run_and_read,
    running_process,
)

ORGANISATION = "BENCH"
SIMULATED_METERS = "127.0.0.0/8"
"""Where the simulator is; meters are not dialled on the machine of the platform unless that is set."""


@contextmanager
def own_services(found: services.Services, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a platform with a database and a virtual host that nobody else uses."""
    name = f"osgp_bench_{secrets.token_hex(4)}"
    with ExitStack() as stack:
        services.create_database(found.database_url, name)
        stack.callback(services.drop_databases, found.database_url, name)
        broker_url = found.broker.url
        if services.make_virtual_hosts(found.broker, [name]):
            stack.callback(services.drop_virtual_hosts, found.broker, [name])
            broker_url = services.replace_path(broker_url, name)
        environment = {
            "DATABASE_URL": services.replace_path(found.database_url, name),
            "BROKER_URL": broker_url,
            "OSGP_LOCAL_SECRETS": "1",
            "OSGP_VAR_DIR": str(folder),
            "LOG_LEVEL": "WARNING",
            "OSGP_METER_NETWORKS": SIMULATED_METERS,
        }
        run_and_read(["manage.py", "migrate", "--noinput"], environment)
        yield environment


class Part:
    """One process of the head-end, or the simulator."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self._child = child
        self.pid = child.pid
        self.log = log

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._child.poll() is None

    def read_cpu_seconds(self) -> float:
        """CPU used so far."""
        return read_cpu_seconds(self.pid)

    def read_memory(self) -> float:
        """MiB, now."""
        return read_memory(self.pid)

    def count_threads(self) -> int:
        """Of the process."""
        return count_threads(self.pid)

    def read_peak_memory(self) -> float:
        """MiB."""
        return read_peak_memory(self.pid)


class HeadEnd:
    """Starts parts of a head-end; each runs as long as its ``with`` block."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._started = 0

    @contextmanager
    def run_part(
        self, name: str, *arguments: str, ready: str | None = None, **environment: str
    ) -> Iterator[Part]:
        """Run a Python program; ``ready`` is text that its log shows when it can be used."""
        self._started += 1
        log = self._folder / f"{name}-{self._started}.log"
        with running_process(
            *arguments, environment={**self._environment, **environment}, log=log, ready=ready
        ) as child:
            yield Part(child, log)

    @contextmanager
    def worker(
        self,
        *arguments: str,
        concurrency: int = 500,
        queues: str = DEFAULT_QUEUES,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Part]:
        """A gevent worker: what `manage.py worker` becomes, ``arguments`` being Celery's own.

        Its database connections are named ``worker``.
        """
        name = f"worker-{self._started}"
        command = make_celery_command(concurrency=concurrency, name=name, queues=queues, log_level="WARNING")[
            1:
        ]
        with self.run_part("worker", *command, *arguments, PGAPPNAME="worker", **(environment or {})) as part:
            yield part

    @contextmanager
    def dispatcher(self, environment: Mapping[str, str] | None = None) -> Iterator[Part]:
        """One dispatcher."""
        with self.run_part("dispatcher", "manage.py", "dispatch", **(environment or {})) as part:
            yield part

    @contextmanager
    def running(
        self, *, workers: int | None = None, environment: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, list[Part]]]:
        """A dispatcher and as many workers as there are cores, unless told otherwise.

        ``environment`` is for the workers.
        """
        with ExitStack() as stack:
            parts = {
                "worker": [
                    stack.enter_context(self.worker(environment=environment))
                    for _ in range(workers or os.cpu_count() or 1)
                ],
                "dispatcher": [stack.enter_context(self.dispatcher())],
            }
            yield parts

    @contextmanager
    def copied_database(self) -> Iterator[str]:
        """A copy of the database as it is now; yields its name, for :meth:`using_database`."""
        own = str(connection.settings_dict["NAME"])
        # own_services drops whatever begins with this name, should the end of the block not be reached.
        copy = f"{own}_copy"
        connection.close()
        services.create_database(self._environment["DATABASE_URL"], copy, template=own)
        try:
            yield copy
        finally:
            connection.close()
            services.drop_databases(self._environment["DATABASE_URL"], copy)

    @contextmanager
    def using_database(self, name: str) -> Iterator[None]:
        """Let this process, and parts that are started meanwhile, use another database."""
        environment, own = self._environment, connection.settings_dict["NAME"]
        connection.close()
        connection.settings_dict["NAME"] = name
        url = services.replace_path(environment["DATABASE_URL"], name)
        self._environment = {**environment, "DATABASE_URL": url}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"], self._environment = own, environment

    @contextmanager
    def listener(self, port: int) -> Iterator[Part]:
        """One push listener, on a port of the loopback interface for TCP and UDP."""
        ports = ["--tcp-port", str(port), "--udp-port", str(port)]
        command = ["manage.py", "listen", "--host", "127.0.0.1", *ports]
        with self.run_part("listener", *command, ready="listening for pushes", LOG_LEVEL="INFO") as part:
            yield part

    @contextmanager
    def web(self, application: str = "osgp.wsgi") -> Iterator[tuple[Part, str]]:
        """One web process on a free port, and its root URL."""
        command = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", application]
        bind = {"OSGP_WEB_BIND": "127.0.0.1:0", "OSGP_WEB_PROCESSES": "1"}
        with self.run_part("web", *command, ready="Listening at", **bind) as part:
            listening = re.search(r"Listening at: (http://\S+)", part.log.read_text())
            assert listening is not None
            yield part, listening[1]

    @contextmanager
    def stream(self, listeners: int) -> Iterator[tuple[Part, int]]:
        """The live stream, for so many listeners of one organisation and one more; yields its port too."""
        most = {"OSGP_STREAM_LISTENERS_PER_ORGANISATION": str(listeners + 1), "PYTHONUNBUFFERED": "1"}
        with self.run_part("stream", "manage.py", "stream", "--port", "0", ready="events on", **most) as part:
            listening = re.search(r"events on http://[^:]+:(\d+)/", part.log.read_text())
            assert listening is not None
            yield part, int(listening[1])

    @contextmanager
    def meters(self, count: int, *arguments: str) -> Iterator["Fleet"]:
        """Simulated SMR 5.1 meters, secured with HLS 5; ``arguments`` are the simulator's."""
        self._started += 1
        described = self._folder / f"fleet-{self._started}.json"
        command = ["manage.py", "simulate", "--count", str(count), "--port", "0", "--json", str(described)]
        with self.run_part("simulator", *command, *arguments, ready=f"{count} meters on") as part:
            yield Fleet(part, described)

    @contextmanager
    def hostile_meters(self, count: int) -> Iterator["Fleet"]:
        """Hostile meters, of all kinds that there are."""
        self._started += 1
        described = self._folder / f"hostile-{self._started}.json"
        command = ["-m", "scripts.benchmarks.hostile_meters", str(count), str(described)]
        with self.run_part("hostile", *command, ready="hostile meters listen") as part:
            yield Fleet(part, described)


class Fleet:
    """Simulated meters; ``described`` is the file that the simulator wrote about them."""

    def __init__(self, part: Part, described: Path) -> None:
        self.part = part
        self.described = described

    def descriptions(self) -> Sequence[dict[str, Any]]:
        """Meters as AddDevice needs them, keys beside."""
        descriptions: list[dict[str, Any]] = json.loads(self.described.read_text())
        return descriptions

    def let_happen(self, **occurrence: Any) -> int:
        """Make something happen to meters, as in a scenario; returns to how many.

        For a simulator that was given ``--http-port 0``.
        """
        listening = re.search(r"HTTP interface on (http://\S+)/meters", self.part.log.read_text())
        assert listening is not None
        request = urllib.request.Request(  # noqa: S310 (the simulator of this fleet)
            f"{listening[1]}/occurrences", json.dumps(occurrence).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (as above)
            return int(json.load(answer)["meters"])
