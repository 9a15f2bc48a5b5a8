"""Ten readings of one meter: as a bundle, as single requests that one visit takes, and one after another."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from django.db.models import Max, Min, Sum

from osgp.accounts.models import Organisation
from osgp.requests.models import FINAL_STATES, LIVE_SESSION_STATES, MeterSession, Request, RequestState
from osgp.requests.submission import make_organisation_caller, submit
from scripts.benchmarks.head_end import ORGANISATION, HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.reads import Reads, make_stored_reads, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes

ROUND_TRIP = "300ms"
READS = 10
MESSAGE = "ActualMeterReads"
LOOK_EVERY = 0.02


class Cost(NamedTuple):
    """What ten readings took."""

    associations: int
    round_trips: int
    seconds: float


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """A meter for each way, all alike."""
    with head_end.meters(4, "--latency", ROUND_TRIP, "--phases", "single") as fleet:
        warm_up, bundled, coalesced, single = register_meters(fleet)
        with head_end.running(workers=1):
            _measure_cost(warm_up, _ask_in_bundle)
            ways = {
                "a bundle": _measure_cost(bundled, _ask_in_bundle),
                "single requests of one moment": _measure_cost(coalesced, _ask_together),
            }
            apart = _measure_cost(single, _ask_one_after_another)
    for way, cost in ways.items():
        for what, unit in (("associations", ""), ("round_trips", ""), ("seconds", "s")):
            yield Figure(
                f"{READS} reads as {way}: {what.replace('_', ' ')}",
                getattr(cost, what),
                unit,
                "",
                getattr(apart, what),
                "one request after another",
            )


def _measure_cost(identification: str, ask: Callable[[str], None]) -> Cost:
    ask(identification)
    requests = Request.objects.filter(device_identification=identification)
    wait_for(lambda: not requests.exclude(state__in=FINAL_STATES).exists(), "ten readings", LOOK_EVERY)
    if requests.exclude(state=RequestState.SUCCEEDED).exists():
        raise RuntimeError(f"not all readings of {identification} succeeded")
    sessions = MeterSession.objects.filter(meter__identification=identification)
    wait_for(lambda: not sessions.filter(state__in=LIVE_SESSION_STATES).exists(), "the last visit")
    times = requests.aggregate(due=Min("due_at"), end=Max("completed_at"))
    seconds = (times["end"] - times["due"]) / timedelta(seconds=1)
    return Cost(sessions.count(), sessions.aggregate(total=Sum("round_trips"))["total"], seconds)


def _ask_in_bundle(identification: str) -> None:
    caller = make_organisation_caller(Organisation.objects.get(identification=ORGANISATION), "bench")
    submit(
        caller, "Bundle", {"device_identification": identification, "actions": [{"message": MESSAGE}] * READS}
    )


def _ask_together(identification: str) -> None:
    waiting = [make_stored_reads([identification]) for _ in range(READS)]
    Reads([batch for reads in waiting for batch in reads.batches]).start()


def _ask_one_after_another(identification: str) -> None:
    for _ in range(READS):
        reads = make_stored_reads([identification], held=False)
        final = reads.requests.filter(state__in=FINAL_STATES)
        wait_for(final.exists, "one reading", LOOK_EVERY)
