"""Throw-away PostgreSQL and RabbitMQ as Docker containers on free ports of the loopback interface."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scripts.services import Broker, NoServiceError, Say, find_broker_problem, find_postgres_problem

POSTGRES_IMAGE = "postgres:15-alpine"
RABBITMQ_IMAGE = "rabbitmq:3.13"
START_SECONDS = 120


def prepare(say: Say, *, postgres: bool, rabbitmq: bool) -> None:
    """Fetch the images that will be needed. Raises NoServiceError when a registry does not give them."""
    for image, needed in ((POSTGRES_IMAGE, postgres), (RABBITMQ_IMAGE, rabbitmq)):
        if needed and run_docker("images", "--quiet", image) == "":
            say(f"Fetching the container image {image} ...")
            run_docker("pull", "--quiet", image, timeout=900)


@contextmanager
def running_postgres(say: Say) -> Iterator[str]:
    """A PostgreSQL in a container: its URL."""
    with running_container(
        POSTGRES_IMAGE, 5432, ["-e", "POSTGRES_HOST_AUTH_METHOD=trust"], ["-c", "fsync=off"]
    ) as (
        _,
        port,
    ):
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        wait_until_usable(lambda: find_postgres_problem(url), "PostgreSQL")
        say(f"PostgreSQL: a container of {POSTGRES_IMAGE} on port {port}")
        yield url


@contextmanager
def running_rabbitmq(say: Say) -> Iterator[Broker]:
    """A RabbitMQ in a container."""
    with running_container(RABBITMQ_IMAGE, 5672, [], []) as (name, port):
        url = f"amqp://guest:guest@127.0.0.1:{port}//"
        wait_until_usable(lambda: find_broker_problem(url), "RabbitMQ")
        say(f"RabbitMQ: a container of {RABBITMQ_IMAGE} on port {port}")
        yield Broker(url, ("docker", "exec", name, "rabbitmqctl"))


@contextmanager
def running_container(
    image: str, port: int, options: list[str], arguments: list[str]
) -> Iterator[tuple[str, int]]:
    """Run a container while the block lasts: its id and the port of this machine that leads to ``port``."""
    name = run_docker(
        "run", "--detach", "--rm", "--publish", f"127.0.0.1::{port}", *options, image, *arguments
    )
    try:
        published = run_docker("port", name, str(port)).splitlines()[0]
        yield name, int(published.rpartition(":")[2])
    finally:
        run_docker("rm", "--force", "--volumes", name)


def run_docker(*arguments: str, timeout: float = 120) -> str:
    """Run one docker command: what it printed. Raises NoServiceError with what it complained about."""
    try:
        done = subprocess.run(
            ["docker", *arguments], check=True, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.CalledProcessError as error:
        raise NoServiceError(f"docker {arguments[0]} failed: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoServiceError(f"docker {arguments[0]} failed: {error}") from error
    return done.stdout.strip()


def wait_until_usable(problem: Callable[[], str | None], name: str, seconds: float = START_SECONDS) -> None:
    """Ask until there is no problem any more. Raises NoServiceError with the last one when the time is up."""
    end = time.monotonic() + seconds
    while (trouble := problem()) is not None:
        if time.monotonic() > end:
            raise NoServiceError(f"{name} was started but does not answer: {trouble}")
        time.sleep(0.3)
