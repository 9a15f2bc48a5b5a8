"""``manage.py batch``: send a message to many devices as a web application would, and watch how it goes."""

from argparse import ArgumentParser
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.commands.sending import APPLICATION, PENDING, SendingCommand
from osgp.commands.watching import DEFAULT_WAIT, find_exit_status, watch
from osgp.faults import Fault
from osgp.fleet.answers import describe, summarize
from osgp.fleet.contents import may_be_batched
from osgp.fleet.submission import submit
from osgp.messages.registry import RegisteredOperation
from osgp.requests.submission import make_organisation_caller


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
        [batch] = watch([batch], options["wait"])
        self._answer(describe(batch), find_exit_status(batch))
