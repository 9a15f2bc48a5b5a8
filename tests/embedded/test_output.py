"""What people see of the demonstration, on wide terminals and on narrow ones."""

import re
from io import StringIO

import pytest
from rich.console import Console

from osgp.embedded.main_job import Reading
from osgp.embedded.output import make_readings_table


def energy(value: str, unit: str = "kWh") -> dict[str, str]:
    return {"value": value, "unit": unit}


READINGS = [
    Reading("SIMG0000000000021", "SMART_METER_G", "SMR 5.1", "SIME0000000000002", problem="233 no answer"),
    Reading(
        "SIMG0000000000011",
        "SMART_METER_G",
        "DSMR 4.2.2",
        "SIME0000000000001",
        {"consumption": energy("1234567.382", "m³")},
    ),
    Reading(
        "SIME0000000000001",
        "SMART_METER_E",
        "DSMR 4.2.2",
        "",
        {
            "log_time": "2026-11-23T08:46:28.560000Z",
            "active_energy_import": energy("124297.776"),
            "active_energy_export": energy("24289.251"),
        },
    ),
    Reading("SIME0000000000002", "SMART_METER_E", "SMR 5.1", "", problem="220 refused"),
]
"""As long as they get, in any order; of one meter nothing could be read."""


def printed(width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(make_readings_table(READINGS, console))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def cells(line: str) -> list[str]:
    """What is between borders, or where there are none, between gaps."""
    return [cell.strip() for cell in re.split(r"│| {2,}", line) if cell.strip()]


@pytest.mark.parametrize("width", [106, 200])
def test_a_line_per_meter_where_it_has_room(width: int) -> None:
    rows = [cells(line) for line in printed(width) if "SIM" in line]
    assert rows == [
        [
            "SIME0000000000001",
            "DSMR 4.2.2",
            "2026-11-23 08:46:28",
            "124297.776 kWh",
            "24289.251 kWh",
            "1234567.382 m³",
        ],
        ["SIME0000000000002", "SMR 5.1", "-", "-", "-", "-"],
    ]


@pytest.mark.parametrize("width", [80, 105])
def test_two_lines_per_meter_where_it_has_not(width: int) -> None:
    lines = printed(width)
    assert max(len(line) for line in lines) <= 80
    begin = next(number for number, line in enumerate(lines) if "SIM" in line)
    assert [cells(line) for line in lines[begin:]] == [
        ["SIME0000000000001", "2026-11-23", "124297.776 kWh", "24289.251 kWh", "1234567.382 m³"],
        ["DSMR 4.2.2", "08:46:28"],
        ["SIME0000000000002", "-", "-", "-", "-"],
        ["SMR 5.1"],
    ]
    # Values are below their headings, and end where they end.
    heading = next(line for line in lines if "Import" in line)
    for name, value in (("Import", "124297.776 kWh"), ("Export", "24289.251 kWh"), ("Gas", "1234567.382 m³")):
        assert heading.index(name) + len(name) == lines[begin].index(value) + len(value)
