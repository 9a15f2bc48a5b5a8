"""What one listener takes: alarms over TCP, none of which may be lost once acknowledged, and over UDP."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from osgp.alarms.models import PushCount, ReceivedPush, Transport
from scripts.benchmarks.head_end import HeadEnd, Part
from scripts.benchmarks.measuring import Figure, run_and_read
from scripts.benchmarks.push_sender import read_number
from scripts.benchmarks.reads import wait_for
from scripts.benchmarks.sizes import Sizes
from scripts.private_services import find_free_port

RATE = 2_000
"""Alarms per second over TCP."""
SENDERS = 10_000
DATAGRAM_RATES = (2_500, 5_000, 10_000, 20_000)
"""Alarms per second over UDP; each is tried for some seconds."""
DATAGRAM_SECONDS = 5
WARM_UP = 100
CPU_BUDGET = "≤ 0.4 ms"


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """TCP at one rate, then UDP at several."""
    port = find_free_port()
    with head_end.listener(port) as part:
        yield from _measure_calls(part, port, sizes.pushes, folder)
        yield from _measure_datagrams(part, port, sizes.pushes)
    ReceivedPush.objects.all().delete()


def _send(transport: str, port: int, rate: int, count: int, *options: str) -> dict[str, Any]:
    command = ["-m", "scripts.benchmarks.push_sender", transport, str(port)]
    sizes = ["--rate", str(rate), "--count", str(count), "--senders", str(SENDERS)]
    found: dict[str, Any] = json.loads(run_and_read([*command, *sizes, *options], {}))
    return found


def _measure_calls(part: Part, port: int, count: int, folder: Path) -> Iterator[Figure]:
    numbers = folder / "acknowledged"
    _send("tcp", port, RATE, WARM_UP)
    ReceivedPush.objects.all().delete()
    cpu = part.read_cpu_seconds()
    outcome = _send("tcp", port, RATE, count, "--numbers", str(numbers))
    cpu = part.read_cpu_seconds() - cpu
    rows = ReceivedPush.objects.filter(transport=Transport.TCP).values_list("octets", flat=True)
    stored = [read_number(bytes(octets)) for octets in rows.iterator()]
    acknowledged = set(map(int, numbers.read_text().split()))
    lost = len(acknowledged - set(stored))
    if lost or len(stored) != len(set(stored)):
        raise RuntimeError(f"{lost} acknowledged alarms were not stored, of {len(stored)} rows")
    what = f"{count:,} alarms over TCP from {SENDERS:,} senders"
    yield Figure(f"{what}: acknowledged", outcome["acknowledged"], "", "all")
    yield Figure("– acknowledged and not stored", lost, "", "0")
    yield Figure("– reset: the meter tries again", outcome["reset"], "", "0")
    yield Figure("– without an answer 30 s after the last one", outcome["unanswered"], "", "0")
    yield Figure("– sent per second", count / outcome["seconds"], "1/s", f"{RATE:,}")
    yield Figure("– the listener's CPU per alarm", 1000 * cpu / count, "ms", CPU_BUDGET)
    median, nearly_all, longest = (1000 * wait for wait in outcome["waits"])
    yield Figure("– p50 until acknowledged", median, "ms")
    yield Figure("– p99", nearly_all, "ms")
    yield Figure("– longest", longest, "ms")


def _measure_datagrams(part: Part, port: int, most: int) -> Iterator[Figure]:
    without_loss = 0.0
    for rate in DATAGRAM_RATES:
        count = min(most, rate * DATAGRAM_SECONDS)
        ReceivedPush.objects.all().delete()
        cpu = part.read_cpu_seconds()
        outcome = _send("udp", port, rate, count)
        arrived = _wait_for_rest()
        cpu = part.read_cpu_seconds() - cpu
        yield Figure(f"UDP, {rate:,} a second: lost", 100 * (1 - arrived / count), "%")
        if arrived < count:
            break
        without_loss = count / outcome["seconds"]
        yield Figure("– the listener's CPU per alarm", 1000 * cpu / count, "ms")
    yield Figure("UDP: the highest of these without loss, sent", without_loss, "1/s")
    dropped = PushCount.objects.filter(outcome="LOST_BY_KERNEL").values_list("number", flat=True)
    yield Figure("UDP: counted as dropped by the kernel, in all", sum(dropped), "")
    yield Figure("the listener's memory at most", part.read_peak_memory(), "MiB")


def _wait_for_rest() -> int:
    """Wait until no more rows come; returns how many there are."""
    seen = [-1]

    def has_settled() -> bool:
        now = ReceivedPush.objects.filter(transport=Transport.UDP).count()
        settled = now == seen[0]
        seen[0] = now
        time.sleep(1.5)
        return settled

    wait_for(has_settled, "the last datagrams")
    return seen[0]
