"""Measures the platform on this machine: `python -m scripts.bench [--meters N] [--json FILE]`.

Every part is a process of its own, as in production. PostgreSQL and RabbitMQ are found or started as for
the tests.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts import services
from scripts.benchmarks.measuring import ROOT, Figure, cpu_seconds, output_of, process
from scripts.test import say

ORGANISATION = "BENCH"
SESSION_METERS = 201
"""For CPU per session: one to warm up, two hundred to measure."""
SECONDS_PER_SUBMISSION = 0.02


def simulator(folder: Path, meters: int, *, gas: int = 0) -> Any:
    """A process with simulated SMR 5.1 meters, described in ``fleet.json`` of the folder."""
    arguments = ["manage.py", "simulate", "--count", str(meters), "--gas", str(gas), "--port", "0"]
    return process(
        *arguments,
        "--json",
        str(folder / "fleet.json"),
        environment={"OSGP_VAR_DIR": str(folder)},
        log=folder / "simulator.log",
        ready=f"{meters} meters on",
    )


def session_figures(folder: Path) -> Iterator[Figure]:
    """CPU per secured session with gurux-dlms alone and with our protocol layer, same steps, same meters."""
    with simulator(folder, SESSION_METERS) as simulated:
        costs = {}
        for number, client in enumerate(("stock", "own", "own-lists")):
            before = cpu_seconds(simulated.pid)
            fleet = str(folder / "fleet.json")
            counter = str(1 + number * 1_000)
            said = output_of(["-m", "scripts.benchmarks.sessions", client, fleet, counter], {})
            # gurux-dlms prints as it goes; what was measured comes last.
            costs[client] = json.loads(said.splitlines()[-1])["cpu_ms"]
            simulator_ms = (cpu_seconds(simulated.pid) - before) / SESSION_METERS * 1000
            if client == "own":
                simulator_cost = simulator_ms
    yield Figure("CPU per secured session, gurux-dlms alone", costs["stock"], "ms")
    yield Figure("CPU per secured session, our protocol layer", costs["own"], "ms")
    yield Figure("the same, seven attributes in one request", costs["own-lists"], "ms")
    yield Figure("gurux-dlms alone against ours", costs["stock"] / costs["own"], "×")
    yield Figure("simulator CPU per session, one attribute per request", simulator_cost, "ms")


@contextmanager
def own_services(found: services.Services, folder: Path) -> Iterator[Mapping[str, str]]:
    """The environment of a platform with a database and a virtual host that nobody else uses."""
    name = f"osgp_bench_{secrets.token_hex(4)}"
    with ExitStack() as stack:
        services.create_database(found.database_url, name)
        stack.callback(services.drop_databases, found.database_url, name)
        broker_url = found.broker.url
        if services.make_virtual_hosts(found.broker, [name]):
            stack.callback(services.drop_virtual_hosts, found.broker, [name])
            broker_url = services.with_path(broker_url, name)
        yield {
            "DATABASE_URL": services.with_path(found.database_url, name),
            "BROKER_URL": broker_url,
            "OSGP_LOCAL_SECRETS": "1",
            "OSGP_VAR_DIR": str(folder),
            "LOG_LEVEL": "WARNING",
        }


def end_to_end_figures(folder: Path, found: services.Services, meters: int) -> Iterator[Figure]:
    """All meters read once, due at the same moment: dispatcher, worker, simulator, PostgreSQL, RabbitMQ."""
    with ExitStack() as stack:
        environment = stack.enter_context(own_services(found, folder))
        output_of(["manage.py", "migrate", "--noinput"], environment)
        output_of(["manage.py", "create_organisation", ORGANISATION, "--name", "Benchmark"], environment)
        simulated = stack.enter_context(simulator(folder, meters))
        say(f"Registering {meters} meters")
        fleet = str(folder / "fleet.json")
        output_of(["manage.py", "register_fleet", fleet, "--organisation", ORGANISATION], environment)
        parts = {"simulator": simulated}
        for name, arguments in {
            "worker": ["manage.py", "worker", "--concurrency", "500"],
            "dispatcher": ["manage.py", "dispatch"],
        }.items():
            log = folder / f"{name}.log"
            parts[name] = stack.enter_context(process(*arguments, environment=environment, log=log))
        say("One round to warm up, one to measure")
        one_round(environment, parts, meters)
        outcome, cpu = one_round(environment, parts, meters)
    if outcome["succeeded"] != meters:
        raise RuntimeError(f"only {outcome['succeeded']} of {meters} meters were read")
    yield Figure(f"{meters:,} meters read, from due to the last result", outcome["seconds"], "s")
    yield Figure("sessions per second, all processes on this machine", meters / outcome["seconds"], "1/s")
    per_session = {name: seconds / meters * 1000 for name, seconds in cpu.items()}
    yield Figure("worker CPU per session, all in", per_session["worker"], "ms", "≤ 3.6 ms")
    yield Figure("dispatcher CPU per session", per_session["dispatcher"], "ms")
    yield Figure("simulator CPU per session", per_session["simulator"], "ms")
    yield Figure("time to check and store a request", outcome["submitting_seconds"] / meters * 1000, "ms")


def one_round(
    environment: Mapping[str, str], parts: Mapping[str, subprocess.Popen[bytes]], meters: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """Read every meter once: what came of it, and the CPU seconds of each process from the due moment on."""
    ahead = str(5 + meters * SECONDS_PER_SUBMISSION)
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.benchmarks.round_of_reads", ORGANISATION, ahead],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as reading:
        assert reading.stdout is not None
        line = reading.stdout.readline()
        if not line:
            raise RuntimeError("the round of readings did not begin")
        time.sleep(max(0.0, json.loads(line)["due"] - time.time() - 0.1))
        before = {name: cpu_seconds(part.pid) for name, part in parts.items()}
        rest = reading.stdout.read()
        used = {name: cpu_seconds(part.pid) - before[name] for name, part in parts.items()}
    if reading.returncode:
        raise RuntimeError("the round of readings failed")
    return json.loads(rest), used


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def table_of(figures: list[Figure]) -> Table:
    """The figures for people."""
    table = Table(title="Measured", title_justify="left")
    table.add_column("What")
    table.add_column("Value", justify="right")
    table.add_column("Budget")
    for figure in figures:
        table.add_row(figure.what, f"{figure.value:,.2f} {figure.unit}", figure.budget)
    return table


def main() -> int:
    """All benchmarks; 0 when they could be measured."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--meters", type=int, default=1_000, help="meters of the end-to-end round (1000)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where figures go (bench.json)")
    options = parser.parse_args()
    figures: list[Figure] = []
    folder = Path(tempfile.mkdtemp(prefix="osgp-bench-"))
    try:
        found = services.find(os.environ, say)
        try:
            say(f"Secured sessions with {SESSION_METERS - 1} meters, one after the other")
            figures += session_figures(folder)
            figures += end_to_end_figures(folder, found, options.meters)
        finally:
            found.close()
    except services.NoServiceError as error:
        say(str(error))
        print(services.HELP, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "figures": [figure.as_dict() for figure in figures],
    }
    options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    console = Console()
    console.width = max(console.width, 100)
    console.print(table_of(figures))
    say(f"Written to {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
