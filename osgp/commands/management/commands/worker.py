"""`manage.py worker`: a Celery worker as production runs it, one process per core."""

import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from osgp.commands.secrets import refuse_without
from osgp.devices.checks import require_key_escrow, require_secrets
from osgp.notifications.checks import require_keys

DEFAULT_QUEUES = "meter,system,push"
DEFAULT_CONCURRENCY = 500


class Command(BaseCommand):
    help = (
        "Become a Celery worker that visits meters, or sends notifications (--queues notify): a greenlet "
        "each, few database connections. "
        "Arguments after -- go to Celery."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=DEFAULT_CONCURRENCY,
            help=f"sessions, or receivers, in flight ({DEFAULT_CONCURRENCY})",
        )
        parser.add_argument("--queues", default=DEFAULT_QUEUES, help=f"queues to consume ({DEFAULT_QUEUES})")
        parser.add_argument(
            "--pool", choices=["gevent", "threads"], default="gevent", help="kind of pool (gevent)"
        )
        parser.add_argument(
            "--name", default="worker", help="name of the worker; the process id is added to it"
        )
        parser.add_argument(
            "celery_arguments", nargs="*", metavar="-- ARGUMENT", help="arguments for Celery itself"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        known = {queue.name for queue in settings.CELERY_TASK_QUEUES}
        unknown = [name for name in options["queues"].split(",") if name not in known]
        if unknown:
            raise CommandError(
                f"There is no queue {', '.join(unknown)}; there are {', '.join(sorted(known))}."
            )
        if options["concurrency"] < 1:
            raise CommandError("--concurrency is at least 1.")
        queues = set(options["queues"].split(","))
        if "notify" in queues:
            refuse_without(require_keys)
        # Notifiers talk to the world outside: they have nothing that opens keys of meters.
        if queues != {"notify"}:
            refuse_without(require_secrets)
            refuse_without(require_key_escrow)
        command = make_celery_command(
            concurrency=options["concurrency"],
            queues=options["queues"],
            pool=options["pool"],
            name=f"{options['name']}-{os.getpid()}",
            log_level=os.environ.get("LOG_LEVEL", "INFO"),
        )
        # A new program: gevent's patches come before any other import, and signals reach Celery.
        os.execvp(command[0], [*command, *options["celery_arguments"]])  # noqa: S606 (no shell)


def make_celery_command(
    *,
    concurrency: int,
    name: str,
    queues: str = DEFAULT_QUEUES,
    pool: str = "gevent",
    log_level: str = "INFO",
) -> list[str]:
    """Return the Celery command line. ``name`` must differ between the workers of a host."""
    command = [sys.executable, "-m"]
    if pool == "gevent":
        # Celery patches too late: patching makes it import kombu, whose waits for a lost broker would then
        # stop all greenlets of the process.
        command += ["gevent.monkey", "--module"]
    command += ["celery", "-A", "osgp.celery", "worker"]
    command += ["-P", pool, "--concurrency", str(concurrency), "-Q", queues]
    command += ["--without-gossip", "--without-mingle", "--loglevel", log_level]
    command += ["--include", "osgp.visits.worker_process"]
    return [*command, "-n", f"{name}@{socket.gethostname()}"]
