"""Many meters push at a given rate, as after an outage of a whole town."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import fields as parsers
from ..fields import shown
from ..meter.meter import Meter
from .forms import Withheld, plan_push
from .orders import Order, OrderError, parse_order
from .packing import check
from .pusher import Pusher

HIGHEST_RATE = 100_000.0
"""Pushes per second."""
LONGEST_SECONDS = 86_400.0
_PACE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class StormOrder:
    """``rate`` pushes per second for so many ``seconds``, by the first ``meters`` that can (None: all)."""

    rate: float
    seconds: float
    meters: int | None
    order: Order

    @property
    def total(self) -> int:
        """How many pushes that makes."""
        return max(round(self.rate * self.seconds), 1)


def parse_storm(document: Mapping[str, Any]) -> StormOrder:
    """The storm that a document describes; OrderError when it describes none."""
    values: dict[str, Any] = {"meters": None}
    own = {
        "rate": _positive(HIGHEST_RATE),
        "seconds": _positive(LONGEST_SECONDS),
        "meters": parsers.integer(1, 10**7),
    }
    for name, parser in own.items():
        if name not in document:
            if name not in values:
                raise OrderError(name, "is missing")
            continue
        try:
            values[name] = parser(document[name])
        except ValueError as error:
            raise OrderError(name, str(error)) from None
    rest = {name: value for name, value in document.items() if name not in own}
    return StormOrder(**values, order=parse_order(rest))


def _positive(highest: float) -> parsers.Parser:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= highest:
            raise ValueError(f"{shown(value)} is no number above 0, up to {highest:g}")
        return float(value)

    return parse


class Storm:
    """One storm at a time. What the bound on sending holds up comes later; what the time of the storm is too
    short for does not come at all."""

    def __init__(self, pusher: Pusher) -> None:
        self.pusher = pusher
        self._task: asyncio.Task[None] | None = None
        self._total = 0
        self._begun = 0
        self._withheld = 0

    @property
    def is_running(self) -> bool:
        """Whether pushes are still to come."""
        return self._task is not None and not self._task.done()

    def as_dict(self) -> dict[str, Any]:
        """How far it has come."""
        return {
            "running": self.is_running,
            "total": self._total,
            "begun": self._begun,
            "withheld": self._withheld,
        }

    def start(self, storm: StormOrder) -> int:
        """Begin; how many meters take part. OrderError when none can, Withheld when none will."""
        meters = self._choose_meters(storm)
        self._total, self._begun, self._withheld = storm.total, 0, 0
        self._task = asyncio.get_running_loop().create_task(self._run(storm, meters))
        return len(meters)

    async def stop(self) -> None:
        """Begin no more pushes."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _choose_meters(self, storm: StormOrder) -> list[Meter]:
        refusal: Exception | None = None
        meters: list[Meter] = []
        for meter in self.pusher.fleet.meters.values():
            if storm.meters is not None and len(meters) >= storm.meters:
                break
            try:
                check(meter, plan_push(meter, storm.order))
            except (OrderError, Withheld) as error:
                refusal = error
            else:
                meters.append(meter)
        if not meters:
            assert refusal is not None
            raise refusal
        return meters

    async def _run(self, storm: StormOrder, meters: list[Meter]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while self._begun < self._total:
            passed = loop.time() - start
            due = min(int(passed * storm.rate) + 1, self._total)
            while self._begun < due and self.pusher.busy < self.pusher.sending:
                meter = meters[self._begun % len(meters)]
                self._begun += 1
                try:
                    self.pusher.push(meter, storm.order)
                except (OrderError, Withheld):
                    self._withheld += 1
            if passed >= storm.seconds + 1:
                break
            await asyncio.sleep(_PACE_SECONDS)
