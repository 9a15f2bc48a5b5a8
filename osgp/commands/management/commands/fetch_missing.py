"""``manage.py fetch_missing``: ask all meters that lack readings for them, and watch how it goes."""

from argparse import ArgumentParser
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.commands.sending import APPLICATION, FAILED, PENDING, SUCCEEDED, AnsweringCommand
from osgp.commands.watching import DEFAULT_WAIT, find_exit_status, watch
from osgp.completeness.fetching import describe_fetched, fetch
from osgp.completeness.filters import MissingFilter
from osgp.completeness.gaps import Reason
from osgp.completeness.selections import make_selection
from osgp.devices.models import DeviceType
from osgp.faults import Fault
from osgp.fleet.answers import describe
from osgp.messages.readings import Period
from osgp.requests.submission import make_organisation_caller

ONE = ("period", "from", "until", "group", "network", "device_type")
SEVERAL = ("reason", "device")


class Command(AnsweringCommand):
    help = (
        "Ask all meters that lack readings for what they still hold of them, and print the batches as JSON. "
        "Exit status: 0 nothing is worth asking for or all succeeded, 1 some failed or were left out, 2 it "
        "was refused, 3 it is still pending."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organisation", help="Who asks; may be left out when there is only one.")
        periods = [str(period) for period in Period if period != Period.ACTUAL]
        parser.add_argument("--period", choices=periods, help="Default: INTERVAL.")
        parser.add_argument("--from", metavar="DAY", help="First day. Default: yesterday.")
        parser.add_argument(
            "--until", metavar="DAY", help="The day after the last one. Default: today (UTC)."
        )
        parser.add_argument("--group", help="Name of a device group.")
        parser.add_argument("--network", help="Name of a communication network.")
        parser.add_argument("--device-type", choices=DeviceType.values)
        parser.add_argument(
            "--reason",
            action="append",
            choices=[str(reason) for reason in Reason],
            help="Only meters with a gap for this reason. May be repeated.",
        )
        parser.add_argument("--device", action="append", help="Device identification. May be repeated.")
        parser.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=DEFAULT_WAIT,
            metavar="SECONDS",
            help=f"Show the progress until it is over, {DEFAULT_WAIT:.0f} seconds at most by default.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        caller = make_organisation_caller(self._find_organisation(options["organisation"]), APPLICATION)
        given = MissingFilter(
            data={name: options[name] for name in (*ONE, *SEVERAL) if options[name] is not None}
        )
        try:
            given.is_valid(raise_exception=True)
            fetched = fetch(caller, make_selection(caller, given.validated_data))
        except (Fault, ValidationError) as error:
            self._refuse_with(error)
        answer = describe_fetched(fetched)
        if not fetched.batches:
            self._answer(answer, PENDING if fetched.pending else SUCCEEDED)
        if options["wait"] is None:
            self._answer(answer, PENDING)
        batches = watch(fetched.batches, options["wait"])
        answer["batches"] = [describe(batch) for batch in batches]
        statuses = {find_exit_status(batch) for batch in batches}
        worst = next(status for status in (PENDING, FAILED, SUCCEEDED) if status in statuses)
        self._answer(answer, worst)
