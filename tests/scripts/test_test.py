"""Which runs the test runner starts, what it says of those that it does not, and its exit codes."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import pytest

from scripts import pytest_order, services
from scripts import test as runner
from scripts.services import Broker, NoServiceError, Services

ROOT = Path(__file__).resolve().parents[2]
SAID = b"7 passed\n" * 50_000
NOT_HERE = "postgresql and rabbitmq-server not found, and packages may not be installed here."

Run = Callable[..., int]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that took place."""
    runs: list[str] = []

    def embedded(arguments: Sequence[str], workers: int) -> int:
        runs.append(f"embedded {' '.join(arguments)}")
        return 0

    def on_services(
        found: Services, arguments: Sequence[str], workers: int, output: BinaryIO | None = None
    ) -> int:
        runs.append(f"services {' '.join(arguments)}")
        if output is not None:
            output.write(SAID)
            output.flush()
        return 0

    monkeypatch.setattr(runner, "run_embedded", embedded)
    monkeypatch.setattr(runner, "run_on_services", on_services)
    return runs


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs it with these arguments, on a machine where both services are, or why not: its exit code."""
    handlers: list[object] = []
    monkeypatch.setattr(runner.signal, "signal", lambda *handler: handlers.append(handler))

    def main(*arguments: str, missing: str = "") -> int:
        def find(environment: Mapping[str, str], say: services.Say) -> Services:
            if missing:
                raise NoServiceError(missing)
            return Services("postgresql://x/y", Broker("amqp://x//"), ExitStack())

        monkeypatch.setattr(services, "find_or_start", find)
        monkeypatch.setattr(sys, "argv", ["test", *arguments])
        return runner.main()

    yield main
    assert handlers


def ignore(*paths: str) -> str:
    return " ".join(f"--ignore={path}" for path in paths)


def test_both_runs_with_the_arguments_of_pytest(run: Run, ran: list[str]) -> None:
    assert run("-k", "clock", "tests/adhoc") == 0
    assert sorted(ran) == [
        f"embedded -k clock tests/adhoc {ignore(*runner.LEFT_TO_SERVICES)}",
        "services -k clock tests/adhoc",
    ]


def test_what_is_left_to_the_second_one_is_run_by_both_if_it_is_named(run: Run, ran: list[str]) -> None:
    assert run("tests/tenants/test_rest.py") == 0
    others = ignore(*(path for path in runner.LEFT_TO_SERVICES if path != "tests/tenants"))
    assert sorted(ran) == [
        f"embedded tests/tenants/test_rest.py {others}",
        "services tests/tenants/test_rest.py",
    ]


def test_what_is_left_to_the_second_one_exists() -> None:
    for path in runner.LEFT_TO_SERVICES:
        assert Path(path).exists()


def test_what_the_second_one_says_is_shown_behind_the_first(
    run: Run, ran: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run() == 0
    said = capsysbinary.readouterr().out
    assert said.index(b"== PostgreSQL + RabbitMQ\n") < said.index(SAID)
    assert said.index(SAID) < said.index(b"== PostgreSQL + RabbitMQ: passed")


@pytest.mark.parametrize("only", ["embedded", "services"])
def test_one_of_them(run: Run, ran: list[str], only: str) -> None:
    assert run("--only", only) == 0
    assert ran == [f"{only} "]


@pytest.mark.parametrize("failed", ["run_embedded", "run_on_services"])
def test_one_that_fails_does_not_keep_the_other_from_running(
    run: Run,
    ran: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failed: str,
) -> None:
    monkeypatch.setattr(runner, failed, lambda *_: 4)
    assert run() == 1
    assert len(ran) == 1
    said = capsys.readouterr().out.splitlines()[-2:]
    assert sorted(line.rpartition(" ")[2] for line in said) == ["FAILED", "passed"]


def test_without_services_half_is_run_and_the_last_lines_say_so(
    run: Run, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tests/adhoc", missing=NOT_HERE) == 3
    assert ran == ["embedded tests/adhoc"]
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("== PostgreSQL + RabbitMQ: NOT RUN")
    assert lines[begin - 1] == "== SQLite + in-process broker: passed"
    said = "\n".join(lines[begin:])
    assert "THIS WAS NOT THE WHOLE SUITE" in said
    assert NOT_HERE in said
    assert "apt-get install postgresql rabbitmq-server" in said
    assert "DATABASE_URL=" in said


def test_without_services_a_failure_is_still_a_failure(
    run: Run, ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "run_embedded", lambda *_: 1)
    assert run(missing=NOT_HERE) == 1
    assert "NOT RUN" in capsys.readouterr().out


def test_without_services_nothing_but_them_can_be_run(
    run: Run, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "services", missing=NOT_HERE) == 3
    assert ran == []
    assert NOT_HERE in capsys.readouterr().out


def test_who_does_not_want_them_does_not_miss_them(
    run: Run, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--only", "embedded", missing=NOT_HERE) == 0
    assert "NOT RUN" not in capsys.readouterr().out


def test_bytecode_is_kept_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Mapping[str, str]] = []

    def start(command: Sequence[str], env: Mapping[str, str], stdout: None) -> "subprocess.Popen[bytes]":
        started.append(env)
        return subprocess.Popen(["true"])

    monkeypatch.setattr(runner, "Popen", start)
    assert runner.run_pytest([], {"PYTHONDONTWRITEBYTECODE": "1", "PATH": "/bin"}, 0) == 0
    [environment] = started
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["PATH"] == "/bin"


def test_pytest_is_ended_when_the_runner_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if not asked:
                asked.append(self)
                raise SystemExit(143)
            return super().wait(timeout)

    asked: list[Asked] = []
    monkeypatch.setattr(runner, "Popen", lambda command, env, stdout: Asked(["sleep", "600"]))
    with pytest.raises(SystemExit):
        runner.run_pytest([], {"PATH": "/bin"}, 0)
    assert asked[0].returncode == -signal.SIGTERM


def test_files_that_come_first_are_there() -> None:
    paths = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")]
    for place, begin in enumerate(pytest_order.FIRST):
        assert any(pytest_order.find_place(path) == place for path in paths), begin
    assert pytest_order.find_place("tests/adhoc/test_clock.py") == len(pytest_order.FIRST)
