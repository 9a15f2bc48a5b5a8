"""Host names are looked up in time, once, and with an equal share for each domain."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.transport import names
from osgp.protocol_dlms.transport.names import Names

LONG = 60.0
"""Seconds; no test waits for them."""


class NameServer:
    """Answers once ``release`` was called for a name, or for all; counts who is asked for at a time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._changed = threading.Condition()
        self._released: set[str] = set()
        self._all_are_released = False
        self.most = Counter[str]()
        self._running = Counter[str]()

    def look_up(self, name: str) -> Sequence[str]:
        domain = name.partition(".")[2]
        with self._changed:
            self.asked.append(name)
            for each in (domain, "all"):
                self._running[each] += 1
                self.most[each] = max(self.most[each], self._running[each])
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._all_are_released or name in self._released, LONG)
            for each in (domain, "all"):
                self._running[each] -= 1
        return ["10.0.0.1"]

    def release(self, *released: str) -> None:
        with self._changed:
            self._released.update(released)
            self._all_are_released |= not released
            self._changed.notify_all()

    def wait_for(self, number: int) -> None:
        """Wait until so many names were asked for."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= number, LONG), self.asked


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.release()


@pytest.fixture
def pool(server: NameServer) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(100) as pool:
        yield pool
        server.release()


class Clock:
    """Stands still unless it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(names, "time", clock)
    return clock


def test_thirty_names_without_an_answer_do_not_keep_a_good_one(
    server: NameServer, pool: ThreadPoolExecutor
) -> None:
    found = Names(server.look_up, most=10, most_of_domain=5)
    dead = [pool.submit(found.find_addresses, f"meter{n}.dead.example", LONG) for n in range(30)]
    server.wait_for(5)
    good = pool.submit(found.find_addresses, "meter.good.example", LONG)
    server.release("meter.good.example")
    assert good.result(LONG) == ("10.0.0.1",)
    assert not any(each.done() for each in dead)
    server.release()
    assert {each.result(LONG) for each in dead} == {("10.0.0.1",)}
    assert (server.most["dead.example"], server.most["all"]) == (5, 6)


def test_domains_take_turns(server: NameServer, pool: ThreadPoolExecutor) -> None:
    found = Names(server.look_up, most=1)
    waiting: list[Future[Sequence[str]]] = []

    def ask(name: str) -> None:
        waiting.append(pool.submit(found.find_addresses, name, LONG))
        deadline = time.monotonic() + LONG
        while sum(map(len, found._waiting.values())) + found._running.total() < len(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    for name in ("1.many", "2.many", "3.many", "4.many", "1.few", "1.other"):
        ask(name)
    server.release()
    for each in waiting:
        each.result(LONG)
    assert server.asked[0] == "1.many"
    assert set(server.asked[1:4]) == {"2.many", "1.few", "1.other"}
    assert server.asked[4:] == ["3.many", "4.many"]


def test_there_are_bounded_numbers_at_a_time(server: NameServer, pool: ThreadPoolExecutor) -> None:
    found = Names(server.look_up, most=4, most_of_domain=3)
    asked = [pool.submit(found.find_addresses, f"{n}.{n % 8}", LONG) for n in range(40)]
    server.wait_for(4)
    server.release()
    assert all(each.result(LONG) for each in asked)
    assert server.most["all"] <= 4
    assert (len(found._running), len(found._waiting)) == (0, 0)


def test_a_name_is_looked_up_once_for_all_who_ask(server: NameServer, pool: ThreadPoolExecutor) -> None:
    found = Names(server.look_up)
    asked = [pool.submit(found.find_addresses, name, LONG) for name in ("A.example", "a.example.") * 10]
    server.wait_for(1)
    server.release()
    assert {each.result(LONG) for each in asked} == {("10.0.0.1",)}
    assert server.asked == ["a.example"]


def test_who_waits_leaves_in_time_and_the_next_ones_at_once(server: NameServer) -> None:
    found = Names(server.look_up)
    for _ in range(3):
        # Only the first one waits: the time counts from the beginning of the lookup.
        with pytest.raises(
            errors.NameNotResolved, match=r"^the name a\.example was not resolved in 0\.05 s$"
        ):
            found.find_addresses("a.example", 0.05)
    assert server.asked == ["a.example"]


def test_nothing_is_looked_up_for_those_who_left(server: NameServer) -> None:
    found = Names(server.look_up, most=1)
    for name in ("a.example", "b.example", "c.example"):
        with pytest.raises(errors.NameNotResolved):
            found.find_addresses(name, 0.02)
    server.release()
    assert found.find_addresses("d.example", LONG) == ("10.0.0.1",)
    assert server.asked == ["a.example", "d.example"]


def test_addresses_are_good_for_seconds_and_failures_somewhat_longer(clock: Clock) -> None:
    asked = []

    def look_up(name: str) -> Sequence[str]:
        asked.append(name)
        if name == "good":
            return ["10.0.0.1"]
        raise socket.gaierror(socket.EAI_NONAME if name == "gone" else socket.EAI_AGAIN, "")

    found = Names(look_up)

    def ask() -> None:
        found.find_addresses("good", LONG)
        with pytest.raises(errors.NameNotFound):
            found.find_addresses("gone", LONG)
        with pytest.raises(errors.NameNotResolved, match="name servers do not tell"):
            found.find_addresses("unknown", LONG)

    ask()
    ask()
    assert asked == ["good", "gone", "unknown"]
    clock.now += names.KEPT_SECONDS
    ask()
    assert asked == ["good", "gone", "unknown", "good"]
    clock.now += names.KEPT_FAILURE_SECONDS
    ask()
    assert Counter(asked) == {"good": 3, "gone": 2, "unknown": 2}


@pytest.mark.parametrize(
    ("failure", "error", "is_retryable"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), errors.NameNotFound, False),
        (socket.gaierror(socket.EAI_NODATA, ""), errors.NameNotFound, False),
        (UnicodeError(), errors.NameNotFound, False),
        (ValueError("embedded null character"), errors.NameNotFound, False),
        (socket.gaierror(socket.EAI_AGAIN, ""), errors.NameNotResolved, True),
        (socket.gaierror(12, "ARES_ETIMEOUT"), errors.NameNotResolved, True),
        (OSError(24, "Too many open files"), errors.NameNotResolved, True),
    ],
    ids=repr,
)
def test_faults(failure: Exception, error: type[errors.DlmsError], is_retryable: bool) -> None:
    def look_up(name: str) -> Sequence[str]:
        raise failure

    with pytest.raises(error) as raised:
        Names(look_up).find_addresses("a.example", LONG)
    assert raised.value.retryable == is_retryable


def test_many_names_and_many_addresses_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_KEPT", 10)
    found = Names(lambda name: [f"10.0.0.{n}" for n in range(100)] * 2)
    for number in range(50):
        assert len(found.find_addresses(f"{number}.example", LONG)) == names.MOST_ADDRESSES
    assert len(found._known) == 10


def test_a_name_without_addresses_is_none() -> None:
    with pytest.raises(errors.NameNotFound):
        Names(lambda name: []).find_addresses("a.example", LONG)


def test_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "127.0.0.1" in Names().find_addresses("localhost", LONG)
