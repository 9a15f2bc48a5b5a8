"""Who may look at which panels of the live page."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from osgp.pages.access import get_organisation


@dataclass(frozen=True)
class Rights:
    """The panels that a user may see."""

    requests: bool
    visits: bool
    alarms: bool
    processes: bool
    """Of the platform; its tenants have no use for their names."""

    @property
    def any(self) -> bool:
        """Whether there is anything to see."""
        return self.requests or self.visits or self.alarms or self.processes


def find_rights(request: HttpRequest) -> Rights:
    """What the signed-in user may see: as of the lists to which the panels lead."""
    may = request.user.has_perm
    return Rights(
        requests=may("requests.view_request"),
        visits=may("requests.view_metersession"),
        alarms=may("alarms.view_alarm"),
        processes=may("processes.view_processheartbeat") and get_organisation(request) is None,
    )


def find_url(request: HttpRequest) -> str:
    """The address of the live page; empty for those who would see nothing there."""
    return reverse("admin:live") if find_rights(request).any else ""
