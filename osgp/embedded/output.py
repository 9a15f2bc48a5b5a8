"""What people see of the embedded platform: a progress bar, a table of readings, and where to go on."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from osgp.embedded.main_job import Reading

T = TypeVar("T")
VALUES = "Import", "Export", "Gas"
"""Headings of measured values."""
UNBOUNDED = 1_000
"""Columns, more than any table has."""


def collect_with_progress(console: Console, title: str, items: Iterable[T], total: int) -> list[T]:
    """Collect ``items`` while a bar shows how many of ``total`` there are."""
    collected = []
    columns = (TextColumn("{task.description:<18}"), BarColumn(40), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        for item in items:
            collected.append(item)
            progress.advance(task)
    return collected


def make_readings_table(readings: Sequence[Reading], console: Console) -> Table:
    """One row per electricity meter, its gas meter beside it; two lines each where the console is narrow."""
    rows = _make_rows(readings)
    headings = "Meter", "Profile", "Clock (UTC)", *VALUES
    table = _make_table(headings, rows)
    unbounded = console.options.update(max_width=UNBOUNDED)
    if console.measure(table, options=unbounded).maximum <= console.width:
        return table
    stacked = [
        (f"{meter}\n  {profile}", clock.replace(" ", "\n"), *values)
        for meter, profile, clock, *values in rows
    ]
    narrow = {"box": box.SIMPLE_HEAD, "show_edge": False, "padding": (0, 1, 0, 0)}
    return _make_table(("Meter\n  Profile", *headings[2:]), stacked, **narrow)


def _make_rows(readings: Sequence[Reading]) -> list[tuple[str, str, str, str, str, str]]:
    behind = {reading.gateway: reading for reading in readings if reading.gateway}
    rows = []
    for reading in sorted(readings, key=lambda item: item.device_identification):
        if reading.gateway:
            continue
        gas = behind.get(reading.device_identification)
        clock = str(reading.result.get("log_time") or "-").replace("T", " ").removesuffix("Z")
        rows.append(
            (
                reading.device_identification,
                reading.profile,
                clock.partition(".")[0],
                reading.format_value("active_energy_import"),
                reading.format_value("active_energy_export"),
                gas.format_value("consumption") if gas else "",
            )
        )
    return rows


def _make_table(headings: Sequence[str], rows: Iterable[Sequence[str]], **style: Any) -> Table:
    table = Table(title="Actual meter reads", title_justify="left", **style)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in VALUES else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def list_problems(readings: Sequence[Reading]) -> list[Text]:
    """One line per device that was not read."""
    return [
        Text(f"{reading.device_identification} was not read: {reading.problem}", style="red")
        for reading in readings
        if reading.problem
    ]
