"""What operators type into search boxes, turned into look-ups that an index answers."""

import re
import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from osgp.devices.addresses import canonicalise


class IndexedSearch(admin.ModelAdmin):
    """A list that is searched by looking up, in place of Django's search in the middle of words."""

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """The rows for what was typed, which is not empty and has no blanks around it."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (self.find(queryset, term) if term else queryset), False


def parse_uid(text: str) -> uuid.UUID | None:
    """A UID in any of its spellings; None for everything else."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def find_devices(queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Devices whose identification begins with the term; else by M-Bus number or address.

    The beginning of an identification is answered by its index; the other two are tried when nothing is
    found that way.
    """
    if re.fullmatch(r"[A-Za-z0-9]{1,40}", term):
        beginning = queryset.filter(identification__startswith=term)
        if beginning.exists():
            return beginning
    at_address = Q(network_address__iexact=canonicalise(term))
    return queryset.filter(Q(mbus_identification_number=term) | at_address)
