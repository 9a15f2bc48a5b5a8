"""``manage.py request``: send a message to a device as a web application would, and see what comes of it."""

from argparse import ArgumentParser
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.commands.sending import APPLICATION, FAILED, PENDING, SUCCEEDED, SendingCommand
from osgp.faults import Fault
from osgp.requests.answers import build_accepted_body, build_outcome_body
from osgp.requests.models import ActionState, RequestState
from osgp.requests.queries import RequestOutcome, find_outcome
from osgp.requests.submission import make_organisation_caller, submit
from osgp.requests.waiting import wait_until_final

DEFAULT_WAIT = 60.0


class Command(SendingCommand):
    help = (
        "Send a message to a device and print the answer as JSON. Exit status: 0 it succeeded, 1 it or an "
        "action of a bundle failed, 2 it was refused, 3 it is still pending."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--device", required=True, help="Device identification.")
        parser.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=DEFAULT_WAIT,
            metavar="SECONDS",
            help=f"Wait for the outcome, {DEFAULT_WAIT:.0f} seconds by default.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = self._find_organisation(options["organisation"])
        body = {"device_identification": options["device"], **self._build_body(options)}
        try:
            request = submit(make_organisation_caller(organisation, APPLICATION), options["message"], body)
        except (Fault, ValidationError) as error:
            self._refuse_with(error)
        if options["wait"] is None:
            self._answer(build_accepted_body(request), PENDING)
        wait_until_final(request.pk, options["wait"])
        found = find_outcome(organisation, request.message, request.correlation_uid)
        if found is None:
            self._refuse("The request was deleted meanwhile.")
        self._answer(build_outcome_body(found), _find_exit_status(found))


def _find_exit_status(found: RequestOutcome) -> int:
    """The exit status for an outcome."""
    if not found.request.is_final:
        return PENDING
    failed = any(action.state in (ActionState.FAULT, ActionState.UNKNOWN) for action in found.actions)
    return SUCCEEDED if found.request.state == RequestState.SUCCEEDED and not failed else FAILED
