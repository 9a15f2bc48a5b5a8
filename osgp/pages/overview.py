"""The figures of the admin's first page: about fifteen small queries, whatever the size of the tables.

States in which work waits or runs are counted by their partial indexes, up to a limit. The success rate is
that of the requests that ended in the last 24 hours, from the sums of hours.
"""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.alarms.finding import list_groups
from osgp.devices.models import Device
from osgp.pages.access import get_organisation
from osgp.pages.batches.overview import gather_batches
from osgp.pages.live.figures import count_pending, count_visits, find_oldest
from osgp.pages.live.outcomes import summarise
from osgp.pages.notifications.overview import gather_notifications
from osgp.pages.readings.completeness_page import make_tile
from osgp.pages.shared.display_text import format_age
from osgp.pages.shared.paging import COUNT_LIMIT, count_up_to_limit
from osgp.requests.models import Request, RequestState
from osgp.system_notes.models import OPEN, SystemNote

ROWS = 8


def gather_figures(request: HttpRequest) -> dict[str, Any]:
    """The figures of those rows that the signed-in user may see."""
    organisation = get_organisation(request)
    figures: dict[str, Any] = {"as_of": platform_time.now()}
    if request.user.has_perm("requests.view_request"):
        figures |= _gather_requests(organisation)
    if request.user.has_perm("requests.view_metersession"):
        figures["visits"] = count_visits(organisation)
    if request.user.has_perm("devices.view_device"):
        figures |= _gather_devices(organisation)
    if request.user.has_perm("system_notes.view_systemnote"):
        figures |= _gather_notes(organisation)
    if request.user.has_perm("alarms.view_alarm"):
        groups = list_groups(organisation).filter(unacknowledged__gt=0)
        figures["alarms"] = count_up_to_limit(groups)
    tile = make_tile(request)
    if tile is not None:
        figures["completeness"] = tile
    return figures | gather_batches(request) | gather_notifications(request)


def _gather_requests(organisation: Organisation | None) -> dict[str, Any]:
    requests = Request.objects.all()
    if organisation is not None:
        requests = requests.filter(organisation=organisation)
    oldest = next(iter(find_oldest(organisation)), None)
    return {
        "pending": count_pending(organisation),
        "oldest": oldest,
        "oldest_age": format_age(oldest.due_at).removesuffix(" ago") if oldest else "",
        "recent": summarise(organisation),
        "failures": _find_latest_failures(requests),
    }


def _find_latest_failures(requests: QuerySet[Request]) -> list[Request]:
    """Of the newest requests those that failed last, whenever they were created. One query."""
    newest = requests.order_by("-pk")[:COUNT_LIMIT]
    return list(
        Request.objects.filter(pk__in=newest.values("pk"), state=RequestState.FAILED)
        .order_by("-completed_at", "-pk")
        .only("pk", "message", "device_identification", "completed_at", "fault")[:ROWS]
    )


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
