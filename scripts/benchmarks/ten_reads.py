"""Ten readings of one meter: as a bundle, as single requests that one visit takes, and one after another."""

from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks import one_meter
from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.sizes import Sizes

READS = 10
MESSAGE = "ActualMeterReads"


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """A meter for each way, all alike."""
    yield from one_meter.compare(head_end, f"{READS} reads", [{"message": MESSAGE}] * READS)
