"""The figures of the admin's first page: about ten small queries, whatever the size of the tables.

States in which work waits or runs are counted by their partial indexes, up to a limit. The success rate is
that of the requests made in the last 24 hours; of the newest 10,000 when there were more, and then the page
says since when.
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
from osgp.accounts.rights import visible_devices
from osgp.devices.models import Device
from osgp.pages.access import organisation_of
from osgp.pages.shared.display_text import age
from osgp.pages.shared.paging import COUNT_LIMIT, BoundedCount, bounded_count
from osgp.requests.models import MeterSession, Request, RequestState, SessionState

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
    """How the requests made lately ended."""

    since: datetime
    complete: bool
    """Whether ``since`` is 24 hours ago; otherwise only the newest requests were looked at."""
    ended: Counter[str] = field(default_factory=Counter)
    faults: Sequence[tuple[int, str, int]] = ()
    """Code, name and number of the faults of failed requests, most frequent first."""

    @property
    def finished(self) -> int:
        """Succeeded or failed; what was cancelled tells nothing about meters."""
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


def overview(request: HttpRequest) -> dict[str, Any]:
    """The figures that the signed-in user may see; without the permission for its rows, one is left out."""
    organisation = organisation_of(request)
    figures: dict[str, Any] = {"as_of": timezone.now()}
    if request.user.has_perm("requests.view_request"):
        figures |= _requests(organisation)
    if request.user.has_perm("requests.view_metersession"):
        figures |= _sessions(organisation)
    if request.user.has_perm("devices.view_device"):
        figures |= _devices(organisation)
    return figures


def _requests(organisation: Organisation | None) -> dict[str, Any]:
    requests = Request.objects.all()
    if organisation is not None:
        requests = requests.filter(organisation=organisation)
    oldest = (
        requests.filter(state=RequestState.QUEUED)
        .order_by("due_at")
        .only("pk", "message", "device_identification", "due_at")
        .first()
    )
    return {
        "pending": [(state, bounded_count(requests.filter(state=state))) for state in PENDING_STATES],
        "oldest": oldest,
        "oldest_age": age(oldest.due_at).removesuffix(" ago") if oldest else "",
        "recent": recent(requests),
        "failures": _latest_failures(requests),
    }


def recent(requests: QuerySet[Request]) -> Recent:
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


def _latest_failures(requests: QuerySet[Request]) -> list[Request]:
    """Of the newest requests those that failed last, whenever they were made. One query."""
    newest = requests.order_by("-pk")[:COUNT_LIMIT]
    return list(
        Request.objects.filter(pk__in=newest.values("pk"), state=RequestState.FAILED)
        .order_by("-completed_at", "-pk")
        .only("pk", "message", "device_identification", "completed_at", "fault")[:ROWS]
    )


def _sessions(organisation: Organisation | None) -> dict[str, Any]:
    sessions = MeterSession.objects.all()
    if organisation is not None:
        sessions = sessions.filter(meter__in=visible_devices(organisation))
    counts: dict[str, BoundedCount] = {
        state.value: bounded_count(sessions.filter(state=state))
        for state in (SessionState.OPENED, SessionState.CLAIMED)
    }
    return {"sessions": counts}


def _devices(organisation: Organisation | None) -> dict[str, Any]:
    devices = Device.objects.all() if organisation is None else visible_devices(organisation)
    failing = devices.filter(failed_connections__gt=0)
    worst = failing.order_by("-failed_connections", "-last_failure_at").only(
        "pk", "identification", "failed_connections", "last_failure_at", "last_success_at"
    )
    return {"failing": bounded_count(failing), "worst": list(worst[:ROWS])}
