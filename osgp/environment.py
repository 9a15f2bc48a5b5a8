"""Settings in the environment: flags and lists."""

import os


def read_flag(name: str, default: bool = False) -> bool:
    """``1``, ``true``, ``yes`` and ``on`` are true; unset gives the default; anything else is false."""
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}


def read_list(name: str, default: str = "") -> list[str]:
    """A comma separated list from the environment, blanks removed."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]
