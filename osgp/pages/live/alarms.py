"""Alarms that arrive, for the live page: the latest groups, and how fast they grow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from osgp import platform_time
from osgp.alarms.finding import list_groups
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.pages.access import get_organisation
from osgp.pages.alarms.display import draw_kind

LATELY = timedelta(hours=1)
MOST_GROUPS = 8
MOST_COUNTED = 1000
"""Of the latest alarms of a group; in a storm the rate is theirs, and not that of the whole hour."""
MINUTE = timedelta(minutes=1)
LEAST_MINUTES = 1 / 60
"""Over which a rate is taken at least."""


@dataclass(frozen=True)
class ArrivedGroup:
    """Alarms of one kind, owner and network that arrived one after the other."""

    last_at: datetime
    number: int
    unacknowledged: int
    kind: str
    network: str
    owner: str
    rate: str
    """Alarms per minute."""
    url: str
    """Of the list of its alarms."""

    @property
    def names(self) -> SafeString | str:
        """The names of its alarms, for the page."""
        return draw_kind(self.kind)


@dataclass(frozen=True)
class ArrivedAlarms:
    """The groups that a user may see and to which an alarm was added lately, newest first."""

    groups: Sequence[ArrivedGroup]
    url: str
    """Of the list of all."""


def gather_alarms(request: HttpRequest) -> ArrivedAlarms | None:
    """The groups that grew in the last hour, whatever their size; None hides the panel. Three queries."""
    if not request.user.has_perm("alarms.view_alarm"):
        return None
    since = platform_time.now() - LATELY
    groups = list(list_groups(get_organisation(request)).filter(last_at__gte=since)[:MOST_GROUPS])
    rates = _measure(groups, since) if groups else {}
    alarms = reverse("admin:alarms_alarm_changelist")
    arrived = [
        ArrivedGroup(
            group.last_at,
            group.number,
            group.unacknowledged,
            group.kind,
            group.network.name if group.network else "",
            group.organisation.identification if group.organisation else "",
            rates.get(group.pk, ""),
            f"{alarms}?group={group.pk}",
        )
        for group in groups
    ]
    return ArrivedAlarms(arrived, reverse("admin:alarms_alarmgroup_changelist"))


def _measure(groups: Sequence[AlarmGroup], since: datetime) -> dict[int, str]:
    """How many alarms a minute each group got. Two queries, of MOST_COUNTED alarms of each group at most."""
    lately = Alarm.objects.filter(received_at__gte=since)
    of_group = lately.filter(group=OuterRef("pk")).order_by("-received_at", "-pk").values("received_at")
    begins = dict(
        AlarmGroup.objects.filter(pk__in=[group.pk for group in groups]).values_list(
            "pk", Subquery(of_group[MOST_COUNTED - 1 : MOST_COUNTED])
        )
    )
    few = [group for group, begin in begins.items() if begin is None]
    numbers = dict(lately.filter(group__in=few).order_by().values_list("group").annotate(number=Count("pk")))
    now = platform_time.now()
    rates: dict[int, str] = {}
    for group, begin in begins.items():
        number = numbers.get(group, 0) if begin is None else MOST_COUNTED
        rates[group] = _format_rate(number / max((now - (begin or since)) / MINUTE, LEAST_MINUTES))
    return rates


def _format_rate(rate: float) -> str:
    if rate < 0.1:
        return "< 0.1"
    return f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"
