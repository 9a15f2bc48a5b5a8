"""Several messages to one meter: as a bundle, as requests that one visit takes, and one after another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Max, Min, Sum
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.processes import wakeup
from osgp.requests.models import (
    FINAL_STATES,
    LIVE_SESSION_STATES,
    Action,
    ActionState,
    MeterSession,
    Request,
    RequestState,
)
from osgp.requests.submission import make_organisation_caller, submit
from scripts.benchmarks.head_end import ORGANISATION, HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.reads import register_meters, wait_for

ROUND_TRIP = "300ms"
LOOK_EVERY = 0.02

Message = Mapping[str, Any]
"""A message with its parameters, as the actions of a bundle are written."""
Messages = Sequence[Message]


class Cost(NamedTuple):
    """What all messages together took."""

    associations: int
    round_trips: int
    seconds: float


def compare(head_end: HeadEnd, what: str, messages: Messages, *options: str) -> Iterator[Figure]:
    """Send the messages in each way, each to a meter of its own, all alike; ``options`` of the simulator."""
    with head_end.meters(4, "--latency", ROUND_TRIP, "--phases", "single", *options) as fleet:
        warm_up, bundled, coalesced, single = register_meters(fleet)
        with head_end.running(workers=1):
            _measure(warm_up, messages, _ask_in_bundle)
            ways = {
                "a bundle": _measure(bundled, messages, _ask_in_bundle),
                "single requests of one moment": _measure(coalesced, messages, _ask_together),
            }
            apart = _measure(single, messages, _ask_one_after_another)
    for way, cost in ways.items():
        for part, unit in (("associations", ""), ("round_trips", ""), ("seconds", "s")):
            yield Figure(
                f"{what} as {way}: {part.replace('_', ' ')}",
                getattr(cost, part),
                unit,
                "",
                getattr(apart, part),
                "one request after another",
            )


def _measure(identification: str, messages: Messages, ask: Callable[[str, Messages], None]) -> Cost:
    ask(identification, messages)
    requests = Request.objects.filter(device_identification=identification)
    wait_for(lambda: not requests.exclude(state__in=FINAL_STATES).exists(), "the last result", LOOK_EVERY)
    _check_success(requests)
    sessions = MeterSession.objects.filter(meter__identification=identification)
    wait_for(lambda: not sessions.filter(state__in=LIVE_SESSION_STATES).exists(), "the last visit")
    times = requests.aggregate(due=Min("due_at"), end=Max("completed_at"))
    seconds = (times["end"] - times["due"]) / timedelta(seconds=1)
    return Cost(sessions.count(), sessions.aggregate(total=Sum("round_trips"))["total"], seconds)


def _check_success(requests: Any) -> None:
    failed = requests.exclude(state=RequestState.SUCCEEDED).values_list("fault", flat=True).first()
    failed = (
        failed
        or Action.objects.filter(request__in=requests)
        .exclude(state=ActionState.DONE)
        .values_list("fault", flat=True)
        .first()
    )
    if failed:
        raise RuntimeError(f"not everything succeeded: {failed}")


def _submit(identification: str, message: str, body: Mapping[str, Any]) -> Request:
    caller = make_organisation_caller(Organisation.objects.get(identification=ORGANISATION), "bench")
    return submit(caller, message, {"device_identification": identification, **body})


def _submit_each(identification: str, messages: Messages, **scheduling: Any) -> Iterator[Request]:
    for message in messages:
        parameters = {name: value for name, value in message.items() if name != "message"}
        yield _submit(identification, message["message"], {**parameters, **scheduling})


def _ask_in_bundle(identification: str, messages: Messages) -> None:
    _submit(identification, "Bundle", {"actions": messages})


def _ask_together(identification: str, messages: Messages) -> None:
    later = (timezone.now() + timedelta(days=1)).isoformat()
    keys = [request.pk for request in _submit_each(identification, messages, schedule_time=later)]
    Request.objects.filter(pk__in=keys).update(due_at=timezone.now())
    wakeup.notify()


def _ask_one_after_another(identification: str, messages: Messages) -> None:
    for request in _submit_each(identification, messages):
        final = Request.objects.filter(pk=request.pk, state__in=FINAL_STATES)
        wait_for(final.exists, "one result", LOOK_EVERY)
