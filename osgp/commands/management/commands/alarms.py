"""``manage.py alarms``: RetrievePushNotificationAlarm and more on the command line."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from osgp.accounts.models import Organisation
from osgp.alarms import again, finding, storing
from osgp.alarms.acknowledging import acknowledge
from osgp.alarms.models import ReceivedPush
from osgp.commands.sending import APPLICATION
from osgp.cosem.alarms import list_alarm_types


class Command(BaseCommand):
    """Alarms as the API gives them, one JSON object a line, the latest first."""

    help = (
        "List alarms that meters pushed, one JSON object a line; acknowledge them, or decode once more what "
        "could not be decoded."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        repeatable: dict[str, Any] = {"action": "append", "default": []}
        parser.add_argument("--organisation", help="Alarms of its devices; of all devices without it.")
        parser.add_argument("--device", metavar="NAME", **repeatable, help="May be repeated.")
        parser.add_argument(
            "--alarm-type", metavar="NAME", choices=list_alarm_types(), **repeatable, help="May be repeated."
        )
        parser.add_argument("--network", metavar="NAME", help="Of a communication network.")
        parser.add_argument("--from", dest="received_from", metavar="TIME", help="Received then or later.")
        parser.add_argument("--until", dest="received_until", metavar="TIME", help="Received before.")
        parser.add_argument("--unacknowledged", action="store_true", help="Leave out acknowledged ones.")
        parser.add_argument(
            "--unknown-bits", action="store_true", help="Only those with bits that have no meaning."
        )
        parser.add_argument("--limit", type=int, default=1000, help="Alarms at most (1000).")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--acknowledge", metavar="NOTE", help="Acknowledge them all, with a note.")
        what.add_argument(
            "--decode-again",
            action="store_true",
            help="Decode pushes that brought nothing, and name bits of these alarms that had no name.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        alarms = self._find(options)
        if options["acknowledge"] is not None:
            number = acknowledge(alarms, APPLICATION, options["acknowledge"])
            self.stderr.write(f"Acknowledged {number} alarms.")
        elif options["decode_again"]:
            self._decode_again(alarms, options)
        else:
            if options["limit"] < 1:
                raise CommandError("--limit is at least 1.")
            for alarm in alarms.select_related("device")[: options["limit"]]:
                self.stdout.write(json.dumps(storing.describe(alarm)))

    def _find(self, options: dict[str, Any]) -> Any:
        organisation = None
        if options["organisation"] is not None:
            organisation = Organisation.objects.filter(identification=options["organisation"]).first()
            if organisation is None:
                raise CommandError(f"There is no organisation {options['organisation']}.")
        return finding.filter_alarms(
            finding.list_alarms(organisation),
            devices=options["device"],
            alarm_types=options["alarm_type"],
            network=options["network"],
            received_from=_parse_time("--from", options["received_from"]),
            received_until=_parse_time("--until", options["received_until"]),
            acknowledged=False if options["unacknowledged"] else None,
            unknown_bits=True if options["unknown_bits"] else None,
        )

    def _decode_again(self, alarms: Any, options: dict[str, Any]) -> None:
        if options["organisation"] is not None:
            raise CommandError("Only the platform decodes again: leave --organisation out.")
        named = again.name_again(alarms)
        pushes = again.decode_again(ReceivedPush.objects.all())
        self.stderr.write(f"Named bits of {named} alarms; {pushes} pushes wait to be decoded once more.")


def _parse_time(name: str, text: str | None) -> Any:
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"{name} is a time with its offset, such as 2026-03-29T02:30:00+02:00.")
    return moment
