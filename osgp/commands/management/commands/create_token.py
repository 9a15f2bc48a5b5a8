"""``manage.py create_token UTILITY --application portal --scope read --scope monitoring --expires-in 90d``"""

import argparse
import re
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from osgp.accounts.functions import Scope
from osgp.accounts.models import ApiToken, Organisation
from osgp.sql import read_now

LONGEST_LIFE = timedelta(days=3650)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,7})([mhdw])")


def parse_duration(text: str) -> timedelta:
    """``90d``, ``12h``, ``30m``, ``4w``: one minute to ten years. Raises argparse.ArgumentTypeError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90d, 12h, 30m or 4w")
    length = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if not timedelta() < length <= LONGEST_LIFE:
        raise argparse.ArgumentTypeError(f"{text} is not between 1m and {LONGEST_LIFE.days}d")
    return length


class Command(BaseCommand):
    """Makes an API token; standard output gets the token and nothing else, so that scripts can take it."""

    help = (
        "Make an API token for an application of an organisation. It is shown once and cannot be had again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organisation", help="Identification of the organisation.")
        parser.add_argument("--application", required=True, help="Which application will use the token.")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            dest="scopes",
            help="What the token allows; repeat it for more. All scopes but admin unless given.",
        )
        parser.add_argument(
            "--expires-in",
            type=parse_duration,
            metavar="90d",
            help="Minutes, hours, days or weeks: 30m, 12h, 90d, 4w.",
        )

    def handle(
        self,
        *args: Any,
        organisation: str,
        application: str,
        scopes: list[str] | None,
        expires_in: timedelta | None,
        **options: Any,
    ) -> None:
        owner = Organisation.objects.filter(identification=organisation).first()
        if owner is None:
            raise CommandError(
                f"There is no organisation {organisation}. Make it with: manage.py create_organisation"
            )
        try:
            ApiToken._meta.get_field("application").clean(application, None)
        except ValidationError as error:
            raise CommandError(f"--application: {' '.join(error.messages)}") from error
        token, secret = ApiToken.issue(
            owner,
            application,
            scopes=list(dict.fromkeys(scopes)) if scopes else None,
            expires_at=read_now() + expires_in if expires_in else None,
        )
        if not owner.enabled:
            self.stderr.write(
                f"Organisation {organisation} is disabled: its tokens are refused until it is enabled."
            )
        life = f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "until it is revoked"
        self.stderr.write(
            f"Token of {organisation}/{application}, valid {life}, for: {', '.join(token.scopes)}. "
            "Keep it safe, it is not shown again:"
        )
        self.stdout.write(secret)
