"""When schedules are due, in words: how they repeat, and their occurrences."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.batches.models import RecurringRequest
from osgp.fleet.schedules import format_cron
from osgp.pages.shared.display_text import format_duration


def describe_repetition(row: RecurringRequest) -> SafeString | str:
    """``At 06:00, only on Monday`` with the fields of the crontab as tooltip, or ``Every 15 minutes``."""
    if row.interval is not None:
        if row.interval.every == 1:
            return f"Every {row.interval.period_singular}"
        return f"Every {row.interval.every:,} {row.interval.period}"
    crontab = row.crontab
    assert crontab is not None
    return format_html(
        '<span title="{}">{}</span> <span class="quiet">{}</span>',
        format_cron(row),
        use_24_hours(crontab.human_readable.removesuffix(f" {crontab.timezone}")),
        crontab.timezone,
    )


def use_24_hours(text: str) -> str:
    """``At 03:00 PM`` -> ``At 15:00``."""

    def convert(found: re.Match[str]) -> str:
        return f"{int(found[1]) % 12 + 12 * (found[3] == 'PM'):02}:{found[2]}"

    return re.sub(r"(\d\d):(\d\d) (AM|PM)", convert, text)


def format_window(value: timedelta | None) -> str:
    """A spread window or a limit; ``–`` for none."""
    return format_duration(value).removesuffix(" 0 s") if value else "–"


def add_local_times(moments: Iterable[datetime], zone: str) -> list[Mapping[str, Any]]:
    """Times at which a schedule is due, with what clocks of its zone show then; in UTC they show the same."""
    clock = ZoneInfo(zone)
    return [
        {"time": moment, "local": f"{moment.astimezone(clock):%a %H:%M} {zone}" if zone != "UTC" else ""}
        for moment in moments
    ]
