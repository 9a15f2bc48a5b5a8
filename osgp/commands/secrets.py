"""What commands need to handle keys of meters: a refusal at once, and not at the first key."""

from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError


def refuse_without(require: Callable[[], None]) -> None:
    """Call one of the ``require_...`` of osgp.devices.checks. Raises CommandError with what is missing."""
    try:
        require()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
