"""How far batches are, as operators' pages show it: bars, counts and rates."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from osgp.batches.models import Batch, BatchSource, RecurringRequest
from osgp.fleet.progress import Progress, progress
from osgp.pages.shared import display_text
from osgp.requests.models import Request, RequestState

PARTS = (
    (RequestState.SUCCEEDED, "good"),
    (RequestState.FAILED, "bad"),
    (RequestState.CANCELLED, "neutral"),
    (RequestState.RUNNING, "active"),
    (RequestState.RETRYING, "warning"),
    (RequestState.QUEUED, "waiting"),
    (RequestState.SCHEDULED, "waiting"),
)
"""In which order a bar shows the states, and in which tone."""

DELETED: Mapping[str, str] = {
    BatchSource.GROUP: "deleted group",
    BatchSource.RETRY: "failed of deleted batch",
    BatchSource.RECURRING: "deleted schedule",
}


def progress_of(batches: Iterable[Batch]) -> dict[int, Progress]:
    """How far each of them is: one query for all that are not final, none for the others."""
    rows = list(batches)
    states: dict[int, dict[str, int]] = {batch.pk: {} for batch in rows if batch.outcome is None}
    if states:
        counted = Request.objects.filter(batch__in=list(states)).order_by().values_list("batch", "state")
        for key, state, number in counted.annotate(number=Count("*")):
            states[key][state] = number
    return {
        batch.pk: Progress(batch.total, batch.skipped, states[batch.pk], ())
        if batch.pk in states
        else progress(batch)
        for batch in rows
    }


def bar(counts: Progress) -> SafeString:
    """A bar of the states of its requests; what is still to be made is left blank."""
    made = sum(counts.states.values())
    parts = [(tone, counts.states.get(state, 0), f"{state}") for state, tone in PARTS]
    parts.append(("blank", max(0, counts.total - made), "not made yet"))
    pieces = format_html_join(
        "",
        '<span class="bar-{}" data-share="{}" title="{} {}"></span>',
        [(tone, number, f"{number:,}", text) for tone, number, text in parts if number],
    )
    return format_html('<span class="bar progress" aria-hidden="true">{}</span>', pieces)


def done(counts: Progress) -> SafeString:
    """The bar, and how many of how many have their outcome."""
    return format_html(
        '<span class="done">{}<span class="done-count">{} <span class="quiet">of {}</span></span></span>',
        bar(counts),
        f"{counts.final:,}",
        f"{counts.total:,}",
    )


def rate(counts: Progress) -> str:
    """Succeeded of succeeded and failed. ``100 %`` is said only when none failed."""
    value = counts.success_rate
    if value is None:
        return "–"
    return "100 %" if value == 1 else f"{value * 100:.1f} %"


def requests_url(batch: Batch, state: str = "") -> str:
    """The list of its requests, of one state or all."""
    query = {"batch": str(batch.uid)} | ({"state__exact": state} if state else {})
    return f"{reverse('admin:requests_request_changelist')}?{urlencode(query)}"


def target(batch: Batch) -> SafeString | str:
    """To whom it was sent; ``group``, ``recurring`` and ``retry_of`` are looked up."""
    if batch.recurring is not None:
        url = reverse("admin:batches_recurringrequest_change", args=[batch.recurring_id])
        return format_html('<span class="quiet">schedule</span> <a href="{}">{}</a>', url, batch.recurring)
    if batch.source == BatchSource.RETRY and batch.retry_of is not None:
        url = reverse("admin:batches_batch_change", args=[batch.retry_of_id])
        made = display_text.moment(batch.retry_of.created_at)
        return format_html('<span class="quiet">failed of batch</span> <a href="{}">{}</a>', url, made)
    if batch.group is not None:
        url = reverse("admin:devices_devicegroup_change", args=[batch.group_id])
        return format_html('<span class="quiet">group</span> <a href="{}">{}</a>', url, batch.group)
    if batch.source != BatchSource.LIST:
        return format_html('<span class="quiet">{}</span>', DELETED[batch.source])
    return list_of(batch.total + batch.skipped)


def list_of(number: int) -> SafeString:
    """Devices that were named one by one."""
    return format_html('<span class="quiet">list of</span> {}', f"{number:,}")


def schedule(row: RecurringRequest) -> SafeString | str:
    """``At 06:00, only on Monday`` with the fields of the crontab as tooltip, or ``Every 15 minutes``."""
    if row.interval is not None:
        return (
            f"Every {row.interval.every:,} {row.interval.period}"
            if row.interval.every != 1
            else (f"Every {row.interval.period_singular}")
        )
    crontab = row.crontab
    assert crontab is not None
    return format_html(
        '<span title="{}">{}</span> <span class="quiet">{}</span>',
        cron_text(row),
        in_24_hours(crontab.human_readable.removesuffix(f" {crontab.timezone}")),
        crontab.timezone,
    )


def in_24_hours(text: str) -> str:
    """``At 03:00 PM`` -> ``At 15:00``."""

    def hour(found: re.Match[str]) -> str:
        return f"{int(found[1]) % 12 + 12 * (found[3] == 'PM'):02}:{found[2]}"

    return re.sub(r"(\d\d):(\d\d) (AM|PM)", hour, text)


def occurrences(moments: Iterable[datetime], zone: str) -> list[Mapping[str, Any]]:
    """Times at which a schedule is due, with what clocks of its zone show then; in UTC they show the same."""
    clock = ZoneInfo(zone)
    return [
        {"time": moment, "local": f"{moment.astimezone(clock):%a %H:%M} {zone}" if zone != "UTC" else ""}
        for moment in moments
    ]


def cron_text(row: RecurringRequest) -> str:
    """The five fields of its crontab."""
    crontab = row.crontab
    if crontab is None:
        return ""
    fields = (crontab.minute, crontab.hour, crontab.day_of_month, crontab.month_of_year, crontab.day_of_week)
    return " ".join(fields)


def window(value: timedelta | None) -> str:
    """A spread window or a limit; ``–`` for none."""
    return display_text.duration(value).removesuffix(" 0 s") if value else "–"


def states(counts: Progress, batch: Batch) -> list[Mapping[str, Any]]:
    """The legend of a bar: each state that occurs, with its list."""
    found = [(state, counts.states.get(state, 0)) for state, _ in PARTS]
    return [
        {"state": state, "number": number, "url": requests_url(batch, state)}
        for state, number in found
        if number
    ]
