"""``manage.py webhook``: look after webhook endpoints, by the same rules as over HTTP."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any
from uuid import UUID

from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.commands.sending import APPLICATION, SUCCEEDED, AnsweringCommand
from osgp.notifications import answers, endpoints, replaying
from osgp.notifications.endpoints import DEFAULT_OVERLAP, NoKeys, NotPossible
from osgp.notifications.models import DeliveryState, Endpoint
from osgp.notifications.secrets import rewrap_all
from osgp.sql import read_now

SHOWN, MOST_SHOWN = 20, 10_000
"""Deliveries that are printed unless told, and at most."""
MOST_HOURS = 24 * 366
FIELDS = ("url", "description", "kinds", "messages", "statuses")
FILTERS = {
    "kinds": ("--kind", "kinds"),
    "messages": ("--message", "messages"),
    "statuses": ("--status", "final states"),
}
"""The option of each filter, and what it is called."""
OF_ENDPOINT = {
    "change": "Change what is given; the rest, and the secret, stay.",
    "pause": "Send nothing to it until it is resumed; deliveries wait.",
    "resume": "Send to it again, what waits first.",
    "rotate": "Make a new secret and print it; it is not shown again.",
    "test": "Send a notification that only tries it.",
    "deliveries": "Print its deliveries with their attempts, latest first.",
    "replay": "Send deliveries again that are over.",
    "delete": "Send nothing to it any more.",
}


class Command(AnsweringCommand):
    help = (
        "Register, list, change, test, pause, resume or delete webhook endpoints, rotate their secrets, and "
        "look at deliveries or send them again. Prints JSON. Exit status: 0 done, 2 it was refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, text in (
            ("list", "Print all endpoints."),
            ("add", "Register an endpoint; prints its secret, which is not shown again."),
            ("response-url-secret", "Make the secret for the response_url of requests, and print it."),
            ("rewrap", "Wrap all secrets with the first of OSGP_WEBHOOK_KEYS."),
            *OF_ENDPOINT.items(),
        ):
            added = verbs.add_parser(verb, help=text, description=text)
            if verb == "rewrap":
                continue
            added.add_argument("--organisation", help="Whose it is; may be left out when there is only one.")
            if verb in OF_ENDPOINT:
                added.add_argument("uid", type=UUID, metavar="UID", help="Of the endpoint.")
            _add_options(verb, added)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self._answer(self._do(options), SUCCEEDED)
        except ValidationError as error:
            self._refuse_with(error)
        except (NoKeys, NotPossible) as error:
            self._refuse(str(error))

    def _do(self, options: dict[str, Any]) -> dict[str, Any]:
        verb: str = options["verb"]
        if verb == "rewrap":
            return {"rewrapped": rewrap_all()}
        organisation = self._find_organisation(options["organisation"])
        if verb == "list":
            rows = endpoints.list_endpoints(organisation)
            return {"results": [answers.describe_endpoint(row) for row in rows]}
        if verb == "add":
            registered = endpoints.register(organisation, _read_fields(options), by=APPLICATION)
            return answers.describe_new_endpoint(*registered)
        if verb == "response-url-secret":
            return self._rotate(organisation, None, options)
        endpoint = endpoints.find_endpoint(organisation, options["uid"])
        if endpoint is None:
            self._refuse(f"{organisation} has no endpoint {options['uid']}.")
        return self._do_with(verb, organisation, endpoint, options)

    def _do_with(
        self, verb: str, organisation: Organisation, endpoint: Endpoint, options: dict[str, Any]
    ) -> dict[str, Any]:
        if verb == "change":
            return self._change(endpoint, options)
        if verb == "pause":
            return answers.describe_endpoint(endpoints.pause(endpoint))
        if verb == "resume":
            return answers.describe_endpoint(endpoints.resume(endpoint))
        if verb == "rotate":
            return self._rotate(organisation, endpoint, options)
        if verb == "test":
            return answers.describe_delivery(endpoints.send_test(endpoint))
        if verb == "delete":
            endpoints.delete(endpoint)
            return {"deleted": str(endpoint.uid)}
        if verb == "replay":
            return self._replay(endpoint, options)
        rows = endpoint.deliveries.all()
        if options["state"]:
            rows = rows.filter(state=options["state"])
        if not 1 <= options["number"] <= MOST_SHOWN:
            self._refuse(f"--number is from 1 to {MOST_SHOWN}.")
        return {"results": [answers.describe_delivery(row) for row in rows[: options["number"]]]}

    def _change(self, endpoint: Endpoint, options: dict[str, Any]) -> dict[str, Any]:
        fields, emptied = _read_fields(options), options["empty"] or []
        if both := sorted(fields.keys() & set(emptied)):
            self._refuse(f"--empty {both[0]} and {FILTERS[both[0]][0]} exclude each other.")
        fields |= {name: [] for name in emptied}
        if not fields:
            self._refuse("Say what to change.")
        return answers.describe_endpoint(endpoints.change(endpoint, fields))

    def _replay(self, endpoint: Endpoint, options: dict[str, Any]) -> dict[str, Any]:
        if options["delivery"] is not None:
            if options["state"]:
                self._refuse("--state goes with --hours only.")
            delivery = replaying.replay_one(endpoint, options["delivery"])
            if delivery is None:
                self._refuse(f"The endpoint has no delivery {options['delivery']}.")
            return answers.describe_delivery(delivery)
        if not 0 < options["hours"] <= MOST_HOURS:
            self._refuse(f"--hours is from 0 to {MOST_HOURS}.")
        now = read_now()
        since = now - timedelta(hours=options["hours"])
        among = options["state"] or [str(DeliveryState.FAILED)]
        return {"replayed": replaying.replay_all(endpoint, since, now, among)}

    def _rotate(
        self, organisation: Organisation, endpoint: Endpoint | None, options: dict[str, Any]
    ) -> dict[str, Any]:
        body = {"overlap_hours": options["overlap_hours"]}
        return {"secret": endpoints.rotate_secret(organisation, endpoint, body, by=APPLICATION)}


def _read_fields(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in FIELDS if options[name] is not None}


def _add_options(verb: str, parser: ArgumentParser) -> None:
    if verb in ("add", "change"):
        name = "url" if verb == "add" else "--url"
        parser.add_argument(name, metavar="URL", help="Where notifications are posted.")
        parser.add_argument("--description", metavar="TEXT", help="For people.")
        for name, (option, what) in FILTERS.items():
            text = f"Only of these {what}; may be repeated."
            parser.add_argument(option, dest=name, action="append", metavar="NAME", help=text)
        if verb == "change":
            text = "Empty this filter, which then stands for everything; may be repeated."
            parser.add_argument("--empty", action="append", choices=FILTERS, metavar="FILTER", help=text)
    elif verb in ("rotate", "response-url-secret"):
        parser.add_argument(
            "--overlap-hours",
            type=int,
            default=DEFAULT_OVERLAP,
            metavar="HOURS",
            help=f"How long the former secret signs as well ({DEFAULT_OVERLAP}).",
        )
    elif verb == "deliveries":
        parser.add_argument("--state", choices=DeliveryState.values, help="In this state only.")
        parser.add_argument(
            "--number", type=int, default=SHOWN, help=f"How many, {MOST_SHOWN} at most ({SHOWN})."
        )
    elif verb == "replay":
        which = parser.add_mutually_exclusive_group(required=True)
        hours = "Those made in the last hours."
        which.add_argument("--hours", type=float, metavar="HOURS", help=hours)
        which.add_argument("--delivery", type=int, metavar="ID", help="One of them, in whichever state.")
        text = "In this state; FAILED by default, may be repeated."
        parser.add_argument("--state", action="append", choices=replaying.OVER, help=text)
