"""How the test runner finds PostgreSQL and RabbitMQ."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest

from scripts import containers, private_services, services
from scripts.services import Broker, NoServiceError


def usable(*urls: str) -> Callable[[str], str | None]:
    """A check that lets only these URLs through."""
    return lambda url: None if url in urls else "connection refused"


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any service, Docker or rabbitmqctl; tests add what they need."""
    monkeypatch.setattr(services, "find_postgres_problem", usable())
    monkeypatch.setattr(services, "find_broker_problem", usable())
    monkeypatch.setattr(services, "is_docker_running", lambda: False)
    monkeypatch.setattr(services, "find_local_control", lambda: ())


def test_configured_services_are_used_as_they_are(monkeypatch: pytest.MonkeyPatch, heard: list[str]) -> None:
    database, broker = "postgresql://me:secret@db:5433/mine", "amqp://me:secret@mq:5673//"
    monkeypatch.setattr(services, "find_postgres_problem", usable(database))
    monkeypatch.setattr(services, "find_broker_problem", usable(broker))
    found = services.find_or_start({"DATABASE_URL": database, "BROKER_URL": broker}, heard.append)
    assert (found.database_url, found.broker.url) == (database, broker)
    assert heard == ["PostgreSQL: postgresql://me@db:5433/mine", "RabbitMQ: amqp://me@mq:5673//"]


def test_a_configured_service_that_does_not_answer_is_not_replaced_by_another_one(
    monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    monkeypatch.setattr(
        services, "find_postgres_problem", usable("postgresql://postgres@localhost:5432/postgres")
    )
    with pytest.raises(NoServiceError, match="DATABASE_URL is set, but cannot be used: connection refused"):
        services.find_or_start({"DATABASE_URL": "postgresql://elsewhere/x"}, heard.append)


@pytest.mark.parametrize(
    ("environment", "port"), [({}, 5432), ({"OSGP_TEST_POSTGRES_PORT": "6543"}, 6543)], ids=["usual", "told"]
)
def test_local_postgresql_is_tried_on_the_port(environment: dict[str, str], port: int) -> None:
    urls = list(services.list_postgres_candidates(environment))
    assert urls[0] == f"postgresql://postgres@localhost:{port}/postgres"
    assert all(f":{port}/" in url for url in urls)


def test_the_first_local_service_that_answers_is_taken(
    monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    database = "postgresql://postgres:postgres@localhost:5432/postgres"
    broker = "amqp://guest:guest@localhost:5672//"
    monkeypatch.setattr(services, "find_postgres_problem", usable(database))
    monkeypatch.setattr(services, "find_broker_problem", usable(broker))
    found = services.find_or_start({}, heard.append)
    assert (found.database_url, found.broker.url) == (database, broker)


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "packages"])
def test_what_is_missing_is_started_and_stopped_again(
    monkeypatch: pytest.MonkeyPatch, heard: list[str], docker: bool
) -> None:
    events: list[str] = []
    broker = "amqp://guest:guest@localhost:5672//"
    monkeypatch.setattr(services, "find_broker_problem", usable(broker))
    monkeypatch.setattr(services, "is_docker_running", lambda: docker)
    source, other = (containers, private_services) if docker else (private_services, containers)

    @contextmanager
    def started(say: services.Say) -> Iterator[str]:
        events.append("started")
        yield "postgresql://postgres@127.0.0.1:40000/postgres"
        events.append("stopped")

    def prepare(say: services.Say, *, postgres: bool, rabbitmq: bool) -> None:
        events.append(f"prepare postgres={postgres} rabbitmq={rabbitmq}")

    monkeypatch.setattr(source, "prepare", prepare)
    monkeypatch.setattr(source, "running_postgres", started)
    for name in ("prepare", "running_postgres", "running_rabbitmq"):
        monkeypatch.setattr(other, name, None)
    found = services.find_or_start({}, heard.append)
    assert found.database_url.endswith(":40000/postgres")
    assert events == ["prepare postgres=True rabbitmq=False", "started"]
    found.close()
    assert events[-1] == "stopped"


