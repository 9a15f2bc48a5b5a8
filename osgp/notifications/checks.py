"""System checks of the settings of notifications: errors show at start-up, not at the first webhook."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from osgp.events.receivers import list_allowed_networks
from osgp.notifications.keyring import load_keys

GUIDE = "docs/how-to/notifications.md"
LEAST_LEASE = 2.5
"""New attempts are begun in the first half of a lease, and what came of the last one is stored in it."""


def check_settings(**_: Any) -> list[CheckMessage]:
    """Check that what is set is well-formed. Processes without webhooks need no keys."""
    found: list[CheckMessage] = []
    try:
        list_allowed_networks()
    except ImproperlyConfigured as error:
        found.append(Error(str(error), hint=f"See {GUIDE}.", id="osgp.E007"))
    if settings.OSGP["WEBHOOK_KEYS"]:
        try:
            load_keys()
        except ImproperlyConfigured as error:
            found.append(Error(f"OSGP_WEBHOOK_KEYS: {error}", hint=f"See {GUIDE}.", id="osgp.E008"))
    ca_file = settings.OSGP["WEBHOOK_CA_FILE"]
    if ca_file and not Path(ca_file).is_file():
        found.append(
            Error(f"OSGP_WEBHOOK_CA_FILE: there is no {ca_file}.", hint=f"See {GUIDE}.", id="osgp.E009")
        )
    for name in ("WEBHOOK_SLOTS", "WEBHOOK_CIRCUIT_FAILURES", "WEBHOOK_MOST_ENDPOINTS"):
        if settings.OSGP[name] < 1:
            found.append(Error(f"OSGP_{name} is at least 1.", hint=f"See {GUIDE}.", id="osgp.E010"))
    if settings.OSGP["WEBHOOK_LEASE"] < LEAST_LEASE * settings.OSGP["WEBHOOK_DEADLINE"]:
        text = f"OSGP_WEBHOOK_LEASE_SECONDS is at least {LEAST_LEASE} times OSGP_WEBHOOK_DEADLINE_SECONDS."
        found.append(Error(text, hint=f"See {GUIDE}.", id="osgp.E011"))
    return found


def require_keys() -> None:
    """For notifiers: the keys that open secrets of endpoints. Raises ImproperlyConfigured."""
    if not settings.OSGP["WEBHOOK_KEYS"] and not settings.OSGP["LOCAL_SECRETS"]:
        raise ImproperlyConfigured(f"OSGP_WEBHOOK_KEYS is not set. This process needs it: {GUIDE}.")
    try:
        load_keys()
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"OSGP_WEBHOOK_KEYS: {error}") from error
