"""Meters that differ from the books, two quirks at a time: what reading messages lose or get wrong of them.

Needs no platform: only what the platform does around a message (:mod:`.quirk_visits`).
"""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from osgp.simulator.quirks import Quirk
from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.quirk_readings import READINGS, list_pairs
from scripts.benchmarks.quirk_visits import Outcome, QuirkyMeters
from scripts.benchmarks.sizes import Sizes

PEER = "the same messages to meters without quirks"
_SHOWN = 100
"""Characters of what went wrong."""


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """All reading messages with each pair; a table of what failed."""
    pairs = list_pairs(sizes.pairs)
    with QuirkyMeters.running() as meters:
        usual = [meters.read(frozenset(), reading) for reading in READINGS]
        tried = {
            pair: [meters.try_to_read(frozenset(pair), reading) for reading in READINGS] for pair in pairs
        }
    outcomes = [outcome for of_pair in tried.values() for outcome in of_pair]
    failed = {pair: bad for pair, of_pair in tried.items() if (bad := _list_bad(of_pair))}
    if failed:
        _print_failures(failed)
    yield Figure("pairs of quirks", len(pairs), "")
    yield Figure("readings", len(outcomes), "")
    yield Figure("– rows that there should be", sum(each.verdict.judged for each in outcomes), "")
    yield Figure("pairs with a failure", len(failed), "", "0")
    yield Figure("rows lost", sum(each.verdict.lost for each in outcomes), "", "0")
    yield Figure("rows wrong", sum(each.verdict.wrong for each in outcomes), "", "0")
    yield Figure(
        "readings that ended with a fault", sum(each.fault is not None for each in outcomes), "", "0"
    )
    yield Figure(
        "APDUs per reading",
        sum(each.round_trips for each in outcomes) / len(outcomes),
        "APDUs",
        "",
        sum(each.round_trips for each in usual) / len(usual),
        PEER,
    )


def _list_bad(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.is_good]


def _print_failures(failed: dict[tuple[Quirk, Quirk], list[Outcome]]) -> None:
    table = Table(title="Readings that failed")
    for name in ("Quirks", "Reading", "Lost", "Wrong", "APDUs", "First of it"):
        table.add_column(name, justify="right" if name in ("Lost", "Wrong", "APDUs") else "left")
    for (one, other), outcomes in failed.items():
        for outcome in outcomes:
            what = outcome.fault or "; ".join(outcome.verdict.notes)
            numbers = (outcome.verdict.lost, outcome.verdict.wrong, outcome.round_trips)
            table.add_row(f"{one} + {other}", outcome.reading.name, *map(str, numbers), what[:_SHOWN])
        table.add_section()
    console = Console()
    console.width = max(console.width, 200)
    console.print(table)
