"""How many requests of an organisation may wait: SCHEDULED, QUEUED and RETRYING ones.

Counting a million rows with each call would take most of a second. So dispatchers count now and then
(osgp/metrics/snapshot.py), batches add what they make meanwhile, and the number is with the organisation,
which each call reads anyway. Single requests since the last count are not in it: a limit is overrun by as
many as came within half a minute.
"""

from collections.abc import Mapping
from http import HTTPStatus

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation

RETRY_AFTER = 30
"""Seconds: by then it is counted again."""


class TooManyWaiting(ValidationError):
    """The input may be valid, but as many requests of the organisation wait as may."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    wait = RETRY_AFTER


def find_limit(organisation: Organisation) -> int:
    """Return how many requests of the organisation may wait."""
    own = organisation.max_waiting_requests
    limit: int = settings.OSGP["ORGANISATION_MAX_WAITING"] if own is None else own
    return limit


def check_room(organisation: Organisation) -> None:
    """Raise TooManyWaiting if the organisation may send no more at present."""
    limit = find_limit(organisation)
    if organisation.waiting_requests >= limit:
        raise TooManyWaiting(
            f"{organisation.waiting_requests:,} requests of the organisation wait, and its limit of waiting "
            f"requests is {limit:,}. Send more when some of them are done."
        )


def are_at_limit(path: str) -> Q:
    """Return the condition that an organisation, at ``path``, may have no more requests made for it."""
    limit = Coalesce(f"{path}__max_waiting_requests", settings.OSGP["ORGANISATION_MAX_WAITING"])
    return Q(**{f"{path}__waiting_requests__gte": limit})


def add(organisation_id: int, number: int) -> None:
    """Count requests that were made since the last count."""
    Organisation.objects.filter(pk=organisation_id).update(waiting_requests=F("waiting_requests") + number)


def store_counts(counts: Mapping[int, int]) -> None:
    """Store how many requests of each organisation wait; organisations that are not named have none."""
    changed = [
        Organisation(pk=pk, waiting_requests=counts.get(pk, 0))
        for pk, known in Organisation.objects.values_list("pk", "waiting_requests")
        if known != counts.get(pk, 0)
    ]
    Organisation.objects.bulk_update(changed, ["waiting_requests"], batch_size=500)
