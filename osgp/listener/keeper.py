"""Keeping pushes: in the database or, while that is away, on disk; and telling who waits for it.

Database first. In ordinary times a push is kept where all else is kept, with what was done there against
losing it (replicas, backups); a listener whose disk is lost, as a container's is, has lost nothing. Spooling
first would be one way instead of two, but every acknowledged push would be on one local disk only for a
moment, and would be written twice (docs/adr/0019-pushes-are-kept-before-they-are-acknowledged.md).
"""

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable, Sequence

from django.db import DatabaseError, InterfaceError

from osgp import platform_time
from osgp.alarms import counting
from osgp.alarms.counting import Arrival, CountKey
from osgp.alarms.models import PushOutcome, Transport
from osgp.listener import storing
from osgp.listener.limits import Limits
from osgp.listener.pushes import Push, Receipt, pack, unpack
from osgp.listener.spool import Spool, SpoolFull
from osgp.listener.threads import CallThread
from osgp.processes.database import format_in_one_line, replace_lost_connection

logger = logging.getLogger(__name__)

BATCH = 2_000
"""Pushes stored together, at most."""
BATCH_OCTETS = 4 * 1024 * 1024
AWAY_PAUSE = 1.0
"""Seconds between attempts to reach a database that is away."""
PUSH_SIZE = 500
"""Octets that a waiting push takes in memory beside what was received."""

Waiting = tuple[Push, Receipt | None]


