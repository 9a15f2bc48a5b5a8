"""Runs the test suite twice: on SQLite with the in-process broker, and on PostgreSQL with RabbitMQ.

    python -m scripts.test [--only embedded|services] [arguments of pytest]

The second run leaves out the tests that have no database (scripts/pytest_database.py): they ran in the first.
Both runs use databases, virtual hosts and secrets of their own, so several of them may run side by side.
Exits with 0 if both passed and with 1 if one did not. Where no PostgreSQL or RabbitMQ is to be had, only the
first run takes place; the last lines say so, and the exit code is 3 if it passed.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import NoReturn

from scripts import services

HALF_ONLY = 3
"""Exit code: what was run passed, but PostgreSQL and RabbitMQ were not there for the rest."""
WORKERS = min(8, 2 * (os.cpu_count() or 1))
"""Processes of pytest-xdist: two per core, as tests that start processes wait for them most of the time."""
XDIST_WORKERS = [f"gw{number}" for number in range(WORKERS)]


def say(line: str) -> None:
    """Print a line for the user, at once."""
    print(f"== {line}", flush=True)


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str], *, parallel: bool = True) -> int:
    """Run pytest in an environment of its own; its exit code."""
    with tempfile.TemporaryDirectory(prefix="osgp-test-") as var:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "scripts.pytest_virtual_host"]
        if parallel:
            command += ["-p", "scripts.pytest_order", "-n", str(WORKERS), "--dist", "loadfile"]
            command += ["--no-loadscope-reorder"]
        own = {"OSGP_VAR_DIR": var, "OSGP_LOCAL_SECRETS": "1"}
        # Dozens of processes would compile all they import, each anew.
        kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.run([*command, *arguments], env=kept | own).returncode


def run_embedded(arguments: Sequence[str]) -> int:
    """The suite on what `make run` uses."""
    environment = dict(os.environ)
    for name in ("DATABASE_URL", "BROKER_URL"):
        environment.pop(name, None)
    return run_pytest(arguments, environment)


def run_on_services(found: services.Services, arguments: Sequence[str]) -> int:
    """The suite on what production uses, with a database and a virtual host per process and run."""
    run = f"osgp_{secrets.token_hex(4)}"
    environment = {**os.environ, "DATABASE_URL": services.replace_path(found.database_url, run)}
    hosts = [run, *(f"{run}_{worker}" for worker in XDIST_WORKERS)]
    own_hosts = services.make_virtual_hosts(found.broker, hosts)
    if own_hosts:
        environment["BROKER_URL"] = services.replace_path(found.broker.url, run)
        environment["OSGP_TEST_VIRTUAL_HOST"] = run
    else:
        say("No virtual host of our own on this RabbitMQ: one process only, and nobody else may use it now")
        environment["BROKER_URL"] = found.broker.url
    try:
        return run_pytest(["-p", "scripts.pytest_database", *arguments], environment, parallel=own_hosts)
    finally:
        if own_hosts:
            services.drop_virtual_hosts(found.broker, hosts)
        services.drop_databases(found.database_url, f"test_{run}")


def stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Let SIGTERM unwind, so that what was started is stopped."""
    raise SystemExit(128 + signum)


def main() -> int:
    """The runs that are wanted and possible; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.test", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["embedded", "services"], help="one of the two runs")
    options, arguments = parser.parse_known_args()
    signal.signal(signal.SIGTERM, stop)

    outcomes: dict[str, int] = {}
    found, missing = None, ""
    try:
        if options.only != "embedded":
            try:
                found = services.find_or_start(os.environ, say)
            except services.UnusableServiceError as error:
                say(str(error))
                print(services.HELP, file=sys.stderr)
                return 1
            except services.NoServiceError as error:
                missing = str(error)
        if options.only != "services":
            say("SQLite and the in-process broker")
            outcomes["SQLite + in-process broker"] = run_embedded(arguments)
        if found is not None:
            say("PostgreSQL and RabbitMQ")
            outcomes["PostgreSQL + RabbitMQ"] = run_on_services(found, arguments)
    except KeyboardInterrupt:
        return 130
    finally:
        if found is not None:
            found.close()
    for name, code in outcomes.items():
        say(f"{name}: {'passed' if code == 0 else 'FAILED'}")
    if missing:
        say_what_is_missing(missing)
    if any(outcomes.values()):
        return 1
    return HALF_ONLY if missing else 0


def say_what_is_missing(reason: str) -> None:
    """Say in the last lines that half of the suite was left out."""
    say("PostgreSQL + RabbitMQ: NOT RUN")
    say("")
    say(
        "THIS WAS NOT THE WHOLE SUITE. Nothing was tested on PostgreSQL and RabbitMQ, as production has them:"
    )
    for line in (reason, *services.HELP.splitlines()):
        say(line)
    say(f"Exit code {HALF_ONLY}, unless what was run failed.")


if __name__ == "__main__":
    sys.exit(main())
