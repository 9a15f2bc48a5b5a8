"""What hostile meters of one tenant cost the good ones of another; the peer is the same without them.

One worker and one dispatcher. The good meters are read again and again, and some more of them with urgent
requests meanwhile. Turns without and with work for the hostile ones follow each other in one run.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.requests.models import FINAL_STATES, MeterSession, RequestState, SessionState
from scripts.benchmarks import cpu_split, filling, hostile_cpu
from scripts.benchmarks.head_end import HeadEnd, Part
from scripts.benchmarks.hostile_kinds import KINDS
from scripts.benchmarks.hostile_line import Kind
from scripts.benchmarks.hostile_meters import find_prefix
from scripts.benchmarks.hostile_work import Outcome, Tenant
from scripts.benchmarks.measuring import Figure, find_percentile
from scripts.benchmarks.reads import Reads, add_meters, make_stored_reads, register_meters
from scripts.benchmarks.sizes import Sizes

HOSTILE_ORGANISATION = "HOSTILE"
URGENT_METERS = 40
"""Good meters beside those that are read, for urgent requests."""
URGENT, PAUSE = 9, 0.2
"""Their priority, and seconds between them. None is asked again before its visit has begun."""
LONGEST_ROUND = 180.0
"""Seconds after which a round, and its turn, is given up: what is not read by then, hardly ever will be."""
WORKER = {"OSGP_STOP_DEADLINE_SECONDS": "5"}
"""Visits to hostile meters do not end by themselves."""
WITHOUT = "without hostile meters"


@dataclass
class Measured:
    """What the turns of one way were like, all together."""

    reads: int = 0
    failed: int = 0
    unread: int = 0
    """Meters of rounds that were given up."""
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Of urgent requests, seconds until their visits began."""
    cpu: float = 0.0
    """Seconds of the worker, while the good meters were read."""
    samples: Counter[str] = field(default_factory=Counter)
    """Where it was spent."""
    memory: float = 0.0
    """MiB that a worker had at most."""
    lost: int = 0
    """Leases of visits to good meters."""
    refused: int = 0
    """Requests for hostile meters."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By kind of hostile meter."""

    @property
    def rate(self) -> float:
        """Good meters read per second."""
        return max(self.reads, 1) / self.seconds

    def count_cpu(self, *kinds: type[Kind]) -> float:
        """CPU seconds of the worker for these kinds of meters."""
        samples = sum(self.samples[find_prefix(kind)] for kind in kinds)
        return self.cpu * samples / max(self.samples.total(), 1)


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Without, with, with, without, …: whatever drifts meanwhile counts for both."""
    with (
        head_end.meters(sizes.good + URGENT_METERS) as fleet,
        head_end.hostile_meters(sizes.hostile) as hostile,
    ):
        names = register_meters(fleet)
        organisation = Organisation.objects.create(identification=HOSTILE_ORGANISATION, name="Hostile")
        tenant = Tenant(organisation, add_meters(organisation, hostile.descriptions()))
        turns = _Turns(head_end, sizes, folder, names)
        alone, beside = Measured(), Measured()
        for turn in range(2 * sizes.hostile_turns):
            if turn % 4 in (1, 2):
                turns.run(beside, tenant)
            else:
                turns.run(alone, None)
    yield from _list_figures(sizes, alone, beside)
    yield from _list_kinds(beside)


class _Turns:
    """Runs turns on a platform that knows both fleets."""

    def __init__(self, head_end: HeadEnd, sizes: Sizes, folder: Path, names: Sequence[str]) -> None:
        self._head_end = head_end
        self._rounds = sizes.hostile_rounds
        self._folder = folder
        self._urgent, self._others = names[:URGENT_METERS], names[URGENT_METERS:]
        self._turn = 0

    def run(self, measured: Measured, tenant: Tenant | None) -> None:
        """One turn, with new processes; ``tenant`` has work for its hostile meters meanwhile."""
        self._turn += 1
        filling.pause_counting()
        samples = self._folder / f"hostile-cpu-{self._turn}.json"
        include = f"osgp.visits.worker_process,{hostile_cpu.__name__}"
        variables = {**WORKER, hostile_cpu.VARIABLE: str(samples)}
        with ExitStack() as stack:
            worker = stack.enter_context(self._head_end.worker("--include", include, environment=variables))
            stack.enter_context(self._head_end.dispatcher())
            self._read(Measured(), worker, samples)  # Whatever is made on first use.
            for _ in range(self._rounds):
                if not self._read(measured, worker, samples, tenant):
                    break
            measured.memory = max(measured.memory, worker.read_peak_memory())
            if tenant is not None:
                self._look(measured, tenant)
            lost = MeterSession.objects.filter(state=SessionState.LOST, claimed_at__isnull=False)
            measured.lost += lost.filter(meter__identification__in=[*self._urgent, *self._others]).count()
        filling.empty()

    def _read(self, measured: Measured, worker: Part, samples: Path, tenant: Tenant | None = None) -> bool:
        """Read all good meters at one moment, and ask the urgent ones until that is over.

        What a hostile tenant asks of its meters is due at that moment as well. Return whether all good ones
        were read within LONGEST_ROUND.
        """
        reads = make_stored_reads(self._others)
        due = Reads([*reads.batches, *(tenant.ask() if tenant else ())]).start()
        cpu, spent = worker.read_cpu_seconds(), cpu_split.samples(samples)
        unfinished = reads.requests.exclude(state__in=FINAL_STATES)
        urgent: list[Reads] = []
        end = time.monotonic() + LONGEST_ROUND
        while is_unfinished := unfinished.exists():
            if not worker.is_running:
                raise RuntimeError(f"the worker has ended:\n{worker.log.read_text()[-2000:]}")
            if time.monotonic() > end:
                break
            before = urgent[-len(self._urgent)] if len(urgent) >= len(self._urgent) else None
            if before is None or before.requests.filter(started_at__isnull=False).exists():
                name = self._urgent[len(urgent) % len(self._urgent)]
                urgent.append(make_stored_reads([name], priority=URGENT, held=False))
            time.sleep(PAUSE)
        measured.cpu += worker.read_cpu_seconds() - cpu
        measured.samples += cpu_split.samples(samples) - spent
        finished = reads.requests.filter(state__in=FINAL_STATES)
        measured.reads += finished.count()
        measured.unread += len(self._others) - finished.count()
        measured.failed += finished.exclude(state=RequestState.SUCCEEDED).count()
        now = timezone.now()
        measured.seconds += LONGEST_ROUND if is_unfinished else max(reads.seconds_since(due))
        for asked in urgent:
            request = asked.requests.get()
            measured.waits.append(((request.started_at or now) - request.due_at).total_seconds())
        return not is_unfinished

    @staticmethod
    def _look(measured: Measured, tenant: Tenant) -> None:
        measured.refused += tenant.refused
        tenant.refused = 0
        for kind, outcome in tenant.list_outcomes().items():
            measured.outcomes.setdefault(kind, Outcome()).add(outcome)


def _list_figures(sizes: Sizes, alone: Measured, beside: Measured) -> Iterator[Figure]:
    what = f"{sizes.good:,} good meters beside {sizes.hostile:,} hostile ones: read per second"
    yield Figure(what, beside.rate, "1/s", "", alone.rate, WITHOUT)
    yield Figure("– times that of the peer", beside.rate / alone.rate, "×", "≥ 0.9 ×")
    yield Figure("– that failed", beside.failed, "", "0", alone.failed, WITHOUT)
    yield Figure(f"– not read within {LONGEST_ROUND:.0f} s", beside.unread, "", "0", alone.unread, WITHOUT)
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        waited, waited_alone = (find_percentile(each.waits, share) for each in (beside, alone))
        yield Figure(
            f"wait of priority {URGENT} of the good tenant, {name}", waited, "s", "", waited_alone, WITHOUT
        )
    yield Figure("memory of the worker at most", beside.memory, "MiB", "", alone.memory, WITHOUT)
    yield Figure("– memory, times that of the peer", beside.memory / alone.memory, "×", "≤ 1.3 ×")
    costs = [1000 * each.cpu / max(each.reads, 1) for each in (beside, alone)]
    yield Figure("CPU of the worker per good meter read, all in", costs[0], "ms", "", costs[1], WITHOUT)
    spent = 1000 * beside.count_cpu(*KINDS) / max(beside.reads, 1)
    yield Figure("– of that, in visits to hostile meters", spent, "ms")
    yield Figure("leases lost of good meters", beside.lost, "", "0", alone.lost, WITHOUT)
    outcomes = beside.outcomes.values()
    yield Figure("leases lost of hostile meters", sum(each.lost for each in outcomes), "", "0")
    yield Figure("visits to hostile meters", sum(each.visits for each in outcomes), "")
    yield Figure("– faults because of internal errors", sum(each.internal for each in outcomes), "", "0")
    yield Figure("– requests for them that were refused", beside.refused, "")


def _list_kinds(beside: Measured) -> Iterator[Figure]:
    """What each kind got, how long it held a place, and what it cost."""
    for kind in KINDS:
        outcome = beside.outcomes.get(kind.find_name())
        if outcome is None or not outcome.visits:
            continue
        cost = 1000 * beside.count_cpu(kind) / outcome.visits
        name = kind.find_name()
        yield Figure(f"{name}: longest visit of {outcome.visits:,}", outcome.longest, "s", str(outcome))
        yield Figure(f"– {name}: CPU of the worker per visit", cost, "ms")
