"""``manage.py devices``: GetDevices on the command line."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from osgp.accounts.models import Organisation
from osgp.device_groups import listing
from osgp.devices.models import DeviceType
from osgp.management.answers import describe_device

PAGE = 1000


class Command(BaseCommand):
    """Rows as the API gives them, one JSON object a line."""

    help = (
        "List the devices of an organisation with their relay status as last known: one JSON object a line."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organisation", required=True, help="Whose devices.")
        repeatable: dict[str, Any] = {"action": "append", "metavar": "NAME"}
        parser.add_argument("--device", **repeatable, help="Device identification. May be repeated.")
        parser.add_argument("--group", **repeatable, help="The devices of a group. May be repeated.")
        parser.add_argument("--type", choices=DeviceType.values, help="Of one type.")

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = Organisation.objects.filter(identification=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"There is no organisation {options['organisation']}.")
        names = options["group"]
        try:
            groups = listing.find_groups(organisation, names) if names else None
        except listing.UnknownGroup as error:
            raise CommandError(str(error)) from error
        devices = listing.list_devices(
            organisation, identifications=options["device"], groups=groups, device_type=options["type"]
        )
        after: str | None = ""
        while after is not None:
            found, after = listing.list_page(organisation, devices, PAGE, after)
            for device in found:
                self.stdout.write(json.dumps(describe_device(device)))
