"""``manage.py create_organisation UTILITY --name "The Utility"``"""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from osgp.accounts.models import Organisation


class Command(BaseCommand):
    """Registers an organisation."""

    help = "Register an organisation, so that tokens can be made for its applications (create_token)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("identification", help="1 to 40 characters without blanks; cannot be changed.")
        parser.add_argument("--name", help="For people to read; the identification unless given.")

    def handle(self, *args: Any, identification: str, name: str | None, **options: Any) -> None:
        organisation = Organisation(identification=identification, name=name or identification)
        try:
            organisation.full_clean()
            with transaction.atomic():
                organisation.save(force_insert=True)
        except ValidationError as error:
            problems = "; ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
            raise CommandError(f"The organisation was not created. {problems}") from error
        except IntegrityError as error:
            raise CommandError(f"The organisation {identification} exists already.") from error
        self.stderr.write(f"Created organisation {identification}.")
