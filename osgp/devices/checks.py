"""System checks of the configured keys and title: errors show at start-up, not at the first use of a key."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from osgp.devices import envelope, never_dialled, platform_keys, second_place
from osgp.devices.configured_title import read_configured
from osgp.ip_networks import list_networks

GUIDE = "docs/how-to/run-in-production.md"


def check_keys(**_: Any) -> list[CheckMessage]:
    """Check that the key-encryption keys, RSA keys and system title that this process has are well-formed.

    What it has not it may do without; :func:`require_secrets` is for processes that cannot.
    """
    found = [
        *_check("KEY_ENCRYPTION_KEYS", envelope.load_key_encryption_keys, "osgp.E001"),
        *_check("RSA_PRIVATE_KEY_FILE", platform_keys.load_private_keys, "osgp.E002"),
        *_check("RSA_PUBLIC_KEY_FILE", platform_keys.load_public_keys, "osgp.E004"),
        *_check("CLIENT_SYSTEM_TITLE", read_configured, "osgp.E013"),
    ]
    if not found and settings.OSGP["RSA_PRIVATE_KEY_FILE"]:
        found += _check("RSA_PUBLIC_KEY_FILE", platform_keys.check_pair, "osgp.E005")
    try:
        second_place.find_place()
    except ImproperlyConfigured as error:
        found.append(Error(str(error), hint=f"See OSGP_KEY_ESCROW_DIRECTORY in {GUIDE}.", id="osgp.E006"))
    return found


def check_networks(**_: Any) -> list[CheckMessage]:
    """Check that the networks of meters are some, and that what is never dialled can be understood."""
    found: list[CheckMessage] = []
    try:
        if not list_networks("METER_NETWORKS"):
            raise ImproperlyConfigured("OSGP_METER_NETWORKS is empty: no meter can be dialled.")
        never_dialled.parse(tuple(settings.OSGP["NEVER_DIALLED"]))
    except ImproperlyConfigured as error:
        found.append(Error(str(error), hint=f"See {GUIDE}.", id="osgp.E014"))
    return found


def _check(setting: str, load: Callable[[], object], error_id: str) -> list[CheckMessage]:
    # An embedded installation makes its keys at first use; a check must not leave files behind.
    if not settings.OSGP[setting]:
        return []
    try:
        load()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint=f"See OSGP_{setting} in {GUIDE}.", id=error_id)]
    return []


def require_key_encryption_keys() -> None:
    """For processes that read or store keys of meters. Raises ImproperlyConfigured, naming the variable."""
    _require("KEY_ENCRYPTION_KEYS", envelope.load_key_encryption_keys)


def require_secrets() -> None:
    """For processes that carry out requests: key-encryption keys, and the private key for what callers send.

    Raises ImproperlyConfigured, naming the variable.
    """
    require_key_encryption_keys()
    _require("RSA_PRIVATE_KEY_FILE", platform_keys.load_private_keys)


def require_key_escrow() -> None:
    """For processes that give meters new keys: the second place, if there is one, can be written to.

    Raises ImproperlyConfigured, naming the variable.
    """
    second_place.require_writable()


def require_public_key() -> None:
    """For the web application, which tells callers how to encrypt. Raises ImproperlyConfigured."""
    derived = settings.OSGP["RSA_PRIVATE_KEY_FILE"] and not settings.OSGP["RSA_PUBLIC_KEY_FILE"]
    _require("RSA_PRIVATE_KEY_FILE" if derived else "RSA_PUBLIC_KEY_FILE", platform_keys.load_public_keys)


def _require(setting: str, load: Callable[[], object]) -> None:
    if not settings.OSGP[setting] and not settings.OSGP["LOCAL_SECRETS"]:
        raise ImproperlyConfigured(f"OSGP_{setting} is not set. This process needs it: {GUIDE}.")
    try:
        load()
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"OSGP_{setting}: {error}") from error
