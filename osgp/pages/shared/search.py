"""What operators type into search boxes, turned into look-ups that an index answers."""

import re
import uuid
from typing import Any

from django.db.models import Q, QuerySet


def by_uid_or_device(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Requests with a correlation UID, or those for a device identification."""
    term = term.strip()
    if not term:
        return queryset
    try:
        return queryset.filter(correlation_uid=uuid.UUID(term))
    except ValueError:
        return queryset.filter(device_identification=term)


def by_meter(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Sessions by their own number, or those with a meter."""
    term = term.strip()
    if not term:
        return queryset
    try:
        return queryset.filter(pk=uuid.UUID(term))
    except ValueError:
        return queryset.filter(meter__identification=term)


def devices(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Devices whose identification begins with the term; else by M-Bus number or address.

    The beginning of an identification is answered by its index; the other two are tried when nothing is
    found that way.
    """
    term = term.strip()
    if not term:
        return queryset
    if re.fullmatch(r"[A-Za-z0-9]{1,40}", term):
        beginning = queryset.filter(identification__startswith=term)
        if beginning.exists():
            return beginning
    return queryset.filter(Q(mbus_identification_number=term) | Q(network_address__iexact=term))
