"""``manage.py schedule``: make and look after schedules, by the same rules as over HTTP."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.db import transaction
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.batches.models import RecurringRequest
from osgp.commands.sending import APPLICATION, SUCCEEDED, AnsweringCommand, add_actions
from osgp.faults import Fault
from osgp.fleet import schedule_answers, schedules
from osgp.fleet.contents import may_be_batched
from osgp.fleet.occurrences import NeverDue
from osgp.fleet.schedule_submission import (
    DEFAULT_PREVIEWED,
    MOST_PREVIEWED,
    PERIODS,
    preview_schedule,
    set_enabled,
    submit_schedule,
)
from osgp.messages.registry import list_operations
from osgp.requests.submission import find_operation, make_organisation_caller

PAST = 10
"""Past occurrences that are shown."""
TARGET = ("device_group", "device_identifications")
RECURRENCE = ("cron", "time_zone", "every", "period")


class Command(AnsweringCommand):
    help = (
        "Make, change, pause, resume, list, show, preview or delete schedules, and print the answer as JSON. "
        "Exit status: 0 done, 2 it was refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, text in (
            ("make", "Make a schedule."),
            ("preview", "Check a schedule without storing it, and print its next occurrences."),
            ("change", "Change what is given; the rest stays."),
            ("pause", "Make no batches until it is resumed."),
            ("resume", "Make batches again, from the next occurrence on."),
            ("show", "Print a schedule with its next and its past occurrences."),
            ("delete", "Delete a schedule; its batches stay."),
            ("list", "Print all schedules, latest first."),
        ):
            added = verbs.add_parser(verb, help=text, description=text)
            added.add_argument("--organisation", help="Whose it is; may be left out when there is only one.")
            if verb != "list":
                added.add_argument("name", metavar="NAME", help="Of the schedule.")
            if verb in ("make", "preview"):
                known = ", ".join(each.message for each in list_operations() if may_be_batched(each))
                added.add_argument("message", help=f"One of {known}.")
            if verb in ("make", "preview", "change"):
                self._add_fields(added)
            if verb in ("make", "preview"):
                paused = "Not due until it is resumed."
                added.add_argument("--paused", dest="enabled", action="store_const", const=False, help=paused)
            if verb == "change":
                added.add_argument("--rename", metavar="NAME", help="A new name.")
                added.add_argument("--message", help="Another message, with the parameters that are given.")
                added.add_argument("--no-give-up", action="store_true", help="Give up nothing.")
            if verb == "preview":
                number = f"Occurrences to print: 1 to {MOST_PREVIEWED}, {DEFAULT_PREVIEWED} by default."
                added.add_argument("--number", type=int, default=DEFAULT_PREVIEWED, help=number)
            if verb == "list":
                states = added.add_mutually_exclusive_group()
                states.add_argument("--enabled", action="store_true", help="Without the paused ones.")
                states.add_argument("--paused", action="store_true", help="The paused ones only.")
                added.add_argument("--message", help="Of this message only.")

    def _add_fields(self, parser: ArgumentParser) -> None:
        devices = parser.add_mutually_exclusive_group()
        devices.add_argument("--group", dest="device_group", metavar="GROUP", help="Name of a device group.")
        devices.add_argument(
            "--devices",
            metavar="FILE",
            help="Device identifications, one per line, in a file or on standard input (-); 10,000 at most.",
        )
        due = parser.add_mutually_exclusive_group()
        due.add_argument("--cron", help="Minute, hour, day of month, month, day of week: “0 6 * * 1-5”.")
        due.add_argument(
            "--every", type=int, metavar="NUMBER", help="Instead: at an interval of NUMBER --period."
        )
        parser.add_argument("--time-zone", help="IANA name of the zone whose clocks --cron follows.")
        parser.add_argument("--period", choices=PERIODS, help="What --every counts: minutes by default.")
        parser.add_argument("--starts-at", metavar="TIME", help="Nothing is due before, RFC 3339.")
        parser.add_argument(
            "--parameter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="A parameter of the message; VALUE is JSON, or else text. May be repeated.",
        )
        add_actions(parser)
        parser.add_argument("--priority", type=int, help="0 to 9; higher goes first.")
        parser.add_argument("--bypass-retry", action=BooleanOptionalAction, help="One attempt only.")
        parser.add_argument(
            "--spread",
            dest="spread_seconds",
            type=int,
            metavar="SECONDS",
            help="Spread the devices over this time.",
        )
        parser.add_argument(
            "--give-up-after",
            dest="max_duration_seconds",
            type=int,
            metavar="SECONDS",
            help="Give up requests not started this long after the occurrence.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = self._find_organisation(options["organisation"])
        try:
            getattr(self, f"_{options['verb']}")(organisation, options)
        except (Fault, ValidationError) as error:
            self._refuse_with(error)
        except NeverDue as error:
            self._refuse(str(error))

    def _make(self, organisation: Organisation, options: dict[str, Any]) -> None:
        body = self._build_body(options, {"name": options["name"], "message": options["message"]})
        row = submit_schedule(make_organisation_caller(organisation, APPLICATION), body)
        self._answer(schedule_answers.describe(row), SUCCEEDED)

    def _preview(self, organisation: Organisation, options: dict[str, Any]) -> None:
        if not 1 <= options["number"] <= MOST_PREVIEWED:
            self._refuse(f"--number must be 1 to {MOST_PREVIEWED}.")
        body = self._build_body(options, {"name": options["name"], "message": options["message"]})
        caller = make_organisation_caller(organisation, APPLICATION)
        moments, zone = preview_schedule(caller, body, options["number"])
        self._answer(schedule_answers.describe_preview(moments, zone), SUCCEEDED)

    def _change(self, organisation: Organisation, options: dict[str, Any]) -> None:
        with transaction.atomic():
            row = self._find(organisation, options["name"], lock=True)
            body = schedule_answers.build_body(row)
            if options["message"] not in (None, row.message):
                body |= {"message": options["message"], "parameters": {}}
            if options["rename"] is not None:
                body["name"] = options["rename"]
            if options["no_give_up"]:
                body.pop("max_duration_seconds", None)
            body = self._build_body(options, body)
            row = submit_schedule(make_organisation_caller(organisation, APPLICATION), body, row)
        self._answer(schedule_answers.describe(row), SUCCEEDED)

    def _pause(self, organisation: Organisation, options: dict[str, Any]) -> None:
        self._set_enabled(organisation, options["name"], False)

    def _resume(self, organisation: Organisation, options: dict[str, Any]) -> None:
        self._set_enabled(organisation, options["name"], True)

    def _set_enabled(self, organisation: Organisation, name: str, enabled: bool) -> None:
        with transaction.atomic():
            row = self._find(organisation, name, lock=True)
            if row.enabled != enabled:
                set_enabled(row, enabled)
        self._answer(schedule_answers.describe(row), SUCCEEDED)

    def _show(self, organisation: Organisation, options: dict[str, Any]) -> None:
        row = self._find(organisation, options["name"])
        past = [schedule_answers.describe_occurrence(batch) for batch in schedules.list_past(row)[:PAST]]
        self._answer({**schedule_answers.describe(row), "past_occurrences": past}, SUCCEEDED)

    def _delete(self, organisation: Organisation, options: dict[str, Any]) -> None:
        with transaction.atomic():
            self._find(organisation, options["name"], lock=True).delete()
        self._answer({"deleted": options["name"]}, SUCCEEDED)

    def _list(self, organisation: Organisation, options: dict[str, Any]) -> None:
        rows = schedules.list_schedules(organisation).order_by("-created_at", "-pk")
        if options["enabled"] or options["paused"]:
            rows = rows.filter(enabled=options["enabled"])
        if options["message"] is not None:
            rows = rows.filter(message=find_operation(options["message"]).message)
        self._answer({"results": schedule_answers.summarize_all(list(rows))}, SUCCEEDED)

    def _find(self, organisation: Organisation, name: str, *, lock: bool = False) -> RecurringRequest:
        rows = schedules.list_schedules(organisation)
        row = (schedules.lock(rows) if lock else rows).filter(name=name).first()
        if row is None:
            self._refuse(f"There is no schedule {name}.")
        return row

    def _build_body(self, options: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a schedule with what was given in it, in place of what contradicts it."""
        given = {
            name: options[name]
            for name in (
                "device_group", "cron", "time_zone", "every", "period", "starts_at", "priority",
                "bypass_retry", "spread_seconds", "max_duration_seconds", "enabled",
            )
            if options.get(name) is not None
        }  # fmt: skip
        if options["devices"] is not None:
            given["device_identifications"] = self._read_identifications(options["devices"])
        replaced: set[str] = set()
        if any(name in given for name in TARGET):
            replaced |= set(TARGET)
        if "cron" in given:
            replaced |= {"every", "period"}
        if "every" in given:
            replaced |= {"cron", "time_zone"}
        kept = {name: value for name, value in body.items() if name not in replaced}
        parameters = {**kept.get("parameters", {}), **self._parse_parameters(options["parameter"])}
        if options["actions"] is not None:
            parameters["actions"] = self._read_actions(options["actions"])
        return {**kept, **given, "parameters": parameters}
