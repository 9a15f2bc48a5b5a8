"""Keeping: in the database if it takes it, in the spool if not, in order, and never said before it is so."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import DataError, OperationalError

from osgp.alarms.counting import CountKey
from osgp.listener import keeper as keeper_module
from osgp.listener.keeper import Keeper
from osgp.listener.limits import Limits
from osgp.listener.pushes import Push
from osgp.listener.spool import Spool
from tests.listener.samples import make_push

LIMIT = 1_000_000


@dataclass
class FakeDatabase:
    """Takes pushes, each once, unless it is told otherwise."""

    rows: list[Push] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    is_away: bool = False
    refused: bytes | None = None
    """Octets of a push that it takes for none."""
    answers: threading.Event = field(default_factory=threading.Event)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers.set()

    def store(self, pushes: Sequence[Push]) -> None:
        self.answers.wait(30)
        if self.is_away:
            raise OperationalError("server closed the connection unexpectedly")
        if any(push.octets == self.refused for push in pushes):
            raise DataError("invalid input")
        known = {push.uid for push in self.rows}
        self.rows += [push for push in pushes if push.uid not in known]
        self.batches.append(len(pushes))

    def store_counts(self, counts: dict[CountKey, int]) -> None:
        if self.is_away:
            raise OperationalError("away")
        for key, number in counts.items():
            self.counts[key.outcome] = self.counts.get(key.outcome, 0) + number


class Waiter:
    """Hears what becomes of pushes."""

    def __init__(self) -> None:
        self.heard: list[bool] = []
        self._any = asyncio.Event()

    def on_kept(self, kept: bool) -> None:
        self.heard.append(kept)
        self._any.set()

    async def hear(self, number: int) -> list[bool]:
        while len(self.heard) < number:
            self._any.clear()
            await asyncio.wait_for(self._any.wait(), 30)
        return self.heard


def limits(directory: Path, **changes: float) -> Limits:
    values: dict[str, float] = {"spool_size": LIMIT, "patience": 30.0, **changes}
    return Limits(spool_directory=directory, **values)  # type: ignore[arg-type]


@asynccontextmanager
async def keeping(spool: Spool, database: FakeDatabase, of: Limits) -> AsyncIterator[Keeper]:
    keeper = Keeper(spool, of, database.store, database.store_counts)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        keeper.end()
        await asyncio.wait_for(running, 30)
        await keeper.flush_counts()
        await keeper.database.close(lambda: None, 5)
        await keeper.disk.close(lambda: None, 5)


async def eventually(condition: "object") -> None:
    assert callable(condition)
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", LIMIT)


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "AWAY_PAUSE", 0.05)


def test_what_waits_is_stored_together(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase()

    async def check() -> None:
        async with keeping(spool, database, limits(tmp_path)) as keeper:
            waiter = Waiter()
            database.answers.clear()
            for number in range(100):
                assert keeper.offer(make_push(number), waiter)
                await asyncio.sleep(0)
            assert waiter.heard == []
            database.answers.set()
            assert await waiter.hear(100) == [True] * 100

    asyncio.run(check())
    assert len(database.batches) == 2
    assert [push.octets for push in database.rows] == [make_push(number).octets for number in range(100)]
    assert database.counts == {"RECEIVED": 100}
    assert spool.is_empty


def test_a_database_that_goes_away_and_comes_back(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase()
    numbers = range(30)

    async def check() -> None:
        async with keeping(spool, database, limits(tmp_path)) as keeper:
            waiter = Waiter()
            for number in numbers:
                database.is_away = 10 <= number < 20
                assert keeper.offer(make_push(number), waiter)
                await waiter.hear(number + 1)
                if number == 19:
                    assert len(database.rows) == 10
            assert waiter.heard == [True] * 30
            await eventually(lambda: spool.is_empty)

    asyncio.run(check())
    assert [push.octets for push in database.rows] == [make_push(number).octets for number in numbers]
    assert database.counts == {"RECEIVED": 30}


def test_a_database_that_hangs_holds_nobody_up(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase()

    async def check() -> None:
        async with keeping(spool, database, limits(tmp_path, patience=0.1)) as keeper:
            database.answers.clear()
            waiter = Waiter()
            for number in range(3):
                keeper.offer(make_push(number), waiter)
                await waiter.hear(number + 1)
            assert waiter.heard == [True] * 3
            assert database.rows == []
            database.answers.set()
            await eventually(lambda: spool.is_empty)

    asyncio.run(check())
    # The first one was stored late, and once more from the spool: that is one row.
    assert [push.octets for push in database.rows] == [make_push(number).octets for number in range(3)]


def test_the_next_process_stores_what_was_spooled_first(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase(is_away=True)

    async def begin() -> None:
        async with keeping(spool, database, limits(tmp_path)) as keeper:
            waiter = Waiter()
            for number in range(5):
                keeper.offer(make_push(number), waiter)
            await waiter.hear(5)

    async def go_on(other: Spool) -> None:
        async with keeping(other, database, limits(tmp_path)) as keeper:
            waiter = Waiter()
            keeper.offer(make_push(5), waiter)
            await waiter.hear(1)
            await eventually(lambda: other.is_empty)

    asyncio.run(begin())
    spool.close()
    assert database.rows == []
    database.is_away = False
    asyncio.run(go_on(Spool(tmp_path / "spool", LIMIT)))
    assert [push.octets for push in database.rows] == [make_push(number).octets for number in range(6)]


def test_one_that_the_database_takes_for_none_keeps_no_other_out(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase(refused=make_push(3).octets)
    heard: list[bool] = []

    async def check() -> None:
        async with keeping(spool, database, limits(tmp_path)) as keeper:
            waiters = [Waiter() for _ in range(8)]
            for number, waiter in enumerate(waiters):
                keeper.offer(make_push(number), waiter)
            for waiter in waiters:
                heard.extend(await waiter.hear(1))

    asyncio.run(check())
    assert heard == [number != 3 for number in range(8)]
    assert len(database.rows) == 7
    assert database.counts == {"RECEIVED": 7, "NOT_STORED": 1}


def test_nor_does_it_in_the_spool(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase(is_away=True, refused=make_push(1).octets)

    async def check() -> None:
        async with keeping(spool, database, limits(tmp_path)) as keeper:
            waiter = Waiter()
            for number in range(3):
                keeper.offer(make_push(number), waiter)
            await waiter.hear(3)
            spool.append([b"of another version"])
            database.is_away = False
            await eventually(lambda: spool.is_empty)

    asyncio.run(check())
    assert [push.octets for push in database.rows] == [make_push(0).octets, make_push(2).octets]
    aside = (tmp_path / "spool" / "unusable.damaged").read_bytes()
    assert make_push(1).octets in aside
    assert b"of another version" in aside


def test_where_nothing_takes_it_the_meter_has_to_try_again(tmp_path: Path) -> None:
    database = FakeDatabase(is_away=True)
    small = Spool(tmp_path / "spool", 300)

    async def check() -> list[bool]:
        async with keeping(small, database, limits(tmp_path)) as keeper:
            waiter = Waiter()
            for number in range(4):
                keeper.offer(make_push(number), waiter)
                await waiter.hear(number + 1)
            database.is_away = False
            await eventually(lambda: small.is_empty)
            return waiter.heard

    heard = asyncio.run(check())
    assert heard[0] is True
    assert heard[-1] is False
    assert len(database.rows) == heard.count(True)
    assert database.counts == {"RECEIVED": heard.count(True), "NOT_STORED": heard.count(False)}


def test_what_waits_in_memory_has_a_limit(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase()

    async def check() -> int:
        async with keeping(spool, database, limits(tmp_path, memory=10_000)) as keeper:
            database.answers.clear()
            taken = sum(keeper.offer(make_push(number)) for number in range(1000))
            database.answers.set()
            await eventually(lambda: len(database.rows) == taken)
            assert keeper.offer(make_push(1000))
            return taken

    taken = asyncio.run(check())
    assert 10 < taken < 25
    assert database.counts["NOT_STORED"] == 1000 - taken


def test_counts_wait_for_the_database(spool: Spool, tmp_path: Path) -> None:
    database = FakeDatabase(is_away=True)

    async def check() -> None:
        async with keeping(spool, database, limits(tmp_path)) as keeper:
            keeper.count(make_push().transport, "RATE_LIMITED", 3)
            await keeper.flush_counts()
            keeper.count(make_push().transport, "RATE_LIMITED", 4)
            database.is_away = False

    asyncio.run(check())
    assert database.counts == {"RATE_LIMITED": 7}
