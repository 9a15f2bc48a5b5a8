"""What people see of the embedded platform: a progress bar, a table of readings, and where to go on."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from osgp.embedded.main_job import Reading

T = TypeVar("T")


def with_progress(console: Console, title: str, items: Iterable[T], total: int) -> list[T]:
    """Collect ``items`` while a bar shows how many of ``total`` there are."""
    collected = []
    columns = (TextColumn("{task.description:<18}"), BarColumn(40), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        for item in items:
            collected.append(item)
            progress.advance(task)
    return collected


def readings_table(readings: Sequence[Reading]) -> Table:
    """One row per electricity meter, its gas meter beside it; failures say why."""
    table = Table(title="Actual meter reads", title_justify="left")
    for heading in ("Meter", "Profile", "Clock (UTC)"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Import", "Export", "Gas"):
        table.add_column(heading, justify="right", no_wrap=True)
    behind = {reading.gateway: reading for reading in readings if reading.gateway}
    for reading in sorted(readings, key=lambda item: item.device_identification):
        if reading.gateway:
            continue
        gas = behind.get(reading.device_identification)
        clock = str(reading.result.get("log_time", "-")).replace("T", " ").removesuffix("Z")
        table.add_row(
            reading.device_identification,
            reading.profile,
            clock.partition(".")[0],
            reading.value("active_energy_import"),
            reading.value("active_energy_export"),
            gas.value("consumption") if gas else "",
        )
    return table


def problems(readings: Sequence[Reading]) -> list[Text]:
    """One line per device that was not read."""
    return [
        Text(f"{reading.device_identification} was not read: {reading.problem}", style="red")
        for reading in readings
        if reading.problem
    ]
