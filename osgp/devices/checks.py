"""System checks of the configured keys: errors show at start-up, not at the first use of a key."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from osgp.devices import envelope, transport_keys


def check_keys(**_: Any) -> list[CheckMessage]:
    """Check that the key-encryption keys and the platform's RSA key exist and are well-formed."""
    return [
        *_check(
            "OSGP_KEY_ENCRYPTION_KEYS", "KEY_ENCRYPTION_KEYS", envelope.load_key_encryption_keys, "osgp.E001"
        ),
        *_check(
            "OSGP_RSA_PRIVATE_KEY_FILE", "RSA_PRIVATE_KEY_FILE", transport_keys.export_public_key, "osgp.E002"
        ),
    ]


def _check(variable: str, setting: str, load: Callable[[], object], error_id: str) -> list[CheckMessage]:
    if not settings.OSGP[setting] and settings.OSGP["LOCAL_SECRETS"]:
        # Made at first use; a check must not leave files behind.
        return []
    try:
        load()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint=f"See {variable} in docs/how-to/run-in-production.md.", id=error_id)]
    return []
