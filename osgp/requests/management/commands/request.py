"""``manage.py request``: send a message to a device as a web application would, and see what comes of it."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.faults import Fault
from osgp.requests.api.answers import accepted, outcome_body
from osgp.requests.api.problems import exception_handler
from osgp.requests.api.waiting import wait_until_final
from osgp.requests.models import ActionState, RequestState
from osgp.requests.queries import Outcome, outcome
from osgp.requests.registry import operations
from osgp.requests.submission import organisation_caller, submit

APPLICATION = "command line"
DEFAULT_WAIT = 60.0
SUCCEEDED, FAILED, BAD_INPUT, PENDING = range(4)


class Command(BaseCommand):
    help = (
        "Send a message to a device and print the answer as JSON. Exit status: 0 it succeeded, 1 it or an "
        "action of a bundle failed, 2 it was refused, 3 it is still pending."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        known = ", ".join(task.message for task in operations())
        parser.add_argument("message", help=f"One of {known}.")
        parser.add_argument("--device", required=True, help="Device identification.")
        parser.add_argument("--organisation", help="Who sends it; may be left out when there is only one.")
        parser.add_argument("--priority", type=int, help="0 to 9; higher goes first.")
        parser.add_argument(
            "--parameter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="A parameter of the message, or a common field such as schedule_time; VALUE is JSON, or "
            "else text. May be repeated.",
        )
        parser.add_argument(
            "--actions",
            metavar="FILE",
            help="The actions of a bundle: a JSON list in a file, or on standard input (-).",
        )
        parser.add_argument(
            "--wait",
            nargs="?",
            type=float,
            const=DEFAULT_WAIT,
            metavar="SECONDS",
            help=f"Wait for the outcome, {DEFAULT_WAIT:.0f} seconds unless told.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = self._organisation(options["organisation"])
        body = {"device_identification": options["device"], **self._parameters(options["parameter"])}
        if options["priority"] is not None:
            body["priority"] = options["priority"]
        if options["actions"] is not None:
            body["actions"] = self._actions(options["actions"])
        try:
            request = submit(organisation_caller(organisation, APPLICATION), options["message"], body)
        except (Fault, ValidationError) as error:
            problem = exception_handler(error, {})
            assert problem is not None
            self._refuse(json.dumps(problem.data, indent=2, ensure_ascii=False))
        if options["wait"] is None:
            self._answer(accepted(request), PENDING)
        wait_until_final(request.pk, options["wait"])
        found = outcome(organisation, request.message, request.correlation_uid)
        if found is None:
            self._refuse("The request was deleted meanwhile.")
        self._answer(outcome_body(found), _status(found))

    def _organisation(self, identification: str | None) -> Organisation:
        organisations = Organisation.objects.filter(enabled=True)
        if identification is not None:
            organisations = organisations.filter(identification=identification)
        found = list(organisations[:2])
        if identification is not None and not found:
            self._refuse(f"There is no enabled organisation {identification}.")
        if len(found) != 1:
            self._refuse("Say which --organisation sends it.")
        return found[0]

    def _parameters(self, pairs: list[str]) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for pair in pairs:
            name, equals, text = pair.partition("=")
            if not equals:
                self._refuse(f"--parameter must be NAME=VALUE, not {pair}")
            try:
                parameters[name] = json.loads(text)
            except (ValueError, RecursionError):
                parameters[name] = text
        return parameters

    def _actions(self, name: str) -> Any:
        try:
            return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
        except OSError as error:
            self._refuse(f"{name}: {error.strerror}")
        except (ValueError, RecursionError) as error:
            self._refuse(f"{name} holds no JSON: {error}")

    def _refuse(self, text: str) -> NoReturn:
        self.stderr.write(text)
        sys.exit(BAD_INPUT)

    def _answer(self, body: dict[str, Any], status: int) -> NoReturn:
        self.stdout.write(json.dumps(body, indent=2, ensure_ascii=False))
        sys.exit(status)


def _status(found: Outcome) -> int:
    """The exit status for an outcome."""
    if not found.request.is_final:
        return PENDING
    failed = any(action.state in (ActionState.FAULT, ActionState.UNKNOWN) for action in found.actions)
    return SUCCEEDED if found.request.state == RequestState.SUCCEEDED and not failed else FAILED