class Keeper:
    """Takes pushes, keeps them in batches as large as what waits, and counts.

    What was offered is kept in order, however it is kept: while there is something in the spool, all goes
    behind it. For one event loop; ``spool`` is used in the thread ``disk`` only.
    """

    def __init__(
        self,
        spool: Spool,
        limits: Limits,
        store: Callable[[Sequence[Push]], None] = storing.store,
        store_counts: Callable[[dict[CountKey, int]], None] = storing.store_counts,
    ) -> None:
        self._spool = spool
        self._limits = limits
        self._store = store
        self._store_counts = store_counts
        self.database = CallThread("push-database", replace_lost_connection)
        self.disk = CallThread("push-spool")
        self._waiting: deque[Waiting] = deque()
        self._octets = 0
        """Of those that wait, and of the batch that is being kept."""
        self._arrived = asyncio.Event()
        self._spooled = asyncio.Event()
        self._is_ending = False
        self._database_hangs = False
        """Whether the database has not done yet what it was given."""
        self._counts: dict[CountKey, int] = {}

    # --- What others see ---------------------------------------------------------------------------------

    def offer(self, push: Push, receipt: Receipt | None = None) -> bool:
        """Take a push; ``receipt`` hears what becomes of it. False if there is no room, and it is counted."""
        if self._octets > self._limits.memory or self._is_ending:
            self.count(push.transport, Arrival.NOT_STORED)
            return False
        self._octets += len(push.octets) + PUSH_SIZE
        self._waiting.append((push, receipt))
        self._arrived.set()
        return True

    def count(self, transport: Transport, outcome: str, number: int = 1) -> None:
        """Count what happened to ``number`` pushes; stored within some seconds."""
        key = counting.make_key(transport, outcome, platform_time.now())
        self._counts[key] = self._counts.get(key, 0) + number

    async def flush_counts(self) -> None:
        """Store what was counted; counts wait while the database is away."""
        if not self._counts or self._database_hangs:
            return
        counts, self._counts = self._counts, {}
        try:
            await self.database.run(self._store_counts, counts)
        except (DatabaseError, InterfaceError) as error:
            logger.debug("counts of pushes wait: %s", format_in_one_line(error))
            for key, number in counts.items():
                self._counts[key] = self._counts.get(key, 0) + number

    async def run(self) -> None:
        """Keep what is offered, until :meth:`end` was called and nothing waits any more."""
        if not self._spool.is_empty:
            logger.warning("the spool holds %s octets of a former listener", self._spool.size)
            self._spooled.set()
        emptying = asyncio.create_task(self._empty_spool())
        try:
            while self._waiting or not self._is_ending:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    await self._keep_batch()
        finally:
            emptying.cancel()
            await asyncio.gather(emptying, return_exceptions=True)

    def end(self) -> None:
        """Take nothing more."""
        self._is_ending = True
        self._arrived.set()

    # --- Batches -----------------------------------------------------------------------------------------

    async def _keep_batch(self) -> None:
        batch: list[Waiting] = []
        octets = 0
        while self._waiting and len(batch) < BATCH and octets < BATCH_OCTETS:
            batch.append(self._waiting.popleft())
            octets += len(batch[-1][0].octets)
        lost = await self._keep([push for push, _ in batch])
        for push, receipt in batch:
            self._octets -= len(push.octets) + PUSH_SIZE
            kept = push.uid not in lost
            if not kept:
                self.count(push.transport, Arrival.NOT_STORED)
            elif push.outcome == PushOutcome.WAITING:
                self.count(push.transport, Arrival.RECEIVED)
            if receipt is not None:
                receipt.on_kept(kept)

    async def _keep(self, pushes: list[Push]) -> set[object]:
        """Keep pushes somewhere; return the uids of those that could not be."""
        if self._spool.is_empty and not self._database_hangs:
            try:
                return await self._store_in_time(pushes)
            except (DatabaseError, InterfaceError, TimeoutError) as error:
                text = format_in_one_line(error) or "no answer"
                logger.warning("the database takes no pushes, they are spooled: %s", text)
        try:
            await self.disk.run(self._spool.append, [pack(push) for push in pushes])
        except (SpoolFull, OSError) as error:
            logger.error("%s pushes could not be kept, meters have to try again: %s", len(pushes), error)
            return {push.uid for push in pushes}
        self._spooled.set()
        return set()

    async def _store_in_time(self, pushes: list[Push]) -> set[object]:
        """Store pushes. Raises TimeoutError if it takes too long; they may be stored all the same, later."""
        storing_them = asyncio.ensure_future(self._store_usable(pushes))
        done, _ = await asyncio.wait([storing_them], timeout=self._limits.patience)
        if not done:
            self._database_hangs = True
            storing_them.add_done_callback(self._on_late_answer)
            raise TimeoutError
        return storing_them.result()

    def _on_late_answer(self, late: "asyncio.Future[set[object]]") -> None:
        self._database_hangs = False
        if not late.cancelled():
            late.exception()  # it was handled as if it had failed

    async def _store_usable(self, pushes: list[Push]) -> set[object]:
        """Store pushes, without those that the database takes for no pushes; return the uids of these."""
        try:
            await self.database.run(self._store, pushes)
        except storing.UNUSABLE as error:
            if len(pushes) == 1:
                logger.error("%r cannot be stored: %s", pushes[0], type(error).__name__)
                return {pushes[0].uid}
            half = len(pushes) // 2
            return await self._store_usable(pushes[:half]) | await self._store_usable(pushes[half:])
        return set()

    # --- The spool ---------------------------------------------------------------------------------------

    async def _empty_spool(self) -> None:
        """Bring what is spooled to the database, in order, whenever there is something and it takes it."""
        while True:
            await self._spooled.wait()
            try:
                moved = await self._move_batch()
            except (DatabaseError, InterfaceError, OSError) as error:
                logger.debug("what is spooled waits: %s", format_in_one_line(error))
                await asyncio.sleep(AWAY_PAUSE)
                continue
            if not moved and self._spool.is_empty:
                self._spooled.clear()
                logger.warning("all that was spooled is stored")

    async def _move_batch(self) -> int:
        records, mark = await self.disk.run(self._spool.read, BATCH, BATCH_OCTETS)
        if not records:
            return 0
        pushes = {record: push for record in records if (push := _unpack_usable(record)) is not None}
        unusable = await self._store_usable(list(pushes.values()))
        for record in records:
            if record not in pushes or pushes[record].uid in unusable:
                await self.disk.run(self._spool.set_aside, record)
        await self.disk.run(self._spool.take, mark)
        return len(records)


def _unpack_usable(record: bytes) -> Push | None:
    """Return the push of a record; None if another version of the platform has written it otherwise."""
    try:
        return unpack(record)
    except (struct.error, ValueError, IndexError, OverflowError):
        logger.error("a record of %s octets in the spool is no push, and was set aside", len(record))
        return None
