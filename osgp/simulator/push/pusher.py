"""Sends the pushes of a fleet: each in a task of its own, a bounded number of them at a time."""

import asyncio
import contextlib
import logging
import random
from datetime import datetime

from ..fleet import Fleet
from ..meter.meter import Meter
from .counts import FormCounts, PushCounts
from .delivery import Deadlines, Outcome, send_datagrams, send_stream
from .forms import Plan, Withheld, compose, plan_push
from .orders import Order, OrderError, PushFault, Transport
from .packing import Packets, check, pack
from .setups import PushSetup
from .watch import AlarmWatch

logger = logging.getLogger(__name__)

MAXIMUM_SENDING = 1_000
"""Pushes that are on the line at the same time; each over TCP holds a socket."""
MAXIMUM_PENDING = 20_000
"""Pushes that are on the line or wait: for their turn, their time or a repetition."""
TICK_SECONDS = 0.05
WINDOW_SECONDS = 10.0
"""Between two looks at whether a communication window has opened."""
LONGEST_WAIT = 86_400.0
"""Seconds after which a push that no window lets out is given up."""


class Pusher:
    """Use within one running event loop: ``start()`` and ``await stop()``.

    ``sending`` bounds the pushes on the line.
    """

    def __init__(
        self, fleet: Fleet, deadlines: Deadlines | None = None, sending: int = MAXIMUM_SENDING
    ) -> None:
        self.fleet = fleet
        self.counts = PushCounts()
        self.sending = sending
        self._deadlines = deadlines or Deadlines()
        self._turns = asyncio.Semaphore(sending)
        self._watch = AlarmWatch(fleet, self._push_happened)
        self._watching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sleeping = 0

    def start(self) -> None:
        """Push what happens to the meters from now on."""
        self.fleet.settings.alarms.is_watched = True
        self._watching = asyncio.get_running_loop().create_task(self._watch_alarms())

    async def stop(self) -> None:
        """Give up what is on its way."""
        alarms = self.fleet.settings.alarms
        alarms.is_watched = False
        alarms.clear()
        tasks = [*self._tasks, *([self._watching] if self._watching is not None else [])]
        self._watching = None
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def pending(self) -> int:
        """Pushes that are on the line or wait."""
        return len(self._tasks)

    @property
    def busy(self) -> int:
        """Pushes that are on the line, or wait for their turn."""
        return len(self._tasks) - self._sleeping

    def push(self, meter: Meter, order: Order) -> Plan:
        """Have a meter push, soon. Withheld when it will not, OrderError when the order is none for it."""
        try:
            plan = plan_push(meter, order)
        except Withheld as withheld:
            self.counts.withheld[withheld.reason] += 1
            raise
        check(meter, plan)
        if self.pending >= MAXIMUM_PENDING:
            self.counts.dropped += 1
            raise Withheld("too many pushes wait")
        # Made at once, so that an order that cannot be carried out is refused here.
        packets = self._make(meter, plan)
        self.counts.of(plan.name).ordered += 1
        task = asyncio.get_running_loop().create_task(self._carry_out(meter, plan, packets))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return plan

    def _push_happened(self, meter: Meter, order: Order) -> None:
        """Push an alarm that has happened; the meter keeps silent when it cannot."""
        try:
            self.push(meter, order)
        except Withheld:
            pass
        except OrderError as error:
            logger.warning("%s does not push: %s", meter.identification, error)

    async def _watch_alarms(self) -> None:
        while True:
            self._watch.tick(self.fleet.settings.clock())
            await asyncio.sleep(TICK_SECONDS)

    def _make(self, meter: Meter, plan: Plan) -> Packets:
        memory = meter.memory
        memory.pushes += 1
        message = compose(meter, plan, memory.pushes, meter.settings.clock())
        return pack(meter, plan, message)

    async def _carry_out(self, meter: Meter, plan: Plan, packets: Packets) -> None:
        counts, setup = self.counts.of(plan.name), plan.setup
        if plan.order.to is not None:
            setup = None
        if setup is not None and not plan.order.is_prompt:
            await self._wait_for_time(meter, setup)
        outcome = await self._try(meter, plan, packets, counts)
        for repetition in range(1, setup.retries + 1 if setup is not None else 1):
            assert setup is not None
            if outcome.is_good:
                break
            await self._sleep(setup.get_delay(repetition))
            counts.retries += 1
            # Ciphered anew: no two APDUs of a meter have the same invocation counter.
            try:
                packets = self._make(meter, plan)
            except OrderError as error:
                logger.warning("%s does not push again: %s", meter.identification, error)
                break
            outcome = await self._try(meter, plan, packets, counts)
        counts.note(outcome)

    async def _wait_for_time(self, meter: Meter, setup: PushSetup) -> None:
        waited = 0.0
        while not setup.is_open(_read_clock(meter)) and waited < LONGEST_WAIT:
            await self._sleep(WINDOW_SECONDS)
            waited += WINDOW_SECONDS
        if setup.randomisation:
            await self._sleep(random.uniform(0, setup.randomisation))

    async def _sleep(self, seconds: float) -> None:
        self._sleeping += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._sleeping -= 1

    async def _try(self, meter: Meter, plan: Plan, packets: Packets, counts: FormCounts) -> Outcome:
        async with self._turns:
            outcome = await self._send(meter, plan, packets)
            if plan.order.fault is PushFault.REPLAYED:
                outcome = await self._send(meter, plan, packets)
            elif plan.order.fault is PushFault.DOUBLED:
                outcome = await self._send(meter, plan, self._make(meter, plan))
        counts.attempts[outcome] += 1
        return outcome

    async def _send(self, meter: Meter, plan: Plan, packets: Packets) -> Outcome:
        if not _is_on_line(meter, plan):
            return Outcome.UNREACHABLE
        if plan.transport is Transport.UDP:
            return await send_datagrams(packets.octets, plan.destination, self._deadlines)
        fault = plan.order.fault
        return await send_stream(
            b"".join(packets.octets),
            plan.destination,
            self._deadlines,
            ends_open=packets.ends_open or fault is PushFault.TRUNCATED,
            slow=fault is PushFault.SLOW,
        )


def _read_clock(meter: Meter) -> datetime:
    return meter.local_time(meter.settings.clock())


def _is_on_line(meter: Meter, plan: Plan) -> bool:
    """Whether the meter has power and a network; for its last gasp it needs no power."""
    record, now = meter.record, meter.settings.clock()
    if record is None or meter.is_reachable(now):
        return True
    cut_off = record.unreachable
    return plan.order.is_last_gasp and not (cut_off and cut_off.begin <= now < cut_off.end)
