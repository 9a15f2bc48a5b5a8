"""Making deliveries of events, each exactly once, whichever process does it and however often it dies.

Events are read in the order of their positions, a slice at a time. The deliveries of a slice are stored in
the transaction that moves the cursor behind it, under a lock on the cursor's row.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Now

from osgp.events import numbering
from osgp.events.models import Event, EventKind
from osgp.events.receivers import parse_url
from osgp.notifications.models import Delivery, Endpoint, FanOut
from osgp.sql import is_one_of, read_now

SLICE = 2000
"""Events in one transaction."""
ROW = 1


class Wish(NamedTuple):
    """What an endpoint wants to be told of; empty lists stand for everything."""

    endpoint: int
    created_at: datetime
    kinds: Sequence[str]
    messages: Sequence[str]
    statuses: Sequence[str]

    def includes(self, event: Event) -> bool:
        """Whether to tell it of an event. Messages and statuses are those of completed requests."""
        if event.created_at < self.created_at or (self.kinds and event.kind not in self.kinds):
            return False
        if event.kind != EventKind.REQUEST_COMPLETED:
            return True
        message, status = event.data.get("message"), event.data.get("status")
        return (not self.messages or message in self.messages) and (
            not self.statuses or status in self.statuses
        )


def advance() -> int:
    """Number new events and make the deliveries of the next ones; return how many events were looked at.

    0 also if another process is at it.
    """
    numbering.number_new()
    if not _list_next(find_position()).exists():
        return 0
    # The one row is made when it is first needed: an empty database has none.
    FanOut.objects.get_or_create(pk=ROW)
    with transaction.atomic():
        cursor = FanOut.objects.select_for_update(skip_locked=True).filter(pk=ROW).first()
        if cursor is None:
            return 0
        events = list(_list_next(cursor.position)[:SLICE])
        if events:
            _store(_make_deliveries(events))
            FanOut.objects.filter(pk=ROW).update(position=events[-1].position)
    return len(events)


def find_position() -> int:
    """Return the position of the last event that was looked at, 0 if there was none."""
    return FanOut.objects.filter(pk=ROW).values_list("position", flat=True).first() or 0


def _list_next(position: int) -> QuerySet[Event]:
    return Event.objects.filter(position__gt=position).order_by("position")


def _make_deliveries(events: Sequence[Event]) -> list[Delivery]:
    untold = [event for event in events if event.fetched_at is None]
    wishes = _find_wishes({event.organisation_id for event in untold})
    implicit = _find_implicit_endpoints([event for event in untold if event.response_url])
    now = read_now()
    deliveries = []
    for event in untold:
        wanted = [
            (wish.endpoint, "") for wish in wishes.get(event.organisation_id, ()) if wish.includes(event)
        ]
        if event.pk in implicit:
            wanted.append((implicit[event.pk], event.response_url))
        deliveries += [_make_delivery(event, endpoint, url, now) for endpoint, url in wanted]
    return deliveries


def _make_delivery(event: Event, endpoint: int, url: str, now: datetime) -> Delivery:
    return Delivery(
        endpoint_id=endpoint,
        url=url,
        event=event.pk,
        kind=event.kind,
        subject=event.subject,
        device_identification=event.device_identification,
        data=event.data,
        begun_at=now,
        due_at=now,
        created_at=now,
    )


def _find_wishes(organisations: Iterable[int]) -> dict[int, list[Wish]]:
    endpoints = Endpoint.objects.filter(
        is_one_of("organisation", list(organisations)), origin="", deleted_at__isnull=True
    )
    columns = ("pk", "created_at", "kinds", "messages", "statuses")
    wishes: dict[int, list[Wish]] = {}
    for organisation, *fields in endpoints.order_by("pk").values_list("organisation", *columns):
        wishes.setdefault(organisation, []).append(Wish(*fields))
    return wishes


def _find_implicit_endpoints(events: Sequence[Event]) -> Mapping[int, int]:
    """The endpoint of each event's own URL, by the event's key; missing ones are made.

    A URL that is not allowed any more has none.
    """
    origins: dict[int, tuple[int, str]] = {}
    for event in events:
        try:
            origins[event.pk] = (event.organisation_id, parse_url(event.response_url).origin)
        except ValueError:
            continue
    if not origins:
        return {}
    wanted = set(origins.values())
    known = _list_implicit(wanted)
    if missing := wanted - known.keys():
        now = read_now()
        Endpoint.objects.bulk_create(
            [
                Endpoint(organisation_id=organisation, origin=origin, created_at=now)
                for organisation, origin in sorted(missing)
            ],
            ignore_conflicts=True,
        )
        known = _list_implicit(wanted)
    return {event: known[origin] for event, origin in origins.items() if origin in known}


def _list_implicit(wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    organisations, origins = zip(*wanted, strict=True)
    rows = Endpoint.objects.filter(
        is_one_of("organisation", set(organisations)), origin__in=set(origins), deleted_at__isnull=True
    )
    return {(organisation, origin): pk for pk, organisation, origin in _as_tuples(rows)}


def _as_tuples(rows: QuerySet[Endpoint]) -> list[tuple[int, int, str]]:
    return list(rows.values_list("pk", "organisation_id", "origin"))


def _store(deliveries: Sequence[Delivery]) -> None:
    if deliveries:
        Delivery.objects.bulk_create(deliveries)
        wake({delivery.endpoint_id for delivery in deliveries})


def wake(endpoints: Iterable[int]) -> None:
    """Have runs opened for endpoints, in the transaction that stores what is due now."""
    earlier = When(Q(wake_at__lt=Now()), then=F("wake_at"))
    rows = Endpoint.objects.filter(is_one_of("pk", list(endpoints)))
    rows.update(wake_at=Case(earlier, default=Now()))
