"""Transitions that dispatchers make: fail overdue requests, lease meters, take back lost requests."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, JSONField, OuterRef, Q, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now

from osgp.devices.models import KeyType
from osgp.devices.needed_keys import find_missing_keys, make_missing_key_fault
from osgp.faults import Component, Fault, FaultCode
from osgp.requests import choosing
from osgp.requests.due import DUE_STATES, find_due_requests
from osgp.requests.models import (
    OF_ANY_METER,
    MeterSession,
    Request,
    RequestState,
    SessionState,
    VisitLane,
)
from osgp.requests.slots import LaneRoom, LiveVisits, Reason, Slots, count_live_visits
from osgp.requests.states.ending import give_up_actions
from osgp.requests.states.quarantine import QUARANTINED, keep_notes
from osgp.requests.states.tables import LIVE, SESSIONS
from osgp.requests.states.transitions import FIRST_SESSION_STATE, RequestTransitions, SessionTransitions
from osgp.sql import Statement, add_to_now, is_one_of, parse_uuid
from osgp.state_tables import apply

OVERDUE = Fault(
    FaultCode.MAX_SCHEDULE_TIME_EXCEEDED,
    "The request was not carried out before its max_schedule_time.",
    component=Component.CORE,
).as_dict()


@transaction.atomic
def fail_overdue(limit: int = 1000) -> int:
    """Fail waiting requests past their max_schedule_time with 417, or the fault of their last attempt.

    Without an attempt, 806 goes before 417: the meter could not have been dialled at any time, because it
    lacks a key. Return how many. Skips rows that are locked.
    """
    waiting = Request.objects.filter(state__in=RequestTransitions.EXPIRE.sources)
    late = list(
        waiting.filter(max_schedule_time__lt=Now())
        .order_by()
        .select_for_update(skip_locked=True, of=("self",))
        .values_list("pk", "meter", "fault")[:limit]
    )
    keys = [key for key, _, _ in late]
    apply(
        Request.objects.filter(pk__in=keys),
        RequestTransitions.EXPIRE,
        fault=Coalesce("fault", _choose_fault({meter for _, meter, fault in late if meter and not fault})),
        completed_at=Now(),
    )
    give_up_actions(keys)
    return len(late)


def _choose_fault(meters: Collection[int]) -> Combinable:
    """Return an ORM expression for the fault of a request that was not carried out in time."""
    lacking: defaultdict[KeyType, list[int]] = defaultdict(list)
    for meter, key_type in find_missing_keys(meters).items():
        lacking[key_type].append(meter)
    too_late = Value(OVERDUE, JSONField())
    if not lacking:
        return too_late
    return Case(
        *(
            When(
                is_one_of("meter", lacking[key_type]),
                then=Value(make_missing_key_fault(key_type).as_dict(), JSONField()),
            )
            for key_type in lacking
        ),
        default=too_late,
    )


@dataclass(frozen=True)
class OpenedSessions:
    """New meter sessions. ``reasons``: why there may be more due meters, if so (slots.Reason); ``slow``:
    meters to be put in the slow lane.
    """

    sessions: list[MeterSession]
    reasons: frozenset[str]
    slow: frozenset[int] = frozenset()

    @property
    def held_back(self) -> bool:
        """Whether more meters may be due at any moment: slots of slow ones do not become free so soon."""
        return bool(self.reasons - {Reason.SLOW})


@transaction.atomic
def open_sessions(limit: int, slots: Slots | None = None, *, beyond: int | None = None) -> OpenedSessions:
    """Lease up to ``limit`` meters that have due requests and no live meter session, within the limits.

    If ``beyond`` is given, so many for urgent requests besides. Dispatchers take turns and do not wait for
    one another. In any case, partial unique indexes allow only one live meter session per meter and per
    endpoint.
    """
    choice = choosing.choose_meters(limit, slots, beyond=beyond)
    if not choice.meters:
        return OpenedSessions([], choice.reasons, choice.slow)
    wanted = [
        MeterSession(
            meter_id=meter.pk,
            endpoint=meter.endpoint,
            priority=meter.priority,
            organisation_id=meter.organisation,
            lane=meter.lane,
            opened_at=Now(),
            expires_at=add_to_now(settings.OSGP["SESSION_LEASE"]),
        )
        for meter in choice.meters
    ]
    opened = _insert(wanted)
    sessions = [session for session in wanted if session.pk in opened]
    return OpenedSessions(sessions, choice.reasons, choice.slow)


def put_in_slow_lane(meters: Collection[int]) -> int:
    """Have the due requests of slow meters wait among those of such meters; return how many were moved.

    Not in the transaction that opens sessions, which locks no requests. Skips rows that are locked.
    """
    with transaction.atomic():
        waiting = Request.objects.filter(state__in=DUE_STATES, meter__in=meters, in_slow_lane=0)
        keys = (
            waiting.order_by().select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)
        )
        return Request.objects.filter(pk__in=list(keys)).update(in_slow_lane=1)


_OPEN = Statement(
    f"""
    INSERT INTO {SESSIONS} (
           id, token, meter_id, endpoint, priority, organisation_id, lane, state, worker, opened_at,
           expires_at, round_trips, bytes_sent, bytes_received)
    SELECT id, token, meter_id, endpoint, priority, organisation_id, lane, '{FIRST_SESSION_STATE}', '',
           {{now}}, {{later}}, 0, 0, 0
      FROM unnest(%s::text[]::uuid[], %s::text[]::uuid[], %s::bigint[], %s::text[], %s::smallint[],
                  %s::bigint[], %s::text[])
               AS wanted (id, token, meter_id, endpoint, priority, organisation_id, lane)
    ON CONFLICT DO NOTHING
    RETURNING id
    """  # noqa: S608 (table name)
)


def _insert(sessions: list[MeterSession]) -> set[uuid.UUID]:
    """Store the meter sessions whose meter and endpoint have no live one; return their ids."""
    if connection.vendor == "postgresql":
        columns = [
            [str(session.pk) for session in sessions],
            [str(session.token) for session in sessions],
            [session.meter_id for session in sessions],
            [session.endpoint for session in sessions],
            [session.priority for session in sessions],
            [session.organisation_id for session in sessions],
            [str(session.lane) for session in sessions],
        ]
        lease = settings.OSGP["SESSION_LEASE"].total_seconds()
        return {parse_uuid(session_id) for (session_id,) in _OPEN.fetch_rows(lease, *columns)}
    MeterSession.objects.bulk_create(sessions, ignore_conflicts=True)
    return set(MeterSession.objects.filter(pk__in=[s.pk for s in sessions]).values_list("pk", flat=True))


def mark_published(sessions: Iterable[MeterSession]) -> None:
    """Store when the hints were published, so that lost ones are noticed."""
    MeterSession.objects.filter(pk__in=[session.pk for session in sessions]).update(published_at=Now())


def find_sessions_without_hint(limit: int) -> list[MeterSession]:
    """Find up to ``limit`` OPENED meter sessions whose hint was never published or not taken in time."""
    silent = add_to_now(-settings.OSGP["HINT_TIMEOUT"])
    return list(
        MeterSession.objects.filter(state=SessionState.OPENED)
        .filter(Q(published_at__lt=silent) | Q(published_at__isnull=True, opened_at__lt=silent))
        .order_by("-priority", "opened_at")[:limit]
    )


def hurry_sessions(limit: int = 200, slots: Slots | None = None) -> list[MeterSession]:
    """Raise the priority of OPENED meter sessions whose meter has more urgent requests; return these.

    Their hints should be published again. Urgent ones become visits of the lane URGENT, as far as their
    organisations may have more of these.
    """
    urgent: int = settings.OSGP["URGENT_PRIORITY"]
    live = LiveVisits() if slots is None else count_live_visits()
    lanes = LaneRoom(slots, live, left=0, urgent_left=limit, limits={})
    most_urgent = find_due_requests().filter(meter=OuterRef("meter")).values("effective_priority")[:1]
    opened = MeterSession.objects.filter(state=SessionState.OPENED)
    if slots is not None:
        full = [pk for pk, _ in lanes.live.of_organisations if pk is not None and not lanes.count_urgent(pk)]
        opened = opened.exclude(organisation__in=full, priority__gte=urgent - 1)
    hurried: list[Any] = list(
        opened.filter(priority__lt=9)
        .annotate(wanted=Subquery(most_urgent))
        .filter(wanted__gt=F("priority"))[:limit]
    )
    changed: defaultdict[tuple[int, str | None], list[MeterSession]] = defaultdict(list)
    for session in hurried:
        if session.wanted >= urgent and session.lane != VisitLane.URGENT:
            if session.organisation_id is None or lanes.count_urgent(session.organisation_id):
                session.lane = VisitLane.URGENT
                lanes.take(session.organisation_id, VisitLane.URGENT)
            else:
                session.wanted = urgent - 1
        if session.wanted > session.priority:
            session.priority = session.wanted
            changed[session.priority, session.lane].append(session)
    for (priority, lane), sessions in changed.items():
        keys = [session.pk for session in sessions]
        MeterSession.objects.filter(state=SessionState.OPENED, pk__in=keys).update(
            priority=priority, lane=lane
        )
    return [session for sessions in changed.values() for session in sessions]


@transaction.atomic
def reap(limit: int = 500) -> int:
    """End up to ``limit`` meter sessions whose lease ran out, and make their requests due again.

    Return how many ended. Requests that were there at MAX_CRASHES such ends FAIL (quarantine).
    """
    lost = list(
        MeterSession.objects.filter(OF_ANY_METER, state__in=LIVE, expires_at__lt=Now())
        .select_for_update(skip_locked=True)
        .values_list("pk", flat=True)[:limit]
    )
    if not lost:
        return 0
    apply(MeterSession.objects.filter(pk__in=lost), SessionTransitions.LOSE, closed_at=Now())
    taken = Request.objects.filter(session__in=lost)
    # Locked, because a visit may be storing the outcome of one of them.
    poisonous = list(
        taken.filter(state=RequestState.RUNNING, crashes__gte=settings.OSGP["MAX_CRASHES"] - 1)
        .order_by()
        .select_for_update(of=("self",))
        .values_list("pk", flat=True)
    )
    apply(
        Request.objects.filter(pk__in=poisonous),
        RequestTransitions.QUARANTINE,
        crashes=F("crashes") + 1,
        fault=QUARANTINED,
        completed_at=Now(),
    )
    give_up_actions(poisonous)
    keep_notes(poisonous)
    apply(taken, RequestTransitions.TAKE_BACK, crashes=F("crashes") + 1, due_at=Now())
    return len(lost)
