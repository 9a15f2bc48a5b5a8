"""What operators type into search boxes, turned into look-ups that an index answers."""

import uuid
from typing import Any

from django.db.models import Q, QuerySet

from osgp.batches.models import RecurringRequest
from osgp.device_groups.models import DeviceGroup


def batches(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Batches by their UID, or those of groups and schedules whose name begins with the term."""
    term = term.strip()
    if not term:
        return queryset
    try:
        return queryset.filter(uid=uuid.UUID(term))
    except ValueError:
        groups = DeviceGroup.objects.filter(name__istartswith=term).values("pk")
        schedules = RecurringRequest.objects.filter(name__istartswith=term).values("pk")
        return queryset.filter(Q(group__in=groups) | Q(recurring__in=schedules))
