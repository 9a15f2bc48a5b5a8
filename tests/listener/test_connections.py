"""Too many connections: those go first that have waited longest without a whole message."""

import resource
import socket
from pathlib import Path

import pytest

from osgp.listener.connections import Connections
from osgp.listener.limits import Limits
from tests.listener.conftest import dial, hear_end, push, run_listener
from tests.listener.samples import SMR5
from tests.listener.test_tcp import stored

IDLE = 5_000


class FakeConnection:
    """A connection that only says what was done to it."""

    def __init__(self, connections: Connections, address: str = "192.0.2.1") -> None:
        self.address = address
        self.pending = 0
        self.end = ""
        self._connections = connections

    def _end(self, how: str) -> None:
        self.end = how
        self._connections.remove(self)

    def reset(self) -> None:
        self._end("reset")

    def give_up(self) -> None:
        self._end("given up")

    def finish(self) -> None:
        self._end("finished")

    def leave(self) -> None:
        self._end("left")


def make(**changes: float) -> Connections:
    values = {"connections": 3, "connections_per_source": 2, **changes}
    return Connections(Limits(spool_directory=Path(), spool_size=0, **values))  # type: ignore[arg-type]


def add(to: Connections, address: str = "192.0.2.1") -> FakeConnection:
    connection = FakeConnection(to, address)
    if not to.add(connection):
        connection.end = "refused"
    return connection


def test_of_one_source_the_one_that_waited_longest_goes() -> None:
    connections = make()
    first, second = add(connections), add(connections)
    connections.let_wait(first)  # a whole message of it was kept
    third = add(connections)
    assert [first.end, second.end, third.end] == ["", "reset", ""]


def test_of_all_the_one_that_waited_longest_goes() -> None:
    connections = make()
    several = [add(connections, f"192.0.2.{number}") for number in range(5)]
    assert [connection.end for connection in several] == ["reset", "reset", "", "", ""]
    assert len(connections) == 3


def test_those_whose_pushes_are_being_kept_stay() -> None:
    connections = make()
    held = [add(connections, f"192.0.2.{number}") for number in range(3)]
    for connection in held:
        connections.hold(connection)
    assert add(connections, "192.0.2.9").end == "refused"
    connections.let_wait(held[1])
    assert add(connections, "192.0.2.9").end == ""
    assert [connection.end for connection in held] == ["", "reset", ""]


def test_unfinished_messages_have_a_limit_together() -> None:
    connections = make(memory=1000)
    first, second = add(connections, "192.0.2.1"), add(connections, "192.0.2.2")
    connections.note_octets(second, 500)
    connections.note_octets(first, 400)
    connections.note_octets(second, 550)
    assert [first.end, second.end] == ["", ""]
    connections.note_octets(first, 500)
    assert [first.end, second.end] == ["", "reset"]
    connections.note_octets(first, 1001)
    assert first.end == "reset"


def test_nothing_is_remembered_of_those_that_ended() -> None:
    connections = make(connections=100, connections_per_source=100)
    for number in range(50):
        connection = add(connections, f"192.0.2.{number % 7}")
        connections.note_octets(connection, number)
        connections.let_rest(connection)
    connections.leave_all()
    assert len(connections) == 0
    for name, value in vars(connections).items():
        if name != "_limits":
            assert not value, name


def test_deadlines() -> None:
    connections = make(connections=9, connections_per_source=9, quiet=0.0, message=0.0)
    resting, unfinished, idle, held = (add(connections) for _ in range(4))
    connections.let_rest(resting)
    connections.note_octets(unfinished, 1)
    connections.hold(held)
    connections.check_deadlines()
    assert [resting.end, unfinished.end, idle.end, held.end] == ["finished", "given up", "given up", ""]


@pytest.mark.django_db(transaction=True)
def test_idle_connections_keep_no_meter_out(transactional_db: None, tmp_path: Path) -> None:
    """As many as this process may open, up to 5,000: more than the listener takes of this one source."""
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    number = min(IDLE, (hard - 500) // 2)
    calls: list[socket.socket] = []
    try:
        with run_listener(tmp_path, connections_per_source=number - 100) as listener:
            for count in range(number):
                call = dial(listener)
                calls.append(call)
                if count % 2:
                    call.sendall(SMR5[: count % len(SMR5)])
                if count % 500 == 0:
                    assert push(listener, SMR5) == "closed"
            assert push(listener, SMR5) == "closed"
            assert hear_end(calls[0]) == "reset"
    finally:
        for call in calls:
            call.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    assert len(stored()) == len(range(0, number, 500)) + 1
