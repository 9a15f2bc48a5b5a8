"""The life of one request, event by event."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from osgp.requests.models import Action, MeterSession, Request, RequestState, SessionState

MOST_VISITS = 20
AT_ONCE = timedelta(milliseconds=5)


@dataclass(frozen=True)
class Event:
    """Something that happened, or is due."""

    time: datetime
    title: str
    detail: str = ""
    tone: str = "neutral"
    visit: MeterSession | None = None
    since_previous: timedelta | None = None


def find_visits(request: Request) -> QuerySet[MeterSession]:
    """Visits to the request's meter while it lived, and the one that carried its last attempt.

    Former attempts are not tied to their visits in the database, so this shows every visit to the meter in
    that time; another request may have been the reason for one of them.
    """
    if request.meter_id is None:
        return MeterSession.objects.none()
    meanwhile = Q(meter=request.meter_id, opened_at__gte=request.created_at)
    if request.completed_at is not None:
        meanwhile &= Q(opened_at__lte=request.completed_at)
    return MeterSession.objects.filter(meanwhile | Q(pk=request.session_id)).order_by("-opened_at")


def build_timeline(
    request: Request, visits: Sequence[MeterSession], actions: Iterable[Action] = ()
) -> list[Event]:
    """What happened to a request, in order; ``actions`` are listed one by one."""
    events = [Event(request.created_at, "Created", _name_application(request))]
    if request.schedule_time is not None and request.schedule_time > request.created_at:
        events.append(Event(request.schedule_time, "Scheduled for this time", tone="waiting"))
    if request.started_at is not None and (request.attempts > 1 or request.session_id is None):
        events.append(Event(request.started_at, "First attempt started", tone="active"))
    for visit in visits:
        events.extend(_describe_visit(visit, is_last=visit.pk == request.session_id))
    for action in actions:
        if action.started_at is not None and action.started_at != action.finished_at:
            events.append(Event(action.started_at, f"{action.message} started", tone="active"))
    if request.state == RequestState.RETRYING:
        events.append(Event(request.due_at, "Next attempt", "not before this time", tone="waiting"))
    if request.max_schedule_time is not None and not request.is_final:
        events.append(Event(request.max_schedule_time, "Given up if not started", tone="waiting"))
    if request.completed_at is not None:
        events.append(
            Event(request.completed_at, _name_ending(request), tone=_ENDINGS.get(request.state, ""))
        )
    return list(_add_distances(sorted(events, key=lambda event: event.time)))


_ENDINGS = {
    RequestState.SUCCEEDED.value: "good",
    RequestState.FAILED.value: "bad",
    RequestState.CANCELLED.value: "neutral",
}


def _name_application(request: Request) -> str:
    return f"by {request.application}" if request.application else ""


def _name_ending(request: Request) -> str:
    return request.get_state_display().capitalize()


def _describe_visit(visit: MeterSession, *, is_last: bool) -> Iterable[Event]:
    which = "made the last attempt" if is_last else "in the meantime"
    if visit.claimed_at is not None:
        yield Event(
            visit.claimed_at,
            "Meter visited",
            f"{which}, by {visit.worker}" if visit.worker else which,
            tone="active",
            visit=visit,
        )
    else:
        yield Event(visit.opened_at, "Visit opened", which, tone="waiting", visit=visit)
    if visit.closed_at is not None:
        fault = visit.fault or {}
        if visit.state == SessionState.LOST:
            yield Event(visit.closed_at, "Visit lost", "its worker stopped responding", "warning", visit)
        elif fault:
            text = f"{fault.get('code')} {fault.get('name')}: {fault.get('message')}"
            yield Event(visit.closed_at, "Visit failed", text, "bad", visit)
        else:
            yield Event(visit.closed_at, "Visit ended", "", "neutral", visit)


def _add_distances(events: Iterable[Event]) -> Iterable[Event]:
    previous: Event | None = None
    for event in events:
        distance = event.time - previous.time if previous is not None else None
        if distance is not None and distance < AT_ONCE:
            distance = None
        yield Event(event.time, event.title, event.detail, event.tone, event.visit, distance)
        previous = event
