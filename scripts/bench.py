"""Measures the platform on this machine: `python -m scripts.bench [--only ROW] [--full] [--json FILE]`.

Every part is a process of its own, as in production. PostgreSQL and RabbitMQ are found or started as for
the tests. The benchmarks use a database and a virtual host of their own, and remove them afterwards.
docs/how-to/measure.md explains the figures.
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from scripts import services
from scripts.benchmarks import sizes
from scripts.benchmarks.head_end import HeadEnd, own_services
from scripts.benchmarks.measuring import Figure, describe_machine
from scripts.test import say

ROWS = {
    "session_cpu": "CPU of a secured session",
    "whole_fleet": "A fleet read at one moment",
    "in_flight": "Sessions in flight",
    "urgent": "Urgent requests behind a backlog",
    "backlog": "A visit in a big night",
    "ten_reads": "Ten reads of one meter, 300 ms per round trip",
    "configuration": "Ten configuration messages of one meter, 300 ms per round trip",
    "intake": "Requests taken in",
    "stream": "Listeners of the live stream",
    "day_profile": "A day of quarters of an hour, ciphered",
    "night": "A night: a day of all meters, read by a schedule",
    "readings": "Interval months of meters, stored",
    "notifications": "Notifications to web applications",
    "pushes": "Alarms pushed to one listener",
    "quirks": "Meters that differ from the books",
    "hostile": "Hostile meters of one tenant, good ones of another",
}
"""A module each in scripts/benchmarks."""

Measured = dict[str, list[Figure]]


def measure(
    environment: Mapping[str, str], folder: Path, rows: Sequence[str], how_much: sizes.Sizes
) -> Measured:
    """The figures of each row; what belongs to a platform is set up in this process as well."""
    os.environ.update(environment, DJANGO_SETTINGS_MODULE="osgp.settings")
    import django

    django.setup()
    from django.db import connection

    head_end = HeadEnd(environment, folder)
    measured: Measured = {}
    try:
        for row in rows:
            say(ROWS[row])
            module = importlib.import_module(f"scripts.benchmarks.{row}")
            measured[row] = list(module.measure(head_end, how_much, folder))
            print_table({row: measured[row]})
    finally:
        connection.close()
    return measured


def print_table(measured: Measured) -> None:
    """Figures for people."""
    table = Table()
    table.add_column("What")
    table.add_column("Measured", justify="right")
    table.add_column("Budget")
    table.add_column("Peer", justify="right")
    table.add_column("Peer is")
    for row, figures in measured.items():
        table.add_row(f"[bold]{ROWS[row]}[/bold]")
        for figure in figures:
            peer = "" if figure.peer is None else _format_value(figure.peer, figure.unit)
            table.add_row(
                figure.what, _format_value(figure.value, figure.unit), figure.budget, peer, figure.peer_is
            )
        table.add_section()
    console = Console()
    console.width = max(console.width, 140)
    console.print(table)


def _format_value(value: float, unit: str) -> str:
    return f"{value:,.0f}" if not unit else f"{value:,.2f} {unit}"


def make_document(measured: Measured, how_much: sizes.Sizes, load: tuple[float, ...]) -> dict[str, Any]:
    """Return the document that is written as JSON."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "load_before": list(load),
        "sizes": asdict(how_much),
        "figures": [
            {"row": row, **figure.as_dict()} for row, figures in measured.items() for figure in figures
        ],
    }


def stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Let SIGTERM unwind, so that what was started is stopped."""
    raise SystemExit(128 + signum)


def main() -> int:
    """All benchmarks; 0 when they could be measured."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where figures go (bench.json)")
    sizes.add_arguments(parser)
    options = parser.parse_args()
    how_much = sizes.from_options(options)
    signal.signal(signal.SIGTERM, stop)
    load = os.getloadavg()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="osgp-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            found = services.find_or_start(os.environ, say)
        except services.NoServiceError as error:
            say(str(error))
            print(services.HELP, file=sys.stderr)
            return 1
        stack.callback(found.close)
        environment = stack.enter_context(own_services(found, folder))
        measured = measure(environment, folder, options.only or list(ROWS), how_much)
    options.json.write_text(
        json.dumps(make_document(measured, how_much, load), indent=2, ensure_ascii=False) + "\n"
    )
    say(f"All figures (load of the machine before: {load[0]:.1f})")
    print_table(measured)
    say(f"Written to {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
