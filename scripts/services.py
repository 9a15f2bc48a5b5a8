"""Finds a PostgreSQL and a RabbitMQ for the test suite, or starts throw-away ones.

In this order: what DATABASE_URL and BROKER_URL name; what listens on this machine; containers, if a Docker
engine answers; Debian's packages as private processes on free ports, installed first if that is allowed.
Whatever was started here is stopped again by :meth:`Services.close`.
"""

import getpass
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

Say = Callable[[str], None]

HELP = """\
The test suite runs on PostgreSQL and RabbitMQ as well, and neither may be left out. Either
  - start them here: PostgreSQL on localhost:5432, RabbitMQ on localhost:5672 (guest/guest), or
  - name them: make test DATABASE_URL=postgresql://user:password@host/name BROKER_URL=amqp://user:password@host//
    (the PostgreSQL user must be allowed to create databases), or
  - start a Docker engine, or
  - run it where Debian packages may be installed: apt-get install postgresql rabbitmq-server"""


class NoServiceError(Exception):
    """There is no usable PostgreSQL or RabbitMQ, and none could be started."""


class UnusableServiceError(NoServiceError):
    """The environment names a PostgreSQL or RabbitMQ that cannot be used."""


@dataclass(frozen=True)
class Broker:
    """A RabbitMQ. ``control`` is the rabbitmqctl command that may administer it, if any."""

    url: str
    control: tuple[str, ...] = ()
    control_environment: Mapping[str, str] = field(default_factory=dict)
    control_user: str | None = None

    def administer(self, *arguments: str) -> None:
        """Run one rabbitmqctl command. Raises subprocess.CalledProcessError or OSError."""
        subprocess.run(
            [*self.control, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=60,
            env={**os.environ, **self.control_environment},
            user=self.control_user,
        )


@dataclass
class Services:
    """A PostgreSQL server and a RabbitMQ that tests may use; whatever was started for them ends with it."""

    database_url: str
    broker: Broker
    stack: ExitStack

    def close(self) -> None:
        """Stop what was started; what was found stays as it is."""
        self.stack.close()


def list_postgres_candidates(environment: Mapping[str, str]) -> Iterator[str]:
    """URLs under which a PostgreSQL on this machine usually lets a developer in."""
    port = int(environment.get("OSGP_TEST_POSTGRES_PORT", "5432"))
    user = quote(getpass.getuser(), safe="")
    socket = quote("/var/run/postgresql", safe="")
    yield f"postgresql://postgres@localhost:{port}/postgres"
    yield f"postgresql://postgres:postgres@localhost:{port}/postgres"
    yield f"postgresql://{user}@localhost:{port}/postgres"
    yield f"postgresql://{user}@{socket}:{port}/postgres"


def list_broker_candidates(environment: Mapping[str, str]) -> Iterator[str]:
    """URLs under which a RabbitMQ on this machine usually lets a developer in."""
    port = int(environment.get("OSGP_TEST_RABBITMQ_PORT", "5672"))
    yield f"amqp://guest:guest@localhost:{port}//"


def find_postgres_problem(url: str) -> str | None:
    """Why tests cannot use this PostgreSQL; None if they can."""
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.Error as error:
        return str(error).strip()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user")
            row = cursor.fetchone()
    finally:
        connection.close()
    return None if row and row[0] else "its user may not create databases"


def find_broker_problem(url: str) -> str | None:
    """Why tests cannot use this RabbitMQ; None if they can."""
    from amqp.exceptions import AMQPError
    from kombu import Connection

    try:
        with Connection(url, connect_timeout=3, transport_options={"read_timeout": 5}) as connection:
            connection.connect()
    except (OSError, AMQPError) as error:
        return str(error).strip() or type(error).__name__
    return None


def find_first_usable(candidates: Iterator[str], problem: Callable[[str], str | None]) -> str | None:
    """The first URL that has no problem."""
    return next((url for url in candidates if problem(url) is None), None)


def find_configured(
    environment: Mapping[str, str], name: str, problem: Callable[[str], str | None]
) -> str | None:
    """The URL that the environment names. Raises UnusableServiceError where it is of no use."""
    url = environment.get(name)
    if not url:
        return None
    trouble = problem(url)
    if trouble:
        raise UnusableServiceError(f"{name} is set, but cannot be used: {trouble}")
    return url


def is_docker_running() -> bool:
    """Whether there is a Docker engine that this user may ask to run containers."""
    if shutil.which("docker") is None:
        return False
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=15)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def find_local_control() -> tuple[str, ...]:
    """The rabbitmqctl of this machine, if there is one that this user may use."""
    command = shutil.which("rabbitmqctl")
    if command is None:
        return ()
    try:
        subprocess.run([command, "list_vhosts", "--quiet"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ()
    return (command,)


def find_or_start(environment: Mapping[str, str], say: Say) -> Services:
    """Both services, found or started. Raises NoServiceError with what to do about it."""
    from scripts import containers, private_services

    with ExitStack() as stack:
        database_url = find_configured(environment, "DATABASE_URL", find_postgres_problem)
        if database_url is None:
            database_url = find_first_usable(list_postgres_candidates(environment), find_postgres_problem)
        broker_url = find_configured(environment, "BROKER_URL", find_broker_problem)
        if broker_url is None:
            broker_url = find_first_usable(list_broker_candidates(environment), find_broker_problem)
        broker = Broker(broker_url, find_local_control()) if broker_url else None

        if database_url:
            say(f"PostgreSQL: {hide_password(database_url)}")
        if broker:
            say(f"RabbitMQ: {hide_password(broker.url)}")
        if database_url is None or broker is None:
            source = containers if is_docker_running() else private_services
            source.prepare(say, postgres=database_url is None, rabbitmq=broker is None)
            if database_url is None:
                database_url = stack.enter_context(source.running_postgres(say))
            if broker is None:
                broker = stack.enter_context(source.running_rabbitmq(say))
        return Services(database_url, broker, stack.pop_all())


def hide_password(url: str) -> str:
    """A URL that may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    name, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{name.split(':')[0]}@{host}"))


def replace_path(url: str, path: str) -> str:
    """The same server, another database or virtual host."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(path, safe='')}"))


