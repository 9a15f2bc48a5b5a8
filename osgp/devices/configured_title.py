"""The system title that an installation was given, if it was. Needs no models: it is checked at the start."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from osgp.devices.meter_settings import SETTINGS


def read_configured() -> str:
    """Return what OSGP_CLIENT_SYSTEM_TITLE says, empty if nothing. Raises ImproperlyConfigured."""
    configured: str = settings.OSGP["CLIENT_SYSTEM_TITLE"]
    try:
        return str(SETTINGS["client_system_title"].parse(configured)) if configured else ""
    except ValueError:
        raise ImproperlyConfigured("the system title has not 16 hexadecimal digits") from None
