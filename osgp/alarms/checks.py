"""System check of the settings of pushes: an error shows at start-up, not at the first wake-up."""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from osgp.ip_networks import list_networks


def check_settings(**_: Any) -> list[CheckMessage]:
    """Check that the networks in which meters may wake up are some."""
    try:
        list_networks("WAKE_UP_NETWORKS")
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="See docs/how-to/alarms.md.", id="osgp.E012")]
    return []
