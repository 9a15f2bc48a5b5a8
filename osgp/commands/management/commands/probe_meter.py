"""``manage.py probe_meter``: find out how a meter wants to be talked to, and apply it if told."""

import json
import shutil
import sys
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from rest_framework.exceptions import ValidationError

from osgp.commands.sending import APPLICATION, FAILED, PENDING, SUCCEEDED, AnsweringCommand
from osgp.faults import Fault
from osgp.installation.probing.applying import apply_findings
from osgp.installation.probing.findings import list_for_people, list_proposals
from osgp.requests.answers import build_accepted_body, build_outcome_body
from osgp.requests.models import RequestState
from osgp.requests.queries import find_outcome
from osgp.requests.submission import make_organisation_caller, submit
from osgp.requests.waiting import wait_until_final

DEFAULT_WAIT = 600.0
NARROWEST, WIDEST = 80, 160
"""Characters of a line."""
LEAST_SEEN = 30
HEADINGS = ("SETTING", "NOW", "PROPOSAL", "SEEN")


class Command(AnsweringCommand):
    help = (
        "Probe a meter, and print what was found and is proposed. Exit status: 0 it was reached, 1 it was "
        "not (what was tried is printed as well), 2 the probe was refused, 3 it is still pending."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("identification", help="Of the device.")
        parser.add_argument("--organisation", help="Who sends it; may be left out when there is only one.")
        parser.add_argument("--apply", action="store_true", help="Give the device what is proposed.")
        parser.add_argument("--json", action="store_true", help="Print the answer of the API instead.")
        parser.add_argument(
            "--wait",
            type=float,
            default=DEFAULT_WAIT,
            metavar="SECONDS",
            help=f"How long to wait for it, {DEFAULT_WAIT:.0f} seconds by default.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = self._find_organisation(options["organisation"])
        body = {"device_identification": options["identification"], "apply": options["apply"]}
        try:
            request = submit(make_organisation_caller(organisation, APPLICATION), "ProbeMeter", body)
        except (Fault, ValidationError) as error:
            self._refuse_with(error)
        wait_until_final(request.pk, options["wait"])
        found = find_outcome(organisation, request.message, request.correlation_uid)
        if found is None:
            self._refuse("The request was deleted meanwhile.")
        if not found.request.is_final:
            if options["json"]:
                self._answer(build_accepted_body(request), PENDING)
            self.stdout.write(f"Still pending: {request.correlation_uid}")
            sys.exit(PENDING)
        outcome = build_outcome_body(found)
        status = SUCCEEDED if found.request.state == RequestState.SUCCEEDED else FAILED
        result = outcome["result"] or outcome.get("partial_result")
        if options["apply"] and status == FAILED and result and found.request.device_id is not None:
            # Nobody else applies what was found of a meter that was not reached.
            try:
                result["applied"] = apply_findings(found.request.device_id, result["findings"])
            except Fault as error:
                self._refuse_with(error)
        if options["json"]:
            self._answer(outcome, status)
        fault = None if status == SUCCEEDED else outcome["fault"] or {"message": "it was cancelled."}
        self._print(options["identification"], fault, result, status)

    def _print(
        self, identification: str, fault: Mapping[str, Any] | None, result: Any, status: int
    ) -> NoReturn:
        if fault is not None:
            self.stdout.write(self.style.ERROR(f"No association with {identification}: {fault['message']}"))
        if result:
            for line in describe(identification, result):
                self.stdout.write(self.style.WARNING(line.text) if line.is_proposal else line.text)
        sys.exit(status)


class Line:
    """A line of the output; ``is_proposal``: it is about something that is proposed."""

    def __init__(self, text: str = "", *, is_proposal: bool = False) -> None:
        self.text = text.rstrip()
        self.is_proposal = is_proposal


def describe(identification: str, result: Mapping[str, Any]) -> Iterator[Line]:
    """What a probe found, as a table."""
    meter = result["meter"]
    told = [meter["logical_device_name"], meter["firmware"], meter["local_time"]]
    if meter["clock_ahead"] is not None:
        told.append(f"clock {meter['clock_ahead']:+.1f} s")
    yield Line("  ".join([identification, *filter(None, told)]))
    yield Line(f"{result['round_trips']} round trips over the association, {result['seconds']:.1f} s in all")
    yield Line()
    yield from _draw_table(result["findings"])
    yield Line()
    proposals = list_proposals(result["findings"])
    if result["applied"]:
        yield Line(f"Applied: {_join(result['applied'])}")
    elif proposals:
        yield Line(f"Proposed: {_join(proposals)}", is_proposal=True)
        yield Line("Apply it with --apply.")
    else:
        yield Line("Nothing to apply.")
    if for_people := list_for_people(result["findings"]):
        yield Line(f"To be judged, and changed on the page of the device: {_join(for_people)}")


def _join(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={show(value)}" for name, value in values.items())


def _draw_table(findings: list[Mapping[str, Any]]) -> Iterator[Line]:
    rows = [
        (
            each["setting"],
            show(each["current"]),
            "" if each["proposed"] is None else show(each["proposed"]),
            each["seen"],
        )
        for each in findings
    ]
    widths = [max(len(row[column]) for row in [HEADINGS, *rows]) for column in range(3)]
    indent = sum(widths) + 2 * len(widths)
    width = min(max(shutil.get_terminal_size((110, 24)).columns, NARROWEST), WIDEST)
    seen = max(width - indent, LEAST_SEEN)
    for row in [HEADINGS, *rows]:
        parts = textwrap.wrap(row[3], seen) or [""]
        begin = "  ".join(f"{text:{length}}" for text, length in zip(row, widths, strict=False))
        is_proposal = row is not HEADINGS and bool(row[2])
        for number, part in enumerate(parts):
            yield Line(f"{begin if not number else ' ' * (indent - 2)}  {part}", is_proposal=is_proposal)


def show(value: object) -> str:
    """A value as text that ``meter_settings set`` takes."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
