"""All meters of a fleet read at one moment, with all processes on this machine, and how long each one waits.

A worker per core, one dispatcher, one process of simulated meters, PostgreSQL and RabbitMQ.
"""

from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure, find_percentile
from scripts.benchmarks.reads import make_stored_reads, postgres_cpu, register_meters
from scripts.benchmarks.sizes import Sizes

BUDGET_METERS = 40_000
WARM_UP = 200


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """From due to the last result."""
    with head_end.meters(sizes.meters) as fleet:
        names = register_meters(fleet)
        with head_end.running() as parts:
            warm_up = make_stored_reads(names[:WARM_UP])
            warm_up.start()
            warm_up.wait()
            reads = make_stored_reads(names)
            due = reads.start()
            everything = {**parts, "simulator": [fleet.part]}
            before = {
                name: sum(part.read_cpu_seconds() for part in each) for name, each in everything.items()
            }
            with postgres_cpu() as postgres:
                reads.wait()
                served = postgres()
            cpu = {
                name: sum(part.read_cpu_seconds() for part in each) - before[name]
                for name, each in everything.items()
            }
    seconds = reads.seconds_since(due)
    budget = "< 300 s" if sizes.meters == BUDGET_METERS else f"< 300 s for {BUDGET_METERS:,}"
    yield Figure(f"{sizes.meters:,} meters read, from due to the last result", max(seconds), "s", budget)
    yield Figure("sessions per second", sizes.meters / max(seconds), "1/s")
    for share in (0.5, 0.95, 0.99):
        yield Figure(
            f"from due to result, p{round(share * 100)} of all requests", find_percentile(seconds, share), "s"
        )
    if served is not None:
        cpu["PostgreSQL"] = served
    for name, used in cpu.items():
        yield Figure(f"CPU per session, {name}", 1000 * used / sizes.meters, "ms")
