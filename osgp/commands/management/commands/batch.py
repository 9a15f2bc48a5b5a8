"""``manage.py batch``: send a message to many devices as a web application would, and watch how it goes."""

import time
from argparse import ArgumentParser
from typing import Any

from rest_framework.exceptions import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from osgp.batches.models import Batch
from osgp.commands.sending import APPLICATION, FAILED, PENDING, SUCCEEDED, SendingCommand
from osgp.faults import Fault
from osgp.fleet import steering
from osgp.fleet.answers import describe, summarize
from osgp.fleet.contents import may_be_batched
from osgp.fleet.progress import measure_progress
from osgp.fleet.submission import submit
from osgp.messages.registry import RegisteredOperation
from osgp.processes.database import give_back_connection
from osgp.requests.models import RequestState
from osgp.requests.submission import make_organisation_caller

DEFAULT_WAIT = 3600.0
LOOK_EVERY = 1.0
"""Seconds."""


class Command(SendingCommand):
    help = (
        "Send a message to many devices and print the batch as JSON. Exit status: 0 all succeeded, 1 some "
        "failed or were left out, 2 it was refused, 3 it is still pending."
    )

    def may_send(self, operation: RegisteredOperation) -> bool:
        """One that can be the same for many devices."""
        return may_be_batched(operation)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        devices = parser.add_mutually_exclusive_group(required=True)
        devices.add_argument("--group", help="Name of a device group.")
        devices.add_argument(
            "--devices",
            metavar="FILE",
            help="Device identifications, one per line, in a file or on standard input (-); 10,000 at most.",
        )
        parser.add_argument(
            "--skip-invalid", action="store_true", help="Leave out devices of the list that cannot do it."
        )
        parser.add_argument(
            "--spread",
            type=int,
            default=0,
            metavar="SECONDS",
            help="Spread the devices over this time.",
        )
        parser.add_argument("--schedule-time", metavar="TIME", help="Do not start before, RFC 3339.")
        parser.add_argument("--max-schedule-time", metavar="TIME", help="Do not start after, RFC 3339.")
        parser.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=DEFAULT_WAIT,
            metavar="SECONDS",
            help=f"Show the progress until it is over, {DEFAULT_WAIT:.0f} seconds at most by default.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = self._find_organisation(options["organisation"])
        fields = {**self._build_body(options), "message": options["message"]}
        if options["group"] is not None:
            fields["device_group"] = options["group"]
        else:
            fields["device_identifications"] = self._read_identifications(options["devices"])
        if options["skip_invalid"]:
            fields["skip_invalid"] = True
        fields["spread_seconds"] = options["spread"]
        times = ("schedule_time", "max_schedule_time")
        fields |= {name: options[name] for name in times if options[name] is not None}
        try:
            batch = submit(make_organisation_caller(organisation, APPLICATION), fields)
        except (Fault, ValidationError) as error:
            self._refuse_with(error)
        if options["wait"] is None:
            self._answer(summarize(batch), PENDING)
        self._watch(batch, options["wait"])
        steering.settle(batch.pk)
        batch = Batch.objects.select_related("group", "retry_of", "recurring").get(pk=batch.pk)
        self._answer(describe(batch), _find_exit_status(batch))

    def _watch(self, batch: Batch, seconds: float) -> None:
        """A bar on standard error, where it does not get between the lines of the answer."""
        deadline = time.monotonic() + seconds
        columns = (
            TextColumn("{task.description}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            shown = bar.add_task(batch.content, total=batch.total, failed=0)
            while True:
                counts = measure_progress(batch)
                failed = counts.states[RequestState.FAILED]
                bar.update(shown, completed=counts.final, total=counts.total, failed=failed)
                if batch.is_final or time.monotonic() >= deadline:
                    return
                steering.settle(batch.pk)
                give_back_connection()
                time.sleep(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))
                batch.refresh_from_db()


def _find_exit_status(batch: Batch) -> int:
    if not batch.is_final:
        return PENDING
    counts = measure_progress(batch)
    complete = counts.states[RequestState.SUCCEEDED] == counts.total and not counts.skipped
    return SUCCEEDED if complete and batch.fault is None else FAILED
