"""``manage.py erase_readings``: what one customer's meter measured goes for good."""

import getpass
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.completeness import erasing
from osgp.devices.models import Device

LONGEST_REASON = 150


class Command(BaseCommand):
    help = (
        "Erase the readings of a device in a time, with the results of its requests, its pushes and its "
        "message log from then on. Says what there is, and erases it with --yes only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("device", help="Device identification.")
        parser.add_argument("--organisation", required=True, help="In whose name: an owner of the device.")
        parser.add_argument("--from", dest="since", required=True, help="RFC 3339; values of this time go.")
        parser.add_argument("--until", required=True, help="RFC 3339; values of this time go as well.")
        parser.add_argument("--reason", required=True, help="For the audit trail; no name of a person.")
        parser.add_argument("--yes", action="store_true", help="Erase.")

    def handle(self, *_: Any, **options: Any) -> None:
        organisation = Organisation.objects.filter(identification=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"There is no organisation {options['organisation']}.")
        device = _find_device(organisation, options["device"])
        since, until = (_parse_time(options[name], name) for name in ("since", "until"))
        if until < since:
            raise CommandError("until: is before from.")
        reason = options["reason"].strip()
        if not 1 <= len(reason) <= LONGEST_REASON:
            raise CommandError(f"reason: has 1 to {LONGEST_REASON} characters.")
        try:
            erased = erasing.erase(
                organisation,
                device,
                since,
                until,
                actor=f"command line/{getpass.getuser()}",
                reason=reason,
                is_trial=not options["yes"],
            )
        except erasing.StillAsked:
            text = "is asked for by requests that are not final: cancel them, or wait for them."
            raise CommandError(f"{device.identification} {text}") from None
        done = "Erased" if options["yes"] else "There are, and --yes erases them"
        self.stdout.write(f"{done}: {erased.values:,} values, {erased.requests:,} requests, ", ending="")
        self.stdout.write(f"{erased.pushes:,} pushes, {erased.message_logs:,} logged messages.")


def _find_device(organisation: Organisation, identification: str) -> Device:
    device = list_granted_devices(organisation, ()).filter(identification=identification).first()
    if device is None:
        raise CommandError(f"{organisation.identification} owns no device {identification}.")
    return device


def _parse_time(text: str, name: str) -> Any:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        name = name.replace("since", "from")
        raise CommandError(f"{name}: is no time of RFC 3339, such as 2026-03-01T00:00:00+01:00.")
    return moment - timedelta(microseconds=moment.microsecond)
