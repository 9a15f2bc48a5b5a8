"""What is wrong with the configured keys, told at start-up and not by the first request that needs them."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from osgp.devices import envelope, transport_keys


def check_keys(**_: Any) -> list[CheckMessage]:
    """Key-encryption keys and the platform's RSA key: there, and of the right form."""
    return [
        *_check("OSGP_KEY_ENCRYPTION_KEYS", "KEY_ENCRYPTION_KEYS", envelope.key_encryption_keys, "osgp.E001"),
        *_check(
            "OSGP_RSA_PRIVATE_KEY_FILE", "RSA_PRIVATE_KEY_FILE", transport_keys.public_key_pem, "osgp.E002"
        ),
    ]


def _check(variable: str, setting: str, load: Callable[[], object], error_id: str) -> list[CheckMessage]:
    if not settings.OSGP[setting] and settings.OSGP["LOCAL_SECRETS"]:
        # Made when first needed; a check leaves no files behind.
        return []
    try:
        load()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint=f"See {variable} in docs/how-to/run-in-production.md.", id=error_id)]
    return []
