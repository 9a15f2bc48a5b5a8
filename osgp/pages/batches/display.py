"""How far batches are, and to whom they went, as operators' pages show it: bars, counts, rates and links."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from osgp.batches.models import Batch, BatchSource, Scheduling
from osgp.fleet.progress import Progress, measure_progress
from osgp.pages.shared.display_text import allow_breaks, format_moment
from osgp.pages.shared.page import link_to
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
    BatchSource.RETRY: "failed devices of a deleted batch",
    BatchSource.RECURRING: "deleted schedule",
}


@admin.display(description="Message")
def show_content(self: Any, row: Scheduling) -> SafeString:
    """The name of the message, and those of a bundle, broken where the column is narrow."""
    return allow_breaks(row.content)


def load_progress(batches: Iterable[Batch]) -> dict[int, Progress]:
    """How far each of them is: one query for all that are not final, none for the others."""
    rows = list(batches)
    states: dict[int, dict[str, int]] = {batch.pk: {} for batch in rows if batch.outcome is None}
    if states:
        counted = Request.objects.filter(batch__in=list(states)).order_by().values_list("batch", "state")
        for key, state, number in counted.annotate(number=Count("*")):
            states[key][state] = number
    return {
        batch.pk: Progress(
            max(batch.total, sum(states[batch.pk].values())), batch.skipped, states[batch.pk], ()
        )
        if batch.pk in states
        else measure_progress(batch)
        for batch in rows
    }


def draw_bar(counts: Progress) -> SafeString:
    """A bar of the states of its requests; those that are still to be created are left blank."""
    created = sum(counts.states.values())
    parts = [(tone, counts.states.get(state, 0), f"{state}") for state, tone in PARTS]
    parts.append(("blank", max(0, counts.total - created), "not created yet"))
    pieces = format_html_join(
        "",
        '<span class="bar-{}" data-share="{}" title="{} {}"></span>',
        [(tone, number, f"{number:,}", text) for tone, number, text in parts if number],
    )
    return format_html('<span class="bar progress" aria-hidden="true">{}</span>', pieces)


def draw_progress(counts: Progress) -> SafeString:
    """The bar, and how many of how many have their outcome."""
    return format_html(
        '<span class="done">{}<span class="done-count">{} <span class="quiet">of {}</span></span></span>',
        draw_bar(counts),
        f"{counts.final:,}",
        f"{counts.total:,}",
    )


def format_rate(counts: Progress) -> str:
    """Succeeded of succeeded and failed. ``100 %`` is said only when none failed."""
    value = counts.success_rate
    if value is None:
        return "–"
    return "100 %" if value == 1 else f"{value * 100:.1f} %"


def get_requests_url(batch: Batch, state: str = "") -> str:
    """The list of its requests, of one state or all."""
    query = {"batch": str(batch.uid)} | ({"state__exact": state} if state else {})
    return f"{reverse('admin:requests_request_changelist')}?{urlencode(query)}"


def list_states(counts: Progress, batch: Batch) -> list[Mapping[str, Any]]:
    """The legend of a bar: each state that occurs, with its list."""
    found = [(state, counts.states.get(state, 0)) for state, _ in PARTS]
    return [
        {"state": state, "number": number, "url": get_requests_url(batch, state)}
        for state, number in found
        if number
    ]


def link_target(batch: Batch) -> SafeString:
    """To whom it was sent; ``group``, ``recurring`` and ``retry_of`` are looked up."""
    if batch.target is not None:
        return link_readings(batch)
    if batch.recurring is not None:
        return link_to(batch.recurring, batch.recurring, "schedule")
    if batch.source == BatchSource.RETRY and batch.retry_of is not None:
        return link_to(batch.retry_of, format_moment(batch.retry_of.created_at), "failed devices of batch")
    if batch.group is not None:
        return link_to(batch.group, batch.group, "group")
    if batch.source != BatchSource.LIST:
        return format_html('<span class="quiet">{}</span>', DELETED[batch.source])
    return describe_list(batch.total + batch.skipped)


def link_readings(batch: Batch) -> SafeString:
    """What is fetched, leading to what is still missing of it, if the page's filters can say that."""
    target = batch.target or {}
    if len(target["device"]) > 1 or len(target["reason"]) > 1:
        return format_html("{}", batch.readings)
    query = {
        "period": target["period"],
        "first": target["from"],
        "last": (date.fromisoformat(target["until"]) - timedelta(days=1)).isoformat(),
        "device": "".join(target["device"]),
        "group": target["group_id"],
        "network": target["network_id"],
        "device_type": target["device_type"],
        "reason": "".join(target["reason"]),
    }
    url = reverse("admin:readings_series_changelist")
    chosen = urlencode({name: value for name, value in query.items() if value})
    return format_html('<a href="{}?{}">{}</a>', url, chosen, batch.readings)


def describe_list(number: int) -> SafeString:
    """Devices that were named one by one."""
    return format_html('<span class="quiet">list of</span> {}', f"{number:,}")
