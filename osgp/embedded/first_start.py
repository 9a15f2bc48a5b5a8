"""What an installation needs before anybody can use it: tables, static files, an organisation, a way in.

Each start may repeat everything: existing objects stay as they are.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.core.management import call_command

from osgp.accounts.models import ApiToken, Organisation, User
from osgp.local_secrets import find_or_make_secret

ORGANISATION = "DEMO"
APPLICATION = "demo"
ADMIN = "admin"


@dataclass(frozen=True)
class Access:
    """How to get in; both secrets are kept below ``var/secrets``."""

    token: str = field(repr=False)
    admin: str
    password: str = field(repr=False)


def prepare_database() -> None:
    """Create or update the tables, and collect the admin's static files."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)


def prepare_access() -> Access:
    """An organisation with a working API token, and a platform operator for the admin."""
    organisation, _ = Organisation.objects.get_or_create(
        identification=ORGANISATION, defaults={"name": "Demonstration"}
    )
    return Access(token=_find_or_issue_token(organisation), admin=ADMIN, password=_prepare_admin())


def _find_or_make_secret(name: str, make: Callable[[], bytes]) -> str:
    return find_or_make_secret(settings.VAR_DIR, name, allowed=settings.OSGP["LOCAL_SECRETS"], make=make)


def _find_or_issue_token(organisation: Organisation) -> str:
    """Return the stored token while it is valid, or issue a new one (the database has only its hash)."""
    path = settings.VAR_DIR / "secrets" / "api-token"
    if path.exists():
        kept = path.read_text()
        row = ApiToken.objects.filter(organisation=organisation, digest=ApiToken.compute_digest(kept)).first()
        if row is not None and row.is_valid():
            return kept
        path.unlink(missing_ok=True)
    return _find_or_make_secret("api-token", lambda: ApiToken.issue(organisation, APPLICATION)[1].encode())


def _prepare_admin() -> str:
    """Return the password of the first start; an operator may have changed it since."""
    password = _find_or_make_secret("admin-password", lambda: secrets.token_urlsafe(12).encode())
    if not User.objects.filter(username=ADMIN).exists():
        User.objects.create_superuser(ADMIN, password=password)
    return password
