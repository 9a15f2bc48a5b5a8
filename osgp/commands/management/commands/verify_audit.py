"""``manage.py verify_audit``: is the audit trail as it was written?"""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from osgp.audit.chain import KeyProblem, format_time
from osgp.audit.verifying import Verification

MOST_TOLD = 1000
"""Findings that are written one by one."""


def parse_head(text: str) -> tuple[int, str]:
    """POSITION:HASH. Raises ArgumentTypeError."""
    position, _, hash_ = text.partition(":")
    if not (position.isascii() and position.isdigit() and len(position) < 19 and len(hash_) == 64):
        raise ArgumentTypeError(f"{text!r} is not POSITION:HASH, as audit_head in the log says them")
    return int(position), hash_.lower()


class Command(BaseCommand):
    """Exits with 1 where the chain is broken. Entries that wait for their seal are told, and are no fault."""

    help = "Go through the audit trail and its hash chain; tell what was removed, changed or inserted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            type=parse_head,
            metavar="POSITION:HASH",
            help="a seal that was kept elsewhere (audit_head in the log): it has to be in the chain",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        verification = Verification(head=options["head"])
        number = 0
        try:
            for finding in verification.run():
                number += 1
                if number <= MOST_TOLD:
                    self.stdout.write(str(finding))
        except KeyProblem as error:
            raise CommandError(str(error)) from error
        self._tell(verification)
        if number:
            raise CommandError(f"The chain is broken: {number:,} findings.")
        self.stdout.write("The chain is whole.")

    def _tell(self, verification: Verification) -> None:
        if verification.begins_after:
            self.stdout.write(
                f"Entries up to seal {verification.begins_after:,} are past their retention and deleted."
            )
        self.stdout.write(f"{verification.sealed:,} entries in {verification.seals:,} seals.")
        if verification.first_keyed is not None:
            self.stdout.write(f"With a key from seal {verification.first_keyed:,} on.")
        if verification.unsealed:
            oldest = verification.oldest_unsealed
            since = f", the oldest of {format_time(oldest)}" if oldest else ""
            self.stdout.write(f"{verification.unsealed:,} entries wait for their seal{since}.")
        if verification.last is not None:
            self.stdout.write(f"Head: {verification.last.position}:{verification.last.hash}")
