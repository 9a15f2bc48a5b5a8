"""Values in scenario files and in documents of the HTTP interface: one parser per kind of value.

Each takes what TOML or JSON made of it, and raises ValueError with what is wrong.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

Parser = Callable[[Any], Any]

_DURATION = re.compile(r"([+-]?)([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_LONGEST = 100 * 365 * 86_400.0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def signed_duration(value: Any) -> float:
    """Seconds, from text such as ``-90s``, ``+5m``, ``1.5h`` or ``2d``, or from a number."""
    if _is_number(value):
        seconds = float(value)
    else:
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"{shown(value)} is no duration such as 90s, 5m, 1.5h or 2d")
        sign, number, unit = match.groups()
        seconds = float(number) * _SECONDS[unit] * (-1 if sign == "-" else 1)
    if not abs(seconds) <= _LONGEST:
        raise ValueError("is longer than a century")
    return seconds


def duration(value: Any) -> float:
    """A duration of more than nothing."""
    seconds = signed_duration(value)
    if seconds <= 0:
        raise ValueError("is a duration of more than nothing")
    return seconds


def share(value: Any) -> float:
    """From ``10%`` or 0.1: a share of 1."""
    try:
        if isinstance(value, str):
            number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        elif _is_number(value):
            number = float(value)
        else:
            raise ValueError
    except ValueError:
        raise ValueError(f"{shown(value)} is no share such as 10% or 0.1") from None
    if not 0 < number <= 1:
        raise ValueError("is more than 0% and at most 100%")
    return number


def moment(value: Any) -> float | datetime:
    """Seconds from the start for ``+30s``, ``-2d`` and ``now``, else a time with its offset."""
    if value == "now":
        return 0.0
    if isinstance(value, str) and value[:1] in ("+", "-"):
        return signed_duration(value)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        raise ValueError("is neither +30s, -2d or now nor a time such as 2026-03-29T02:00:00+01:00")
    if value.tzinfo is None:
        raise ValueError("is a time without its offset from UTC")
    return value


def integer(lowest: int, highest: int) -> Parser:
    """A parser of whole numbers, both bounds included."""

    def parse(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"is a whole number from {lowest} to {highest}")
        return value

    return parse


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("is true or false")
    return value


def text(pattern: str, meaning: str) -> Parser:
    """A parser of text that matches a pattern."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{shown(value)} is no {meaning}")
        return value

    return parse


def choice(*known: str) -> Parser:
    """A parser of one of the known words."""

    def parse(value: Any) -> str:
        if value not in known:
            raise ValueError(f"{shown(value)} is none of {', '.join(known)}")
        return str(value)

    return parse


def shown(value: Any) -> str:
    """A value in a message, cut short."""
    return repr(value)[:50]
