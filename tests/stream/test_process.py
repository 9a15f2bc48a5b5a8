"""The stream as a process of its own: its end, an outage of the database, and very many listeners."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings as platform
from django.db import connection
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.stream import hub
from osgp.web_server.listening import allow_descriptors
from scripts.private_services import find_free_port
from tests import processes
from tests.chaos.servers import Proxy
from tests.stream.listening import PATIENCE, Listening, Serving, tell

MANY = 2_000
"""Idle listeners in one process."""


def database_url() -> str:
    """The database of the test, which other processes can use as well, as it is a file or a server."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    return processes.database_url()


@contextmanager
def stream_process(port: int, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`manage.py stream`, which answers."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    common = {
        "DATABASE_URL": database_url(),
        "BROKER_URL": platform.CELERY_BROKER_URL,
        "OSGP_LOCAL_SECRETS": "1",
        "OSGP_VAR_DIR": str(platform.VAR_DIR),
    }
    with subprocess.Popen(
        [sys.executable, "manage.py", "stream", "--port", str(port)],
        cwd=processes.ROOT,
        env=ours | common | environment,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            processes.eventually(lambda: process.poll() is not None or is_up(port), "the stream to answer")
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_sigterm_sends_listeners_away(organisation: Organisation, token: str) -> None:
    port = find_free_port()
    with stream_process(port) as process:
        with Listening(port, token, "", {}) as listener:
            number = tell(organisation)
            event = listener.read_event()
            assert event.number == number
            process.send_signal(signal.SIGTERM)
            *_, last = listener.read_to_the_end()
        assert hub.SHORTEST_RETRY <= int(last.fields["retry"]) <= hub.LONGEST_RETRY
        assert process.wait(PATIENCE) == 0
    missed = tell(organisation)
    with (
        stream_process(port),
        Listening(port, token, "", {"Last-Event-ID": str(event.position)}) as listener,
    ):
        assert listener.read_numbers(1) == [missed]


@pytest.mark.django_db(transaction=True)
def test_a_port_in_use_is_told(organisation: Organisation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "manage.py", "stream", "--port", str(port)],
            cwd=processes.ROOT,
            env=os.environ
            | {
                "DATABASE_URL": database_url(),
                "BROKER_URL": platform.CELERY_BROKER_URL,
                "OSGP_LOCAL_SECRETS": "1",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert ended.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {port}" in ended.stderr


@pytest.mark.django_db(transaction=True)
def test_an_outage_of_the_database_loses_nothing(organisation: Organisation, token: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is no server that could be away")
    host = connection.settings_dict["HOST"] or "localhost"
    upstream = (str(host), int(connection.settings_dict["PORT"] or 5432))
    port = find_free_port()
    with (
        Proxy(*upstream) as proxy,
        stream_process(port, DATABASE_URL=processes.database_url("127.0.0.1", proxy.port)),
        Listening(port, token, "", {}) as listener,
    ):
        numbers = [tell(organisation)]
        assert listener.read_numbers(1) == numbers
        proxy.stop()
        with Listening(port, token, "", {}) as refused:
            assert refused.status == 503
            assert int(refused.headers["Retry-After"]) > 0
        numbers += [tell(organisation) for _ in range(5)]
        proxy.start()
        numbers.append(tell(organisation))
        assert listener.read_numbers(6) == numbers[1:]


def test_very_many_listeners_take_no_threads(
    settings: Settings, stream: Serving, organisation: Organisation, token: str
) -> None:
    settings.OSGP = settings.OSGP | {"STREAM_LISTENERS_PER_ORGANISATION": MANY}
    # Both ends of each connection are in this process.
    number = min(MANY, allow_descriptors(2 * MANY) // 2)
    call = (
        f"GET /api/v1/events/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    before = read_memory()
    with ExitStack() as stack:
        callers = []
        for _ in range(number):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", stream.port), PATIENCE))
            caller.sendall(call)
            callers.append(caller)
        processes.eventually(lambda: count_live(stream) == number, "all to be live")
        per_listener = (read_memory() - before) / number
        sys.stdout.write(f"{number} listeners, {per_listener:.1f} KiB each with both ends\n")
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("stream-")]
        assert len(names) <= hub.READERS + 1
        told = tell(organisation)
        for caller in callers:
            text = b""
            while b'"number":%d' % told not in text:
                octets = caller.recv(4096)
                assert octets
                text += octets
    processes.eventually(lambda: stream.count_listeners() == 0, "all to have left")


def count_live(stream: Serving) -> int:
    # The loop of the server changes them meanwhile.
    return sum(len(listeners) for by in list(stream.hub._live.values()) for listeners in list(by.values()))


def read_memory() -> float:
    """KiB that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024
