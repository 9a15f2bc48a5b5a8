"""How much each benchmark does: a few minutes' worth unless told otherwise."""

import argparse
from dataclasses import dataclass, field, fields
from typing import Any


def _make_size_option(usual: int, full: int, help_text: str) -> int:
    size: int = field(default=usual, metadata={"full": full, "help": help_text})
    return size


@dataclass(frozen=True)
class Sizes:
    """Numbers of meters and requests; the full ones are those that the budgets speak of."""

    sessions: int = _make_size_option(1_000, 2_000, "secured sessions whose CPU is measured")
    meters: int = _make_size_option(2_000, 40_000, "meters read at one moment")
    in_flight: int = _make_size_option(500, 2_000, "sessions in flight in one worker")
    backlog: int = _make_size_option(2_000, 10_000, "requests of priority 0 that urgent ones overtake")
    past: int = _make_size_option(200_000, 5_000_000, "finished requests in the tables of a big night")
    waiting: int = _make_size_option(20_000, 200_000, "requests of a batch that wait in a big night")
    visits: int = _make_size_option(1_000, 2_000, "visits of a big night that are measured")
    turns: int = _make_size_option(3, 3, "turns of a big night and an empty platform, the middle one counts")
    urgent: int = _make_size_option(30, 100, "urgent requests")
    posts: int = _make_size_option(500, 2_000, "requests posted one by one")
    batch: int = _make_size_option(2_000, 10_000, "requests posted as one batch")
    listeners: int = _make_size_option(1_000, 2_000, "listeners of the live stream")
    listening: int = _make_size_option(10, 20, "seconds that they listen at each rate of events")
    rounds: int = _make_size_option(5, 5, "rounds of the ciphered day, the fastest of which counts")
    months: int = _make_size_option(100, 1_000, "interval months of meters that are stored")
    night: int = _make_size_option(300, 10_000, "meters read by a schedule at night")
    night_turns: int = _make_size_option(
        2, 1, "nights of a schedule and of a batch, the cheapest of each counts"
    )
    endpoints: int = _make_size_option(500, 5_000, "webhook endpoints, a tenth of which hangs")
    events: int = _make_size_option(60, 120, "events that their endpoints are told one after another")
    notifications: int = _make_size_option(5_000, 20_000, "notifications that are due at once")
    expected: int = _make_size_option(20_000, 100_000, "meters of which it is asked which lack readings")
    pushes: int = _make_size_option(20_000, 120_000, "alarms pushed over TCP, 2,000 a second")
    pairs: int = _make_size_option(1_000, 1_000, "pairs of quirks that meters have, or all that there can be")
    good: int = _make_size_option(2_000, 2_000, "good meters that are read beside hostile ones")
    hostile: int = _make_size_option(200, 200, "hostile meters of another tenant")
    hostile_rounds: int = _make_size_option(3, 10, "times that the good meters are read in a turn")
    hostile_turns: int = _make_size_option(2, 3, "turns without hostile meters, and with them")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """An option for each size, and one for all of them."""
    parser.add_argument("--full", action="store_true", help="the sizes that the budgets speak of")
    for item in fields(Sizes):
        full = item.metadata["full"]
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=_parse_positive,
            metavar="N",
            help=f"{item.metadata['help']} ({item.default}; full: {full})",
        )


def from_options(options: argparse.Namespace) -> Sizes:
    """What the options say."""
    sizes: dict[str, int] = {}
    for item in fields(Sizes):
        given = getattr(options, item.name)
        usual: Any = item.metadata["full"] if options.full else item.default
        sizes[item.name] = usual if given is None else given
    return Sizes(**sizes)


def _parse_positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
