"""What commands that send messages have in common: who sends, which parameters, and how they answer."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.faults import Fault
from osgp.messages.registry import RegisteredOperation, list_operations
from osgp.requests.problems import build_fault_problem, build_validation_problem

APPLICATION = "command line"
SUCCEEDED, FAILED, BAD_INPUT, PENDING = range(4)
"""Exit statuses."""


def add_actions(parser: ArgumentParser) -> None:
    """Let the actions of a bundle be given."""
    parser.add_argument(
        "--actions",
        metavar="FILE",
        help="The actions of a bundle: a JSON list in a file, or on standard input (-).",
    )


class AnsweringCommand(BaseCommand):
    """A command in the name of an organisation; it answers with JSON and one of the exit statuses."""

    def _find_organisation(self, identification: str | None) -> Organisation:
        organisations = Organisation.objects.filter(enabled=True)
        if identification is not None:
            organisations = organisations.filter(identification=identification)
        found = list(organisations[:2])
        if identification is not None and not found:
            self._refuse(f"There is no enabled organisation {identification}.")
        if len(found) != 1:
            self._refuse("Say which --organisation sends it.")
        return found[0]

    def _parse_parameters(self, pairs: list[str]) -> dict[str, Any]:
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

    def _read_actions(self, name: str) -> Any:
        """Return the JSON of a file, or of standard input (-)."""
        try:
            return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
        except OSError as error:
            self._refuse(f"{name}: {error.strerror}")
        except (ValueError, RecursionError) as error:
            self._refuse(f"{name} holds no JSON: {error}")

    def _read_identifications(self, name: str) -> list[str]:
        """Return the words of a file, or of standard input (-)."""
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            self._refuse(f"{name}: {error}")
        return text.split()

    def _refuse(self, text: str) -> NoReturn:
        self.stderr.write(text)
        sys.exit(BAD_INPUT)

    def _refuse_with(self, error: Fault | ValidationError) -> NoReturn:
        """Write the problem document that the API would answer, and exit."""
        problem = build_fault_problem(error) if isinstance(error, Fault) else build_validation_problem(error)
        self._refuse(json.dumps(problem, indent=2, ensure_ascii=False))

    def _answer(self, body: dict[str, Any], status: int) -> NoReturn:
        self.stdout.write(json.dumps(body, indent=2, ensure_ascii=False))
        sys.exit(status)


class SendingCommand(AnsweringCommand):
    """A command that sends a message."""

    def may_send(self, operation: RegisteredOperation) -> bool:
        """Whether the command is for such a message."""
        return True

    def add_arguments(self, parser: ArgumentParser) -> None:
        known = ", ".join(operation.message for operation in list_operations() if self.may_send(operation))
        parser.add_argument("message", help=f"One of {known}.")
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
        add_actions(parser)

    def _build_body(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters, actions and common fields that were given."""
        body = self._parse_parameters(options["parameter"])
        if options["actions"] is not None:
            body["actions"] = self._read_actions(options["actions"])
        if options["priority"] is not None:
            body["priority"] = options["priority"]
        return body
