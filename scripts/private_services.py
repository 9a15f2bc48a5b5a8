"""Throw-away PostgreSQL and RabbitMQ from Debian's packages: own processes, free ports, temporary data.

They run as an unprivileged user, as both refuse or dislike root; nothing of the machine's own PostgreSQL or
RabbitMQ is touched.
"""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.containers import wait_until_usable
from scripts.services import Broker, NoServiceError, Say, find_broker_problem, find_postgres_problem

RABBITMQ_HOME = Path("/usr/lib/rabbitmq/bin")
"""The scripts themselves: those in /usr/sbin change to the user and directories of the system's broker."""

PACKAGES = {
    "postgresql": ("postgresql.service",),
    "rabbitmq-server": ("rabbitmq-server.service", "epmd.service", "epmd.socket"),
}
"""What each package would start now and at every boot: nobody asked for services of this machine."""
PACKAGED_UNITS = Path("/usr/lib/systemd/system")
OWN_UNITS = Path("/etc/systemd/system")
POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks it whether a package may start what it brings (101: no)."""

INITDB_OPTIONS = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")


def prepare(say: Say, *, postgres: bool, rabbitmq: bool) -> None:
    """Install the packages that are missing. Raises NoServiceError if that is not allowed or fails."""
    missing = []
    if postgres and find_postgres_home() is None:
        missing.append("postgresql")
    if rabbitmq and not (RABBITMQ_HOME / "rabbitmq-server").exists():
        missing.append("rabbitmq-server")
    if not missing:
        return
    install = find_installer()
    if install is None:
        raise NoServiceError(f"{' and '.join(missing)} not found, and packages may not be installed here.")
    say(f"Installing Debian packages: {' '.join(missing)} ...")
    with keeping_services_off([unit for package in missing for unit in PACKAGES[package]], install, say):
        _install(install, missing)


def _install(install: list[str], packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [*install, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise NoServiceError(f"apt-get {command[0]} failed:\n{done.stdout[-2000:]}")


@contextmanager
def keeping_services_off(units: list[str], install: list[str], say: Say) -> Iterator[None]:
    """Let packages be installed in the block without their services being started, now or at the next boot.

    Units that the machine had before stay as they are. ``install`` is what find_installer gave.
    """
    as_root = install[:-1]
    new = [unit for unit in units if not any((path / unit).exists() for path in (PACKAGED_UNITS, OWN_UNITS))]
    has_policy = POLICY.exists()
    if not has_policy:
        with tempfile.NamedTemporaryFile("w") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
            policy.flush()
            subprocess.run([*as_root, "install", "-m", "755", policy.name, str(POLICY)], check=True)
    try:
        yield
    finally:
        if not has_policy:
            subprocess.run([*as_root, "rm", "-f", str(POLICY)], check=True)
        # What `systemctl mask` does, which is not there in every container.
        for unit in new:
            subprocess.run([*as_root, "ln", "-sfn", "/dev/null", str(OWN_UNITS / unit)], check=False)
        if new:
            say(f"They are not started as services; whoever wants that: systemctl unmask {' '.join(new)}")


def find_installer() -> list[str] | None:
    """The command that installs packages, if this user may."""
    apt = shutil.which("apt-get")
    if apt is None:
        return None
    if os.geteuid() == 0:
        return [apt]
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n", apt]
    return None


def find_postgres_home() -> Path | None:
    """Where the newest installed PostgreSQL has its programs (Debian keeps most of them out of PATH)."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def find_service_user(name: str) -> str | None:
    """Whom a service runs as: ourselves, or its own user when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(name)
    except KeyError:
        return "nobody"
    return name


def make_run_as_arguments(user: str | None) -> dict[str, Any]:
    """Arguments that make subprocess drop root's rights; none for a process of our own."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


@contextmanager
def making_data_directory(user: str | None) -> Iterator[Path]:
    """A temporary directory that belongs to ``user``."""
    with tempfile.TemporaryDirectory(prefix="osgp-test-", ignore_cleanup_errors=True) as name:
        if user is not None:
            shutil.chown(name, user)
        yield Path(name)


def find_free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def running_process(
    command: list[str], *, user: str | None, log: Path, environment: Mapping[str, str], stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own while the block lasts."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            **make_run_as_arguments(user),
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        child.send_signal(stop)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@contextmanager
def running_postgres(say: Say) -> Iterator[str]:
    """A private PostgreSQL: its URL. Raises NoServiceError when it does not start."""
    home = find_postgres_home()
    if home is None:
        raise NoServiceError("PostgreSQL is not installed.")
    user = find_service_user("postgres")
    with making_data_directory(user) as directory:
        data = directory / "data"
        environment = {**os.environ, "HOME": str(directory)}
        initialised = subprocess.run(
            [str(home / "initdb"), "-D", str(data), *INITDB_OPTIONS],
            **make_run_as_arguments(user),
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
        )
        if initialised.returncode:
            raise NoServiceError(f"initdb failed: {initialised.stderr.strip()}")
        port = find_free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(directory),
            "fsync": "off",
            "max_connections": "200",
        }
        command = [str(home / "postgres"), "-D", str(data), "-p", str(port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = directory / "postgres.log"
        with running_process(command, user=user, log=log, environment=environment, stop=signal.SIGINT):
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            wait_until_usable(lambda: find_postgres_problem(url), "PostgreSQL", 60)
            say(f"PostgreSQL: a private one of {home.parent}, port {port}")
            yield url


@contextmanager
def running_rabbitmq(say: Say) -> Iterator[Broker]:
    """A private RabbitMQ node with an epmd of its own. Raises NoServiceError when it does not start."""
    user = find_service_user("rabbitmq")
    with making_data_directory(user) as directory:
        port = find_free_port()
        plugins = directory / "enabled_plugins"
        plugins.write_text("[].\n")
        own = {
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(find_free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"osgp-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(find_free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
            "RABBITMQ_CONFIG_FILE": str(directory / "none"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
        }
        environment = {**os.environ, **own}
        server = [str(RABBITMQ_HOME / "rabbitmq-server")]
        log = directory / "rabbitmq.log"
        try:
            with running_process(server, user=user, log=log, environment=environment, stop=signal.SIGTERM):
                url = f"amqp://guest:guest@127.0.0.1:{port}//"
                wait_until_usable(lambda: find_broker_problem(url), "RabbitMQ")
                say(f"RabbitMQ: a private one of the package rabbitmq-server, port {port}")
                yield Broker(url, (str(RABBITMQ_HOME / "rabbitmqctl"),), own, user)
        finally:
            if shutil.which("epmd"):
                subprocess.run(["epmd", "-kill"], env=environment, capture_output=True)
