"""`manage.py register_fleet`: add described meters, for instance simulated ones, to a platform."""

import json
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from osgp.accounts.models import Organisation
from osgp.commands.secrets import refuse_without
from osgp.devices.checks import require_secrets
from osgp.embedded.client import ApiClient, ApiError
from osgp.embedded.direct_registration import register_directly
from osgp.embedded.output import collect_with_progress
from osgp.embedded.registration import Description, InvalidDescription, Registration, register


class Command(BaseCommand):
    help = (
        "Add the meters of a file (the JSON list that the simulator writes) with AddDevice: to this "
        "platform's database as an organisation, or to any platform over its REST API. Nothing is "
        "added if one description makes no sense."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="descriptions of meters, keys included")
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument("--organisation", help="identification of the organisation that will own them")
        way.add_argument("--api", help="root of a REST API, e.g. http://127.0.0.1:8000/api/v1")
        parser.add_argument(
            "--address", help="where the platform reaches the meters, in place of the described address"
        )
        parser.add_argument(
            "--overwrite", action="store_true", help="replace devices that exist already, keys included"
        )
        parser.add_argument("--token", help="API token; better given in the variable OSGP_TOKEN")

    def handle(self, *_: Any, **options: Any) -> None:
        descriptions = move_to_address(read_descriptions(options["file"]), options["address"])
        console = Console(highlight=False, stderr=True)
        try:
            registered = collect_with_progress(
                console, "Registering", self._register(descriptions, options), len(descriptions)
            )
        except (InvalidDescription, ApiError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        for item in registered:
            if item.problem:
                self.stderr.write(f"{item.device_identification}: {item.problem}")
        failed = sum(1 for item in registered if item.problem)
        self.stdout.write(f"{len(registered) - failed} devices registered, {failed} failed")
        if failed:
            raise SystemExit(1)

    def _register(self, descriptions: list[Description], options: dict[str, Any]) -> Iterator[Registration]:
        if options["organisation"]:
            organisation = Organisation.objects.filter(identification=options["organisation"]).first()
            if organisation is None:
                raise CommandError(f"There is no organisation {options['organisation']}.")
            # The requests are carried out here.
            refuse_without(require_secrets)
            return register_directly(organisation, descriptions, overwrite=options["overwrite"])
        token = options["token"] or os.environ.get("OSGP_TOKEN")
        if not token:
            raise CommandError("--api needs a token: --token or the variable OSGP_TOKEN.")
        return self._register_over_rest(options["api"], token, descriptions, options["overwrite"])

    @staticmethod
    def _register_over_rest(
        url: str, token: str, descriptions: list[Description], overwrite: bool
    ) -> Iterator[Registration]:
        with ApiClient(url, token) as api:
            yield from register(api, descriptions, overwrite=overwrite)


def move_to_address(descriptions: list[Description], address: str | None) -> list[Description]:
    """The same meters behind another address, as of a simulator in a container; None: as described."""
    if address is None:
        return descriptions
    moved = []
    for item in descriptions:
        fields = item.get("add_device")
        if isinstance(fields, dict) and "network_address" in fields:
            item = {**item, "add_device": {**fields, "network_address": address}}
        moved.append(item)
    return moved


def read_descriptions(path: Path) -> list[Description]:
    """The descriptions in a file. Raises CommandError unless it holds a JSON list of objects."""
    try:
        descriptions = json.loads(path.read_text())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except ValueError:
        # What the parser quotes may be a key.
        raise CommandError(f"{path} holds no JSON.") from None
    if not isinstance(descriptions, list) or not all(isinstance(item, dict) for item in descriptions):
        raise CommandError(f"{path} holds no list of meters.")
    return descriptions
