"""``manage.py application_key UTILITY portal portal-public.pem``"""

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from osgp.accounts.application_keys import LONGEST_TEXT, NotAPublicKey
from osgp.accounts.models import ApplicationKey, Organisation
from osgp.commands.sending import APPLICATION
from osgp.management.application_keys import register_key, remove_key


class Command(BaseCommand):
    """Prints the fingerprint of the key, which is that of ``openssl … | sha256sum`` (docs/how-to/keys.md)."""

    help = (
        "Register the public key of an application, in the place of a former one: GetKeys encrypts keys for "
        "this application with it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", help="Identification of the organisation.")
        parser.add_argument("application", help="As its tokens name it.")
        parser.add_argument(
            "file",
            nargs="?",
            metavar="FILE",
            help="The public key in PEM, in a file or on standard input (-).",
        )
        parser.add_argument("--remove", action="store_true", help="Remove it instead.")

    def handle(self, *args: Any, organisation: str, application: str, **options: Any) -> None:
        owner = Organisation.objects.filter(identification=organisation).first()
        if owner is None:
            raise CommandError(f"There is no organisation {organisation}.")
        try:
            ApplicationKey._meta.get_field("application").clean(application, None)
        except ValidationError as error:
            raise CommandError(f"application: {' '.join(error.messages)}") from error
        if bool(options["file"]) == options["remove"]:
            raise CommandError("Give either a FILE with the public key or --remove.")
        if options["remove"]:
            if not remove_key(owner, application, by=APPLICATION):
                raise CommandError(f"No public key is registered for {application} of {organisation}.")
            self.stderr.write(f"Removed the public key of {application} of {organisation}.")
            return
        try:
            row, _ = register_key(owner, application, _read(options["file"]), by=APPLICATION)
        except NotAPublicKey as error:
            raise CommandError(f"{options['file']}: {error}") from None
        self.stderr.write(f"Keys for {application} of {organisation} are encrypted with this public key:")
        self.stdout.write(row.fingerprint)


def _read(name: str) -> str:
    """Return the text; a file that is too long for a key is not read whole."""
    try:
        if name == "-":
            return sys.stdin.read(LONGEST_TEXT + 1)
        with Path(name).open() as file:
            return file.read(LONGEST_TEXT + 1)
    except UnicodeDecodeError:
        raise CommandError(f"{name}: is not a text file, so no PEM.") from None
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from error
