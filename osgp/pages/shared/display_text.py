"""How times, durations, states and faults are written on operators' pages. All times are UTC."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from osgp import platform_time

NOTHING = SafeString("–")

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_TONES = {
    "SCHEDULED": "waiting",
    "QUEUED": "waiting",
    "CREATING": "waiting",
    "PAUSED": "waiting",
    "PENDING": "waiting",
    "OPENED": "waiting",
    "NEW": "waiting",
    "RUNNING": "active",
    "STARTED": "active",
    "CLAIMED": "active",
    "RETRYING": "warning",
    "CANCELLING": "warning",
    "UNKNOWN": "warning",
    "LOST": "warning",
    "SUCCEEDED": "good",
    "COMPLETED": "good",
    "DONE": "good",
    "DELIVERED": "good",
    "ACTIVE": "good",
    "CONNECTED": "good",
    "FAILED": "bad",
    "FAULT": "bad",
    "REVOKED": "bad",
    "DISCONNECTED": "bad",
}
"""What a state means to an operator; every other one is neutral."""


def draw_badge(state: str, text: str = "", tone: str = "") -> SafeString:
    """A state as a word in a colour: nobody has to tell colours apart to read it."""
    tone = tone or _TONES.get(state, "neutral")
    return format_html('<span class="badge badge-{}">{}</span>', tone, text or state)


def format_moment(value: datetime | None, *, full: bool = False) -> SafeString:
    """A time as short as today allows (``14:03:22``, ``21 Nov 14:03``); the exact one is its tooltip."""
    if value is None:
        return NOTHING
    value = value.astimezone(UTC)
    exact = f"{value:%Y-%m-%d %H:%M:%S} UTC"
    today = platform_time.now().astimezone(UTC).date()
    if full:
        text = f"{value:%Y-%m-%d %H:%M:%S}"
    elif value.date() == today:
        text = f"{value:%H:%M:%S}"
    elif value.year == today.year:
        text = f"{value.day} {value:%b %H:%M}"
    else:
        text = f"{value.day} {value:%b %Y}"
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact, text)


def format_duration(value: timedelta | None) -> str:
    """A length of time in at most two units: ``0.42 s``, ``12 s``, ``3 min 20 s``, ``2 d 4 h``."""
    if value is None:
        return "–"
    seconds = value.total_seconds()
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 10:
        return f"{sign}{seconds:.2f} s"
    whole = round(seconds)
    for size, name, smaller_size, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{sign}{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{sign}{whole} s"


def format_age(value: datetime | None) -> str:
    """How long ago a time was, or in how long it will be: ``3 min ago``, ``in 2 h``."""
    if value is None:
        return "–"
    passed = platform_time.now() - value
    if abs(passed) < timedelta(seconds=1):
        return "now"
    whole = timedelta(seconds=round(abs(passed.total_seconds())))
    return f"{_format_coarsely(whole)} ago" if passed > timedelta() else f"in {_format_coarsely(whole)}"


def _format_coarsely(value: timedelta) -> str:
    return f"{int(value.total_seconds())} s" if value < timedelta(minutes=1) else format_duration(value)


def summarise_fault(fault: Mapping[str, Any] | None) -> SafeString:
    """Code and name of a stored fault; its message is the tooltip."""
    if not fault:
        return NOTHING
    return format_html(
        '<span class="fault" title="{}"><b>{}</b> {}</span>',
        fault.get("message", ""),
        fault.get("code", ""),
        split_words(str(fault.get("name", ""))),
    )


def count_rows(number: int, singular: str, plural: str = "") -> str:
    """``1 request``, ``12,000 requests``; ``plural`` is for words that take more than an s."""
    return f"1 {singular}" if number == 1 else f"{number:,} {plural or singular + 's'}"


_ABBREVIATIONS = re.compile(r"\b(apdu|hdlc)\b", re.IGNORECASE)


def split_words(name: str) -> str:
    """``RESPONSE_TIMEOUT`` -> ``Response timeout``, ``apdu_deadline`` -> ``APDU deadline``."""
    words = name.replace("_", " ").capitalize()
    return _ABBREVIATIONS.sub(lambda found: found[0].upper(), words)


def allow_breaks(name: str) -> SafeString:
    """The name of a message, ``ActualMeterReads``: where a column is narrow, lines end between its words."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((word,) for word in _WORDS.split(name)))


def format_bytes(count: int) -> str:
    """``812 B``, ``14.2 kB``, ``1.3 MB``; a kB is 1000 bytes."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"
