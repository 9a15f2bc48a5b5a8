"""The figures of the admin's first page: about fifteen small queries, whatever the size of the tables.

States in which work waits or runs are counted by their partial indexes, up to a limit. The success rate is
that of the requests created in the last 24 hours; of the newest 10,000 when there were more, and then the
page says since when.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.devices.models import Device
from osgp.pages.access import get_organisation
from osgp.pages.batches.overview import gather_batches
from osgp.pages.readings.completeness_page import make_tile
from osgp.pages.shared.display_text import format_age
from osgp.pages.shared.paging import COUNT_LIMIT, BoundedCount, count_up_to_limit
from osgp.requests.models import OF_ANY_METER, MeterSession, Request, RequestState, SessionState
from osgp.system_notes.models import OPEN, SystemNote

PENDING_STATES = (
    RequestState.SCHEDULED,
    RequestState.QUEUED,
    RequestState.RUNNING,
    RequestState.RETRYING,
)
PERIOD = timedelta(hours=24)
ROWS = 8


@dataclass(frozen=True)
class Recent:
    """How the requests created lately ended."""

    since: datetime
    complete: bool
    """Whether ``since`` is 24 hours ago; otherwise only the newest requests were looked at."""
    ended: Counter[str] = field(default_factory=Counter)
    faults: Sequence[tuple[int, str, int]] = ()
    """Code, name and number of the faults of failed requests, most frequent first."""

    @property
    def finished(self) -> int:
        """Succeeded or failed; what was cancelled says nothing about meters."""
        return self.ended[RequestState.SUCCEEDED] + self.ended[RequestState.FAILED]

    @property
    def rate(self) -> str:
        """Succeeded of those that finished. ``100 %`` is said only when none failed, ``0 %`` when all did."""
        if not self.finished:
            return "–"
        # In tenths of a per cent, rounded towards the truth that is easier to overlook.
        tenths = self.ended[RequestState.SUCCEEDED] * 1000 // self.finished
        if tenths == 0 and self.ended[RequestState.SUCCEEDED]:
            return "< 0.1 %"
        return "100 %" if tenths == 1000 else f"{tenths / 10:.1f} %"


def gather_figures(request: HttpRequest) -> dict[str, Any]:
    """The figures of those rows that the signed-in user may see."""
    organisation = get_organisation(request)
    figures: dict[str, Any] = {"as_of": timezone.now()}
    if request.user.has_perm("requests.view_request"):
        figures |= _gather_requests(organisation)
    if request.user.has_perm("requests.view_metersession"):
        figures |= _gather_visits(organisation)
    if request.user.has_perm("devices.view_device"):
        figures |= _gather_devices(organisation)
    if request.user.has_perm("system_notes.view_systemnote"):
        figures |= _gather_notes(organisation)
    tile = make_tile(request)
    if tile is not None:
        figures["completeness"] = tile
    return figures | gather_batches(request)


def _gather_requests(organisation: Organisation | None) -> dict[str, Any]:
    requests = Request.objects.all()
    if organisation is not None:
        requests = requests.filter(organisation=organisation)
    pending = requests.filter(OF_ANY_METER)
    oldest = (
        pending.filter(state=RequestState.QUEUED)
        .order_by("due_at")
        .only("pk", "message", "device_identification", "due_at")
        .first()
    )
    return {
        "pending": [(state, count_up_to_limit(pending.filter(state=state))) for state in PENDING_STATES],
        "oldest": oldest,
        "oldest_age": format_age(oldest.due_at).removesuffix(" ago") if oldest else "",
        "recent": summarise_recent(requests),
        "failures": _find_latest_failures(requests),
    }


def summarise_recent(requests: QuerySet[Request]) -> Recent:
    """How the newest requests ended, at most 10,000 of them and none older than 24 hours. Two queries."""
    begin = timezone.now() - PERIOD
    newest = requests.order_by("-pk")[:COUNT_LIMIT]
    oldest = newest.values("pk").aggregate(oldest=Min("created_at"), number=Count("pk"))
    complete = oldest["number"] < COUNT_LIMIT or oldest["oldest"] <= begin
    outcomes = (
        Request.objects.filter(pk__in=newest.values("pk"), created_at__gte=begin)
        .order_by()
        .values_list("state", "fault__code", "fault__name")
        .annotate(number=Count("pk"))
    )
    ended: Counter[str] = Counter()
    faults: Counter[tuple[int, str]] = Counter()
    for state, code, name, number in outcomes:
        ended[state] += number
        if state == RequestState.FAILED and code is not None:
            faults[code, name] += number
    return Recent(
        since=begin if complete else oldest["oldest"],
        complete=complete,
        ended=ended,
        faults=[(code, name, number) for (code, name), number in faults.most_common(ROWS)],
    )


def _find_latest_failures(requests: QuerySet[Request]) -> list[Request]:
    """Of the newest requests those that failed last, whenever they were created. One query."""
    newest = requests.order_by("-pk")[:COUNT_LIMIT]
    return list(
        Request.objects.filter(pk__in=newest.values("pk"), state=RequestState.FAILED)
        .order_by("-completed_at", "-pk")
        .only("pk", "message", "device_identification", "completed_at", "fault")[:ROWS]
    )


def _gather_visits(organisation: Organisation | None) -> dict[str, Any]:
    visits = MeterSession.objects.all()
    if organisation is not None:
        visits = visits.filter(meter__in=list_visible_devices(organisation))
    counts: dict[str, BoundedCount] = {
        state.value: count_up_to_limit(visits.filter(state=state))
        for state in (SessionState.OPENED, SessionState.CLAIMED)
    }
    return {"visits": counts}


def _gather_devices(organisation: Organisation | None) -> dict[str, Any]:
    devices = Device.objects.all() if organisation is None else list_visible_devices(organisation)
    failing = devices.filter(failed_connections__gt=0)
    worst = failing.order_by("-failed_connections", "-last_failure_at").only(
        "pk", "identification", "failed_connections", "last_failure_at", "last_success_at"
    )
    return {"failing": count_up_to_limit(failing), "worst": list(worst[:ROWS])}


def _gather_notes(organisation: Organisation | None) -> dict[str, Any]:
    notes = SystemNote.objects.filter(OPEN)
    if organisation is not None:
        notes = notes.filter(device__in=list_visible_devices(organisation))
    return {"notes": count_up_to_limit(notes)}
