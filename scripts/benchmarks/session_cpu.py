"""CPU of a secured session, from due request to stored result, and what it is spent on.

The peer is a plain script around gurux-dlms with its own cipher, doing the same with the same meters.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from scripts.benchmarks import cpu_split
from scripts.benchmarks.head_end import Fleet, HeadEnd
from scripts.benchmarks.measuring import Figure, run_and_read
from scripts.benchmarks.reads import make_stored_reads, postgres_cpu, register_meters
from scripts.benchmarks.sizes import Sizes

CLIENT_SESSIONS = 200
"""Sessions of each client without a head-end, at most: gurux-dlms takes its time."""
COUNTERS_OF_CLIENTS = 100_000
"""Invocation counters below are for the clients that come first."""
PEER = "gurux-dlms with its own cipher, no head-end"


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Clients alone first, then the head-end with the same meters."""
    with head_end.meters(sizes.sessions) as fleet:
        alone = {
            client: _measure_client(fleet, client, number)
            for number, client in enumerate(("stock", "own", "own-lists"))
        }
        names = register_meters(fleet, first_counter=COUNTERS_OF_CLIENTS)
        split_file = folder / "cpu-split.json"
        include = f"osgp.visits.worker_process,{cpu_split.__name__}"
        with ExitStack() as stack:
            variables = {cpu_split.VARIABLE: str(split_file)}
            worker = stack.enter_context(head_end.worker("--include", include, environment=variables))
            parts = {"worker": worker, "dispatcher": stack.enter_context(head_end.dispatcher())}
            parts["simulator"] = fleet.part
            warm_up = make_stored_reads(names)
            warm_up.start()
            warm_up.wait()
            reads = make_stored_reads(names)
            reads.start()
            before = {name: part.read_cpu_seconds() for name, part in parts.items()}
            samples = cpu_split.samples(split_file)
            with postgres_cpu() as postgres:
                reads.wait()
                served = postgres()
            cpu = {
                name: 1000 * (part.read_cpu_seconds() - before[name]) / len(names)
                for name, part in parts.items()
            }
            samples = cpu_split.samples(split_file) - samples
    yield from _list_figures(cpu, samples, alone)
    if served is not None:
        yield Figure("PostgreSQL's CPU per session, beside it", 1000 * served / len(names), "ms")
    yield Figure("simulator's CPU per session, beside it", cpu["simulator"], "ms")


def _list_figures(cpu: dict[str, float], samples: Counter[str], alone: dict[str, float]) -> Iterator[Figure]:
    yield Figure(
        "CPU per secured session, all in",
        cpu["worker"] + cpu["dispatcher"],
        "ms",
        "≤ 3.6 ms",
        alone["stock"],
        PEER,
    )
    yield Figure("– dispatcher", cpu["dispatcher"], "ms")
    yield Figure("– worker", cpu["worker"], "ms")
    for kind in (*cpu_split.KINDS, cpu_split.REST):
        value = cpu["worker"] * samples[kind] / max(samples.total(), 1)
        if kind == "DLMS":
            yield Figure("– – DLMS", value, "ms", "", alone["stock"], PEER)
        else:
            yield Figure(f"– – {kind}", value, "ms")
    yield Figure(
        "osgp.protocol_dlms alone, seven attributes in one request",
        alone["own-lists"],
        "ms",
        "",
        alone["stock"],
        PEER,
    )
    yield Figure(
        "osgp.protocol_dlms alone, one attribute per request as its peer",
        alone["own"],
        "ms",
        "",
        alone["stock"],
        PEER,
    )


def _measure_client(fleet: Fleet, client: str, number: int) -> float:
    """CPU per session in milliseconds."""
    arguments = [client, str(fleet.described), str(1 + number * 1_000), str(CLIENT_SESSIONS)]
    said = run_and_read(["-m", "scripts.benchmarks.session_clients", *arguments], {})
    # gurux-dlms prints as it goes; what was measured comes last.
    return float(json.loads(said.splitlines()[-1])["cpu_ms"])
