"""Runs the test suite on SQLite with the in-process broker and, side by side, on PostgreSQL with RabbitMQ.

    python -m scripts.test [--only embedded|services] [arguments of pytest]

The second run leaves out the tests that have no database (scripts/pytest_database.py): the first has them.
What it says is shown behind what the first one says. Both use databases, virtual hosts and secrets of their
own.
Exits with 0 if both passed and with 1 if one did not. Where no PostgreSQL or RabbitMQ is to be had, only the
first run takes place; the last lines say so, and the exit code is 3 if it passed.
"""

import argparse
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from subprocess import Popen
from types import FrameType
from typing import BinaryIO, NoReturn

from scripts import services

HALF_ONLY = 3
"""Exit code: what was run passed, but PostgreSQL and RabbitMQ were not there for the rest."""
EMBEDDED, ON_SERVICES = "SQLite + in-process broker", "PostgreSQL + RabbitMQ"
WORKERS = min(8, 2 * (os.cpu_count() or 1))
"""Processes of pytest-xdist: two per core, as tests that start processes wait for them most of the time."""
LEFT_TO_SERVICES = (
    "tests/tenants",
    "tests/visits/test_key_change_kills.py",
    "tests/visits/test_no_key_anywhere.py",
)
"""Left to the second run: they take long, and what they show (who may do what, which keys belong together,
where secrets stand) does not depend on the kind of database."""
FOLLOW_SECONDS = 0.5
"""How often it is looked whether the second run has said more."""


def say(line: str) -> None:
    """Print a line for the user, at once."""
    print(f"== {line}", flush=True)


def run_pytest(
    arguments: Sequence[str], environment: Mapping[str, str], workers: int, output: BinaryIO | None = None
) -> int:
    """Run pytest in an environment of its own; its exit code. No workers: without pytest-xdist."""
    with tempfile.TemporaryDirectory(prefix="osgp-test-") as var:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "scripts.pytest_virtual_host"]
        if workers:
            command += ["-p", "scripts.pytest_order", "-n", str(workers), "--dist", "loadfile"]
            command += ["--no-loadscope-reorder"]
        own = {"OSGP_VAR_DIR": var, "OSGP_LOCAL_SECRETS": "1"}
        # Dozens of processes would compile all they import, each anew.
        kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with Popen([*command, *arguments], env=kept | own, stdout=output) as process:
            _running.append(process)
            try:
                return process.wait()
            except BaseException:  # SIGTERM or Ctrl-C; leaving the block waits for the end of pytest.
                process.terminate()
                raise


_running: list["Popen[bytes]"] = []


def run_embedded(arguments: Sequence[str], workers: int) -> int:
    """The suite on what `make run` uses."""
    environment = dict(os.environ)
    for name in ("DATABASE_URL", "BROKER_URL"):
        environment.pop(name, None)
    return run_pytest(arguments, environment, workers)


def run_on_services(
    found: services.Services, arguments: Sequence[str], workers: int, output: BinaryIO | None = None
) -> int:
    """The suite on what production uses, with a database and a virtual host per process and run."""
    run = f"osgp_{secrets.token_hex(4)}"
    environment = {**os.environ, "DATABASE_URL": services.replace_path(found.database_url, run)}
    hosts = [run, *(f"{run}_gw{number}" for number in range(workers))]
    own_hosts = services.make_virtual_hosts(found.broker, hosts)
    if own_hosts:
        environment["BROKER_URL"] = services.replace_path(found.broker.url, run)
        environment["OSGP_TEST_VIRTUAL_HOST"] = run
    else:
        say("No virtual host of our own on this RabbitMQ: one process only, and nobody else may use it now")
        environment["BROKER_URL"] = found.broker.url
    arguments = ["-p", "scripts.pytest_database", *arguments]
    try:
        return run_pytest(arguments, environment, workers if own_hosts else 0, output)
    finally:
        if own_hosts:
            services.drop_virtual_hosts(found.broker, hosts)
        services.drop_databases(found.database_url, f"test_{run}")


def run_both(found: services.Services, arguments: Sequence[str]) -> tuple[int, int]:
    """Both runs at the same time, three quarters of the workers each: while some wait, others use the CPU."""
    workers = max(1, WORKERS * 3 // 4)
    with tempfile.TemporaryFile() as output, ThreadPoolExecutor(1) as pool:
        second = pool.submit(run_on_services, found, arguments, workers, output)
        try:
            say(f"{EMBEDDED}; at the same time {ON_SERVICES}, shown afterwards")
            left_out = [
                f"--ignore={path}" for path in LEFT_TO_SERVICES if not any(path in each for each in arguments)
            ]
            first_code = run_embedded([*arguments, *left_out], workers)
            say(ON_SERVICES)
            follow(output.fileno(), second)
        finally:
            stop_running()
        return first_code, second.result()


def follow(descriptor: int, run: "Future[int]") -> None:
    """Show what a run says, until it ends."""
    shown = 0
    while True:
        is_done = run.done()
        while said := os.pread(descriptor, 65536, shown):
            shown += len(said)
            sys.stdout.buffer.write(said)
        sys.stdout.flush()
        if is_done:
            return
        wait([run], FOLLOW_SECONDS)


def stop_running() -> None:
    """End what still runs, after Ctrl-C or SIGTERM."""
    for process in _running:
        if process.poll() is None:
            process.terminate()


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
        if found is None and options.only != "services":
            say(EMBEDDED)
            outcomes[EMBEDDED] = run_embedded(arguments, WORKERS)
        elif found is not None and options.only == "services":
            say(ON_SERVICES)
            outcomes[ON_SERVICES] = run_on_services(found, arguments, WORKERS)
        elif found is not None:
            outcomes[EMBEDDED], outcomes[ON_SERVICES] = run_both(found, arguments)
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
    say(f"{ON_SERVICES}: NOT RUN")
    say("")
    say(
        "THIS WAS NOT THE WHOLE SUITE. Nothing was tested on PostgreSQL and RabbitMQ, as production has them:"
    )
    for line in (reason, *services.HELP.splitlines()):
        say(line)
    say(f"Exit code {HALF_ONLY}, unless what was run failed.")


if __name__ == "__main__":
    sys.exit(main())
