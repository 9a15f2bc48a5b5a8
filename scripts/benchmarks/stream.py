"""The live stream: what an idle listener costs, and how late many listeners hear of events."""

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from osgp.accounts.models import ApiToken, Organisation
from osgp.events.models import Event, EventKind
from scripts.benchmarks.head_end import HeadEnd, Part
from scripts.benchmarks.listeners import Listeners, call, read_until
from scripts.benchmarks.measuring import Figure, find_percentile
from scripts.benchmarks.sizes import Sizes

RATES = (1, 10, 50)
"""Events per second, of one organisation whose listeners get all of them."""
EVENT_DATA = {
    "device_identification": "SIME0000000000001",
    "message": "ActualMeterReads",
    "status": "SUCCEEDED",
}


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """One process; listeners that wait, then the same ones while events come."""
    organisation = Organisation.objects.create(identification=f"STREAM{uuid.uuid4().hex[:8]}", name="Stream")
    _, token = ApiToken.issue(organisation, "bench")
    with head_end.stream(sizes.listeners) as (part, port), ExitStack() as stack:
        for caller in call(stack, port, token, 1):  # what only the first one costs
            read_until(caller, b"\nid: ")
        before = part.read_memory()
        listening = Listeners(port, token, sizes.listeners)
        stack.callback(listening.close)
        what = f"{sizes.listeners:,} listeners"
        yield Figure(f"{what}: memory of each", 1024 * (part.read_memory() - before) / sizes.listeners, "KiB")
        yield Figure(f"{what}: threads of the process", part.count_threads(), "", "not one each")
        begun = part.read_cpu_seconds()
        time.sleep(sizes.listening)
        idle = (part.read_cpu_seconds() - begun) / sizes.listening
        yield Figure(f"{what}: CPU while nothing happens", 100 * idle, "% of a core")
        for rate in RATES:
            yield from _measure_rate(part, listening, organisation, rate, rate * sizes.listening, what)


def _measure_rate(
    part: Part, listening: Listeners, organisation: Organisation, rate: int, count: int, what: str
) -> Iterator[Figure]:
    listening.expect(count)
    cpu, begun = part.read_cpu_seconds(), time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        # Each is committed a moment later: the figures have that moment in them.
        Event.objects.create(
            organisation=organisation,
            kind=EventKind.REQUEST_COMPLETED,
            subject=uuid.uuid4(),
            device_identification=EVENT_DATA["device_identification"],
            data={"correlation_uid": str(uuid.uuid4()), **EVENT_DATA, "sent": time.time()},
        )
    latencies = listening.collect()
    used = part.read_cpu_seconds() - cpu
    prefix = f"{what}, {rate} events/s"
    yield Figure(f"{prefix}: from commit to listener, p50", 1000 * find_percentile(latencies, 0.5), "ms")
    yield Figure(f"{prefix}: from commit to listener, p95", 1000 * find_percentile(latencies, 0.95), "ms")
    yield Figure(f"{prefix}: CPU per event and listener", 1e6 * used / len(latencies), "µs")
