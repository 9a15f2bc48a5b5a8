"""``manage.py device_group``: make a group, and put devices in and out."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from osgp.accounts.models import Organisation
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup

NAMED = 20
"""Unknown devices that are listed by name."""


class Command(BaseCommand):
    help = "Make a device group, and put devices in or take them out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Of the group.")
        parser.add_argument("--organisation", required=True, help="Whose group it is.")
        parser.add_argument("--make", action="store_true", help="Make the group if there is none.")
        files = "device identifications, one per line, in a file or on standard input (-)"
        parser.add_argument("--add", metavar="FILE", help=f"Put in: {files}.")
        parser.add_argument("--add-all", action="store_true", help="Put in all devices of the organisation.")
        parser.add_argument("--remove", metavar="FILE", help=f"Take out: {files}.")

    def handle(self, *args: Any, **options: Any) -> None:
        organisation = Organisation.objects.filter(identification=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"There is no organisation {options['organisation']}.")
        name = options["name"]
        group = groups.find_group(organisation, name)
        if group is None and not options["make"]:
            raise CommandError(f"{organisation.identification} has no group {name}; --make makes it.")
        group = group or self._make_group(organisation, name)
        if options["add"]:
            self._change("put in", groups.add, group, self._read_identifications(options["add"]))
        if options["add_all"]:
            self.stdout.write(f"{groups.add_all(group):,} put in")
        if options["remove"]:
            self._change("taken out", groups.remove, group, self._read_identifications(options["remove"]))
        self.stdout.write(f"{group.name}: {group.memberships.count():,} devices")

    @staticmethod
    def _make_group(organisation: Organisation, name: str) -> DeviceGroup:
        group = DeviceGroup(organisation=organisation, name=name)
        try:
            group.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        group.save()
        return group

    def _change(
        self,
        verb: str,
        change: Callable[[DeviceGroup, Iterable[str]], groups.MembershipChange],
        group: DeviceGroup,
        identifications: Iterable[str],
    ) -> None:
        number, unknown = change(group, identifications)
        self.stdout.write(f"{number:,} {verb}")
        if unknown:
            more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
            self.stderr.write(f"unknown: {', '.join(unknown[:NAMED])}{more}")

    @staticmethod
    def _read_identifications(name: str) -> list[str]:
        try:
            return (sys.stdin.read() if name == "-" else Path(name).read_text()).split()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name}: {error}") from error
