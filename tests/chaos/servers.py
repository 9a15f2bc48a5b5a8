"""PostgreSQL and RabbitMQ servers that may be stopped and started again while the platform works.

Private ones where their programs are installed; elsewhere the ones of the test run behind a proxy that hangs
up on everybody and refuses calls for a while, which is what their clients notice of a restart.
"""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from scripts import private_services
from scripts.containers import wait_until_usable
from scripts.services import Broker, find_postgres_problem
from tests import processes


class Server(Protocol):
    """A server that can be stopped and started."""

    url: str

    def stop(self) -> None: ...
    def start(self) -> None: ...


class Proxy:
    """Forwards TCP connections to a server, unless it is told to hold them up or to cut them."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener: socket.socket | None = None
        self.port = 0

    def __enter__(self) -> "Proxy":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Accept calls, on the same port as before."""
        self._listener = listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Hang up on everybody, and refuse calls."""
        if self._listener is not None:
            # Closing alone would leave the thread in accept(), and the port taken.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._flowing.set()
        with self._lock:
            connections, self._connections = self._connections, set()
        for end in connections:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hold_up(self) -> None:
        """Keep connections open, but let nothing through any more."""
        self._flowing.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = self._dial()
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._connections |= {client, server}
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _dial(self) -> socket.socket:
        host, port = self._upstream
        if not host.startswith("/"):
            return socket.create_connection(self._upstream, timeout=10)
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            source.settimeout(None)
            while octets := source.recv(65536):
                self._flowing.wait()
                sink.sendall(octets)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def broker_proxy() -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of the test's broker, and the broker's URL through it."""
    parts = urlsplit(settings.CELERY_BROKER_URL)
    with Proxy(parts.hostname or "localhost", parts.port or 5672) as proxy:
        yield proxy, through(proxy, settings.CELERY_BROKER_URL)


def through(proxy: Proxy, url: str) -> str:
    """A URL with the proxy's address."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}"))


class ProxiedServer:
    """The server of the test run, as far as its clients can tell."""

    def __init__(self, proxy: Proxy, url: str) -> None:
        self.url = url
        self._proxy = proxy

    def stop(self) -> None:
        """The server is gone."""
        self._proxy.stop()

    def start(self) -> None:
        """The server is back."""
        self._proxy.start()


class PrivateBroker:
    """A RabbitMQ of our own."""

    def __init__(self, broker: Broker) -> None:
        self.url = broker.url
        self._broker = broker

    def stop(self) -> None:
        """Stop the broker within its Erlang node: connections break, calls are refused."""
        self._broker.administer("stop_app")

    def start(self) -> None:
        """Start it from what it kept on disk."""
        self._broker.administer("start_app")


class PrivatePostgres:
    """A PostgreSQL of our own, with an empty database."""

    def __init__(self, directory: Path, home: Path, user: str | None) -> None:
        self._pg_ctl = [str(home / "pg_ctl"), "--pgdata", str(directory / "data"), "--wait", "--silent"]
        self._options = (
            f"-p {(port := private_services.find_free_port())} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories={directory} -c fsync=off -c max_connections=100"
        )
        self._log = str(directory / "postgres.log")
        self._run_as = private_services.make_run_as_arguments(user)
        self._directory = directory
        self.port = port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self._run(str(home / "initdb"), "-D", str(directory / "data"), *private_services.INITDB_OPTIONS)

    def start(self) -> None:
        """Start it; after :meth:`stop` it recovers from its write-ahead log."""
        self._run(*self._pg_ctl, "--log", self._log, "--options", self._options, "start")
        wait_until_usable(lambda: find_postgres_problem(self.url), "PostgreSQL")

    def stop(self) -> None:
        """Stop it at once, without a checkpoint or a word to its clients."""
        self._run(*self._pg_ctl, "--mode", "immediate", "stop")

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            check=True,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=300,
            **self._run_as,
        )


@contextmanager
def own_broker() -> Iterator[Server]:
    """A RabbitMQ that may be stopped, running."""
    with ExitStack() as stack:
        if (private_services.RABBITMQ_HOME / "rabbitmq-server").exists():
            broker = stack.enter_context(private_services.running_rabbitmq(print))
            yield PrivateBroker(broker)
        else:
            yield ProxiedServer(*stack.enter_context(broker_proxy()))


@contextmanager
def own_database() -> Iterator[Server]:
    """A PostgreSQL that may be stopped, running; for the time being it is the test's own database."""
    home = private_services.find_postgres_home()
    if home is None:
        with Proxy(connection.settings_dict["HOST"], int(connection.settings_dict["PORT"] or 5432)) as proxy:
            yield ProxiedServer(proxy, processes.database_url("127.0.0.1", proxy.port))
        return
    user = private_services.find_service_user("postgres")
    with private_services.making_data_directory(user) as directory:
        server = PrivatePostgres(directory, home, user)
        server.start()
        try:
            with _connected_to(server.url):
                call_command("migrate", verbosity=0)
                yield server
        finally:
            with suppress(subprocess.SubprocessError):
                server.stop()


@contextmanager
def _connected_to(url: str) -> Iterator[None]:
    """Let Django, in all threads of this process, use another PostgreSQL."""
    parts = urlsplit(url)
    other = {
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": parts.username,
        "PASSWORD": "",
        "NAME": unquote(parts.path[1:]),
    }
    connection.close()
    former = {name: connection.settings_dict[name] for name in other}
    connection.settings_dict.update(other)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(former)
