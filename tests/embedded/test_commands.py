"""The commands that start processes, as an operator calls them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from osgp.listener.spool import Spool

ROOT = Path(__file__).resolve().parents[2]


def environment(var: Path) -> dict[str, str]:
    """An installation of its own: SQLite and secrets below ``var``, the in-process broker."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "BROKER_URL"}}
    return {**kept, "OSGP_EMBEDDED": "1", "OSGP_VAR_DIR": str(var)}


def manage(var: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(var),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class FirstStart:
    """What came of a demonstration, and the installation that it made."""

    var: Path
    returncode: int
    output: str
    errors: str


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """One demonstration where nothing was before."""
    var = tmp_path_factory.mktemp("first-start") / "var"
    process = manage(var, "run", "--once", "--port", "0")
    output, errors = process.communicate(timeout=300)
    return FirstStart(var, process.returncode, output, errors)


@pytest.fixture
def installation(first_start: FirstStart, tmp_path: Path) -> Path:
    """A copy of an installation that was started before."""
    return Path(shutil.copytree(first_start.var, tmp_path / "var"))


def test_one_demonstration_from_a_fresh_start(first_start: FirstStart) -> None:
    assert first_start.returncode == 0, first_start.errors
    assert first_start.output.splitlines()[-1] == "main job: 13 meters read, 0 failed"
    assert first_start.errors == ""
    assert (first_start.var / "osgp.sqlite3").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_until_it_is_told_to_stop(installation: Path, number: signal.Signals) -> None:
    process = manage(installation, "run", "--port", "0")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any(line.startswith("main job: 13 meters read, 0 failed") for line in lines)
    assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")


def test_a_signal_that_comes_just_before_the_wait_is_noticed(tmp_path: Path) -> None:
    """What another thread notes as a signal interrupts no call, like one that came before the call."""
    subprocess.run(
        [sys.executable, "-c", STAY_UP], cwd=ROOT, env=environment(tmp_path), check=True, timeout=300
    )


STAY_UP = """
import _thread, django, os, signal, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "osgp.settings"
django.setup()
from osgp.embedded import session
from osgp.commands.management.commands import run
signal.signal(signal.SIGTERM, run._interrupt)
threading.Timer(1, _thread.interrupt_main, [signal.SIGTERM]).start()
try:
    session._wait_for_ever()
except KeyboardInterrupt:
    pass
"""


def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It would register the first one's meters anew, at its own port."""
    spool = Spool(tmp_path / "push-spool", 2**20)
    process = manage(tmp_path, "run", "--once", "--port", "0")
    _, errors = process.communicate(timeout=300)
    spool.close()
    assert process.returncode == 1
    assert errors == (
        f"CommandError: Another `make run` uses {tmp_path}. Stop it, or give this one a folder of its own: "
        "OSGP_VAR_DIR=/tmp/other make run\n"
    )
    assert not (tmp_path / "osgp.sqlite3").exists()


def test_a_port_in_use_is_a_clear_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = manage(tmp_path, "run", "--once", "--port", str(port))
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert errors == (
        f"CommandError: Port {port} of 127.0.0.1 is in use; choose another one: make run PORT={port + 1}\n"
    )
    assert output == ""


def test_the_dispatcher_ends_on_sigterm(installation: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DISPATCH],
        cwd=ROOT,
        env=environment(installation),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "dispatching\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 0


DISPATCH = """
import django, os
os.environ["DJANGO_SETTINGS_MODULE"] = "osgp.settings"
django.setup()
from django.core.management import call_command
from osgp.visits import dispatcher
tick = dispatcher.Dispatcher.tick
def told(self):
    print("dispatching", flush=True)
    return tick(self)
dispatcher.Dispatcher.tick = told
call_command("dispatch")
"""


class Replaced(Exception):
    """The process would be another program now."""


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process would have become."""
    calls: list[Any] = []

    def execvp(*arguments: Any) -> None:
        calls.extend(arguments)
        raise Replaced

    monkeypatch.setattr(os, "execvp", execvp)
    return calls


def test_the_worker_becomes_celery(executed: list[Any]) -> None:
    with pytest.raises(Replaced):
        call_command("worker", "--concurrency", "200", "--", "--max-tasks-per-child=5")
    program, command = executed
    assert program == sys.executable
    text = " ".join(command)
    assert "-m gevent.monkey --module celery -A osgp.celery worker -P gevent" in text
    assert "--concurrency 200 -Q meter,system" in text
    assert "--without-gossip --without-mingle" in text
    assert command[-1] == "--max-tasks-per-child=5"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--queues", "meter,nonsense"], "no queue nonsense"), (["--concurrency", "0"], "at least 1")],
    ids=["queue", "concurrency"],
)
def test_the_worker_refuses_what_celery_would_take(
    executed: list[Any], arguments: list[str], text: str
) -> None:
    with pytest.raises(CommandError, match=text):
        call_command("worker", *arguments)
    assert executed == []


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["worker"], "OSGP_KEY_ENCRYPTION_KEYS is not set"),
        (["run"], "OSGP_KEY_ENCRYPTION_KEYS is not set"),
        (["rewrap_keys"], "OSGP_KEY_ENCRYPTION_KEYS is not set"),
    ],
)
def test_what_handles_keys_of_meters_refuses_to_start_without_secrets(
    executed: list[Any], settings: Settings, command: list[str], missing: str
) -> None:
    settings.OSGP = settings.OSGP | {"KEY_ENCRYPTION_KEYS": "", "LOCAL_SECRETS": False}
    with pytest.raises(CommandError, match=missing):
        call_command(*command)
    assert executed == []


def test_the_worker_refuses_to_start_with_a_public_key_only(executed: list[Any], settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"RSA_PRIVATE_KEY_FILE": "", "RSA_PUBLIC_KEY_FILE": "public.pem"}
    with pytest.raises(CommandError, match="OSGP_RSA_PRIVATE_KEY_FILE"):
        call_command("worker")
    assert executed == []
