"""Pushes whose connection was closed in good order are stored, whatever dies or goes away.

Where the database is not shared with other processes (SQLite), the listener that is killed has none at all:
what it acknowledged is in its spool.
"""

import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connection

from osgp.alarms.models import PushCount, ReceivedPush
from scripts.benchmarks.push_sender import make_alarm, read_number
from scripts.private_services import find_free_port
from tests import processes
from tests.chaos import servers
from tests.listener.conftest import PATIENCE, HasPort, dial, hear_end, push, run_listener

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SENDERS = 8


class Ports(NamedTuple):
    """Where a listener in a process of its own is called."""

    tcp_port: int


def start(directory: Path, **environment: str) -> tuple[processes.Process, Ports]:
    """A listener process that takes calls."""
    port = find_free_port()
    process = processes.Process(
        "listen",
        "--host",
        "127.0.0.1",
        "--tcp-port",
        str(port),
        "--udp-port",
        "0",
        OSGP_PUSH_SPOOL_DIR=str(directory / "push-spool"),
        **environment,
    )
    ports = Ports(port)

    def is_there() -> bool:
        assert process.is_alive()
        with suppress(OSError):
            dial(ports, tries=1).close()
            return True
        return False

    processes.eventually(is_there, "a listener")
    return process, ports


def push_until(stop: threading.Event, ports: Ports, sender: int) -> list[int]:
    """Push alarms one after the other; return the numbers of those that were acknowledged."""
    acknowledged = []
    for number in range(sender, 1_000_000, SENDERS):
        if stop.is_set():
            break
        try:
            if push(ports, make_alarm(sender, number)) == "closed":
                acknowledged.append(number)
        except (OSError, AssertionError):
            break
    return acknowledged


def stored_numbers() -> list[int]:
    rows = ReceivedPush.objects.filter(outcome="WAITING").order_by("pk").values_list("octets", flat=True)
    return [read_number(bytes(octets)) for octets in rows]


def check(acknowledged: list[list[int]]) -> None:
    """Every one that was acknowledged is there, none twice, and those of one sender are in order."""
    stored = stored_numbers()
    assert len(set(stored)) == len(stored)
    assert {number for numbers in acknowledged for number in numbers} <= set(stored)
    for sender in range(SENDERS):
        of_sender = [number for number in stored if number % SENDERS == sender]
        assert of_sender == sorted(of_sender)


def test_a_killed_listener_has_kept_what_it_acknowledged(transactional_db: None, tmp_path: Path) -> None:
    database = {} if processes.are_shared() else {"DATABASE_URL": NOWHERE}
    stop = threading.Event()
    process, ports = start(tmp_path, **database)
    with process, ThreadPoolExecutor(SENDERS) as senders:
        pushing = [senders.submit(push_until, stop, ports, sender) for sender in range(SENDERS)]
        threading.Event().wait(1.0)
        process.kill()
        stop.set()
        acknowledged = [future.result() for future in pushing]
    assert all(acknowledged)
    if not processes.are_shared():
        assert stored_numbers() == []
    with run_listener(tmp_path):  # the next one
        processes.eventually(lambda: not list((tmp_path / "push-spool").glob("*.spool")), "an empty spool")
    check(acknowledged)


def test_a_database_that_is_away_for_a_while(transactional_db: None, tmp_path: Path) -> None:
    if processes.are_shared():
        with servers.own_database() as database:
            process, ports = start(tmp_path, DATABASE_URL=database.url)
            with process:
                acknowledged = [[number] for number in range(5) if _push(ports, number)]
                database.stop()
                acknowledged += [[number] for number in range(5, 25) if _push(ports, number)]
                assert list((tmp_path / "push-spool").glob("*.spool"))
                database.start()
                connection.close()
                processes.eventually(lambda: len(stored_numbers()) == 25, "rows")
                acknowledged += [[number] for number in range(25, 30) if _push(ports, number)]
                # Some may have gone behind the spool; what it holds at the end waits for the next listener.
                processes.eventually(lambda: len(stored_numbers()) == 30, "rows")
                assert process.stop() == 0
            _check_thirty(acknowledged)
            processes.disconnect_others()
        return
    with run_listener(tmp_path, patience=0.2) as listener:
        acknowledged = [[number] for number in range(5) if _push(listener, number)]
        lock = sqlite3.connect(connection.settings_dict["NAME"], timeout=30)
        lock.execute("BEGIN EXCLUSIVE")
        acknowledged += [[number] for number in range(5, 25) if _push(listener, number)]
        assert list((tmp_path / "push-spool").glob("*.spool"))
        lock.rollback()
        lock.close()
        acknowledged += [[number] for number in range(25, 30) if _push(listener, number)]
        processes.eventually(lambda: len(stored_numbers()) == 30, "rows")
    _check_thirty(acknowledged)


def _push(to: HasPort, number: int) -> bool:
    return push(to, make_alarm(0, number)) == "closed"


def _check_thirty(acknowledged: list[list[int]]) -> None:
    assert [number for [number] in acknowledged] == list(range(30))
    assert stored_numbers() == list(range(30))
    received = PushCount.objects.filter(outcome="RECEIVED").values_list("number", flat=True)
    assert sum(received) == 30


def test_sigterm_ends_it_in_good_order(transactional_db: None, tmp_path: Path) -> None:
    database = {} if processes.are_shared() else {"DATABASE_URL": NOWHERE}
    process, ports = start(tmp_path, OSGP_PUSH_QUIET_SECONDS="600", **database)
    with process:
        call = dial(ports)
        call.sendall(make_alarm(1, 1))
        call.settimeout(0.5)
        with pytest.raises(TimeoutError):
            call.recv(1)
        process.terminate()
        call.settimeout(PATIENCE)
        assert hear_end(call) == "closed"
        assert process.wait() == 0
    with run_listener(tmp_path):
        processes.eventually(lambda: stored_numbers() == [1], "a row")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", ports.tcp_port), timeout=PATIENCE)