def make_virtual_hosts(broker: Broker, names: Sequence[str]) -> bool:
    """Create virtual hosts for the broker's user; False if this broker cannot be administered from here.

    A rabbitmqctl may command another broker than the one behind ``broker.url``, so the outcome is tried.
    """
    if not broker.control:
        return False
    user = urlsplit(broker.url).username or "guest"

    def make(name: str) -> None:
        broker.administer("add_vhost", name)
        broker.administer("set_permissions", "-p", name, user, ".*", ".*", ".*")

    try:
        _run_in_parallel(make, names)
    except (OSError, subprocess.SubprocessError):
        return False
    return all(find_broker_problem(replace_path(broker.url, name)) is None for name in names)


def drop_virtual_hosts(broker: Broker, names: Sequence[str]) -> None:
    """Remove virtual hosts with all queues in them; those that are gone already do no harm."""

    def drop(name: str) -> None:
        with suppress(OSError, subprocess.SubprocessError):
            broker.administer("delete_vhost", name)

    _run_in_parallel(drop, names)


def _run_in_parallel(do: Callable[[str], None], names: Sequence[str]) -> None:
    """Each rabbitmqctl takes a second to start. Raises what the first that failed raised."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(do, names))


def create_database(url: str, name: str, template: str = "template1") -> None:
    """Create a database on the server of ``url``: an empty one, or a copy of one that nobody uses."""
    import psycopg2
    from psycopg2 import sql

    connection = psycopg2.connect(url, connect_timeout=3)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            cursor.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    finally:
        connection.close()


def drop_databases(url: str, prefix: str) -> None:
    """Drop what test runs that were cut short left behind; ``prefix`` is the run's own, so nobody else's."""
    import psycopg2
    from psycopg2 import sql

    connection = psycopg2.connect(url, connect_timeout=3)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT datname FROM pg_database WHERE left(datname, %s) = %s", [len(prefix), prefix]
            )
            for (name,) in cursor.fetchall():
                cursor.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )
    finally:
        connection.close()
