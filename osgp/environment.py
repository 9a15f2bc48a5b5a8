"""Settings in the environment: flags, lists, and what an installation cannot do without."""

import os

from django.core.exceptions import ImproperlyConfigured


def read_flag(name: str, default: bool = False) -> bool:
    """``1``, ``true``, ``yes`` and ``on`` are true; unset gives the default; anything else is false."""
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}


def read_list(name: str, default: str = "") -> list[str]:
    """A comma separated list from the environment, blanks removed."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def read_needed(name: str, *, embedded: bool, default: str) -> str:
    """What production has to say; the embedded default, which was asked for by name, has its own.

    Raises ImproperlyConfigured where neither says what to use: a process that lost its environment must not
    begin with an empty database of its own. Also if both do.
    """
    said = os.environ.get(name, "")
    if embedded and said:
        raise ImproperlyConfigured(
            f"OSGP_EMBEDDED and {name} are both set: the embedded default uses no other database and broker."
        )
    if not embedded and not said:
        raise ImproperlyConfigured(
            f"{name} is not set (docs/how-to/run-in-production.md). For the database of `make run`, set "
            "OSGP_EMBEDDED=1 instead."
        )
    return said or default
