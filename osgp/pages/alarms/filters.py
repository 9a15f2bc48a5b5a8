"""Filters of lists of alarms and of received pushes."""

import re
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from osgp.alarms.finding import filter_alarms, list_groups
from osgp.alarms.models import PushOutcome
from osgp.alarms.storing import NO_KNOWN_ALARM
from osgp.cosem.alarms import list_alarm_types
from osgp.pages.access import get_organisation
from osgp.pages.networks.filters import NetworkFilter
from osgp.pages.shared.filters import DefaultedFilter, RangeFilter
from osgp.protocol_dlms.push.errors import PushFault

ALL, OPEN, ACKNOWLEDGED = "all", "open", "acknowledged"
SEVERAL = "~"
"""Between the outcomes of a filter."""
_CHOICES = {"yes": True, "no": False}


class OpenGroupsFilter(DefaultedFilter):
    """Only groups with alarms that nobody has acknowledged, unless something else is chosen."""

    title = "state"
    parameter_name = "state"
    default = OPEN

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(ALL, "All"), (OPEN, "Open"), (ACKNOWLEDGED, "Acknowledged")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.choice == ALL:
            return queryset
        return queryset.filter(**{"unacknowledged__gt" if self.choice == OPEN else "unacknowledged": 0})


class _TypeFilter(admin.SimpleListFilter):
    title = "type"
    parameter_name = "type"
    further: Sequence[tuple[str, str]] = ()

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(list_alarm_types())] + list(self.further)


class KindFilter(_TypeFilter):
    """Groups with this alarm among the names of their kind."""

    further = ((NO_KNOWN_ALARM, "None that has a name"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        if not name:
            return queryset
        begins, ends, within = f"{name}, ", f", {name}", f", {name}, "
        return queryset.filter(
            Q(kind=name) | Q(kind__startswith=begins) | Q(kind__endswith=ends) | Q(kind__contains=within)
        )


class AlarmTypeFilter(_TypeFilter):
    """Single alarms of one type."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return filter_alarms(queryset, alarm_types=[name]) if name else queryset


class AlarmNetworkFilter(NetworkFilter):
    """The network of the meter."""

    path = "device__network"


class GroupFilter(admin.SimpleListFilter):
    """The alarms of one group, whose line leads here: there are too many groups to choose from."""

    title = "group"
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        number = request.GET.get(self.parameter_name, "")
        if not number:
            return []
        groups = list_groups(get_organisation(request))
        group = groups.filter(pk=number).first() if _is_number(number) else None
        return [(number, str(group) if group is not None else "unknown")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return filter_alarms(queryset, group=int(value)) if _is_number(value) else queryset.none()


class AcknowledgedFilter(admin.SimpleListFilter):
    """Whether somebody has acknowledged the alarm."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(OPEN, "Open"), (ACKNOWLEDGED, "Acknowledged")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in {OPEN, ACKNOWLEDGED}:
            return queryset
        return filter_alarms(queryset, acknowledged=value == ACKNOWLEDGED)


class VerifiedFilter(admin.SimpleListFilter):
    """Whether its authentication tag was right; for alarms and pushes."""

    title = "verified"
    parameter_name = "verified"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "Verified"), ("no", "Not verified")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        verified = _CHOICES.get(self.value() or "")
        return queryset if verified is None else queryset.filter(is_verified=verified)


class UnknownBitsFilter(admin.SimpleListFilter):
    """Whether it has bits without a meaning in the profile of the meter."""

    title = "unknown bits"
    parameter_name = "unknown_bits"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "Has unknown bits"), ("no", "All bits known")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return filter_alarms(queryset, unknown_bits=_CHOICES.get(self.value() or ""))


class ReceivedFilter(RangeFilter):
    """When it was received; for alarms and pushes."""

    title = "received"
    parameter_name = "received"
    field = "received_at"


class LastFilter(ReceivedFilter):
    """When the last alarm of a group was received."""

    title = "last"
    parameter_name = "last"
    field = "last_at"


class OutcomeFilter(admin.SimpleListFilter):
    """What became of a push: one of PushOutcome, or the name of a PushFault; charts lead to several."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        names = dict.fromkeys([*PushOutcome.values, *(fault.name for fault in PushFault)])
        chosen = request.GET.get(self.parameter_name, "").split(SEVERAL)
        found = [(name, name) for name in names]
        if len(chosen) > 1 and names.keys() >= {*chosen}:
            found.append((SEVERAL.join(chosen), ", ".join(chosen)))
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(outcome__in=value.split(SEVERAL)) if value else queryset


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", value) is not None