def test_what_was_started_is_stopped_when_the_rest_cannot_be(
    monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    events: list[str] = []

    @contextmanager
    def started(say: services.Say) -> Iterator[str]:
        try:
            yield "postgresql://postgres@127.0.0.1:40000/postgres"
        finally:
            events.append("stopped")

    @contextmanager
    def refused(say: services.Say) -> Iterator[Broker]:
        raise NoServiceError("no broker")
        yield

    monkeypatch.setattr(private_services, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(private_services, "running_postgres", started)
    monkeypatch.setattr(private_services, "running_rabbitmq", refused)
    with pytest.raises(NoServiceError, match="no broker"):
        services.find_or_start({}, heard.append)
    assert events == ["stopped"]


def test_missing_packages_that_may_not_be_installed_are_named(
    monkeypatch: pytest.MonkeyPatch, heard: list[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(private_services, "find_postgres_home", lambda: None)
    monkeypatch.setattr(private_services, "RABBITMQ_HOME", tmp_path)
    monkeypatch.setattr(private_services, "find_installer", lambda: None)
    with pytest.raises(NoServiceError, match="postgresql and rabbitmq-server not found"):
        services.find_or_start({}, heard.append)


def test_missing_packages_are_installed_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, heard: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    apt = executable(tmp_path / "apt-get", f'echo "$@" >> {log}\n')
    monkeypatch.setattr(private_services, "find_postgres_home", lambda: None)
    monkeypatch.setattr(private_services, "find_installer", lambda: [str(apt)])
    monkeypatch.setattr(private_services, "keeping_services_off", lambda *_: nullcontext())
    private_services.prepare(heard.append, postgres=True, rabbitmq=False)
    assert log.read_text().splitlines() == [
        "update -q",
        "install -q -y --no-install-recommends postgresql",
    ]
    assert heard == ["Installing Debian packages: postgresql ..."]


def test_packages_bring_no_services(
    monkeypatch: pytest.MonkeyPatch, heard: list[str], tmp_path: Path
) -> None:
    """Neither now nor at the next boot; what the machine had before stays as it is."""
    packaged, own, policy = tmp_path / "packaged", tmp_path / "own", tmp_path / "policy"
    for folder in (packaged, own):
        folder.mkdir()
    (packaged / "epmd.service").touch()
    answer = tmp_path / "answer"
    apt = executable(tmp_path / "apt-get", f"{policy}; echo $? > {answer}\n")
    monkeypatch.setattr(private_services, "PACKAGED_UNITS", packaged)
    monkeypatch.setattr(private_services, "OWN_UNITS", own)
    monkeypatch.setattr(private_services, "POLICY", policy)
    monkeypatch.setattr(private_services, "RABBITMQ_HOME", tmp_path)
    monkeypatch.setattr(private_services, "find_installer", lambda: [str(apt)])
    private_services.prepare(heard.append, postgres=False, rabbitmq=True)
    assert answer.read_text() == "101\n"
    assert not policy.exists()
    masked = {path.name: os.readlink(path) for path in own.iterdir()}
    assert masked == {"rabbitmq-server.service": "/dev/null", "epmd.socket": "/dev/null"}
    assert "systemctl unmask rabbitmq-server.service epmd.socket" in heard[-1]


def test_a_failed_installation_tells_what_apt_said(
    monkeypatch: pytest.MonkeyPatch, heard: list[str], tmp_path: Path
) -> None:
    apt = executable(tmp_path / "apt-get", "echo no space left; exit 100\n")
    monkeypatch.setattr(private_services, "find_postgres_home", lambda: None)
    monkeypatch.setattr(private_services, "find_installer", lambda: [str(apt)])
    monkeypatch.setattr(private_services, "keeping_services_off", lambda *_: nullcontext())
    with pytest.raises(NoServiceError, match="apt-get update failed:\nno space left"):
        private_services.prepare(heard.append, postgres=True, rabbitmq=False)


def test_containers_are_published_on_the_loopback_interface_and_removed(
    monkeypatch: pytest.MonkeyPatch, heard: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    executable(
        tmp_path / "docker",
        f'echo "$@" >> {log}\n'
        'case "$1" in run) echo c0ffee;; port) echo 127.0.0.1:49153;; images) echo image;; esac\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(
        containers, "find_postgres_problem", usable("postgresql://postgres@127.0.0.1:49153/postgres")
    )
    containers.prepare(heard.append, postgres=True, rabbitmq=True)
    with containers.running_postgres(heard.append) as url:
        assert url == "postgresql://postgres@127.0.0.1:49153/postgres"
    calls = log.read_text().splitlines()
    run = next(call for call in calls if call.startswith("run "))
    assert "--publish 127.0.0.1::5432" in run
    assert containers.POSTGRES_IMAGE in run
    assert calls[-1] == "rm --force --volumes c0ffee"
    assert not [call for call in calls if call.startswith("pull")]


def test_a_docker_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executable(tmp_path / "docker", "echo toomanyrequests >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NoServiceError, match="docker pull failed: toomanyrequests"):
        containers.run_docker("pull", "postgres")


def test_a_service_that_never_answers_is_given_up() -> None:
    with pytest.raises(NoServiceError, match="RabbitMQ was started but does not answer: refused"):
        containers.wait_until_usable(lambda: "refused", "RabbitMQ", seconds=0)


def test_nobody_listening_is_a_problem_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    database = services.find_postgres_problem(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    assert database is not None
    assert "refused" in database
    broker = services.find_broker_problem(f"amqp://guest:guest@127.0.0.1:{port}//")
    assert broker is not None
    assert "refused" in broker


def test_virtual_hosts_need_a_broker_that_may_be_administered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    control = executable(tmp_path / "rabbitmqctl", f'echo "$@" >> {log}\n')
    url = "amqp://tester:secret@localhost:5672//"
    assert not services.make_virtual_hosts(Broker(url), ["a"])
    broker = Broker(url, (str(control),))
    # The command succeeds, but the broker behind the URL does not know the new virtual host.
    assert not services.make_virtual_hosts(broker, ["a"])
    monkeypatch.setattr(services, "find_broker_problem", usable("amqp://tester:secret@localhost:5672/a"))
    log.unlink()
    assert services.make_virtual_hosts(broker, ["a"])
    assert log.read_text().splitlines() == ["add_vhost a", "set_permissions -p a tester .* .* .*"]


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("amqp://guest:guest@localhost:5672//", "run", "amqp://guest:guest@localhost:5672/run"),
        (
            "postgresql://me@%2Frun%2Fpg:5432/x?sslmode=disable",
            "y",
            "postgresql://me@%2Frun%2Fpg:5432/y?sslmode=disable",
        ),
    ],
    ids=["broker", "database"],
)
def test_with_path_keeps_the_rest(url: str, path: str, expected: str) -> None:
    assert services.replace_path(url, path) == expected


def test_without_services_the_test_run_fails_and_tells_what_to_do(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    done = subprocess.run(
        [sys.executable, "-m", "scripts.test"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert "DATABASE_URL is set, but cannot be used" in done.stdout
    assert "neither may be left out" in done.stderr


def test_services_close_only_what_was_started() -> None:
    events: list[str] = []
    stack = ExitStack()
    stack.callback(events.append, "stopped")
    services.Services("postgresql://x/y", Broker("amqp://x//"), stack).close()
    assert events == ["stopped"]


def executable(path: Path, script: str) -> Path:
    """A shell script in the place of a program."""
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
