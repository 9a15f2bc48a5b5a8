"""``manage.py mark_restored``: for restores that the platform does not notice by itself."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from osgp.visits import restores

ACTOR = "command line"


class Command(BaseCommand):
    """Begins a new generation of invocation counters."""

    help = (
        "Say that the database was restored, as with the snapshot of a virtual machine: invocation counters "
        "are asked from meters again and begin higher. Once too often does no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", default="", metavar="TEXT", help="for the audit trail")

    def handle(self, *_: Any, **options: Any) -> None:
        number = restores.mark_restored(ACTOR, options["reason"])
        self.stdout.write(
            f"Generation {number} of invocation counters begins. At its next visit every meter is asked for "
            "its counter, and values begin above both what it says and what is stored."
        )
