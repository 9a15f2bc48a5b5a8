"""What meters were asked for, and which of it they have answered."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models.fields.json import KT
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError

from osgp.completeness.buffers import FETCHED_BY, find_buffer
from osgp.completeness.keeping import list_answered
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.relative_periods import Between, RelativePeriodField
from osgp.readings import clock
from osgp.requests.models import FINAL_STATES, Action, ActionState

TIME_TO_CAPTURE = timedelta(hours=1)
"""An answer this soon after the end of an interval tells nothing of it: the meter may not have captured it
yet, and its clock may be behind."""


class Attempt(NamedTuple):
    """An action that asked for the values of a time range, both ends included."""

    begin: datetime
    end: datetime
    """If it is done, how far the answer counts: the rest was not asked for."""
    pending: bool
    state: str
    fault: Mapping[str, Any] | None
    correlation_uid: uuid.UUID
    missing_only: bool = False
    """Whether it leaves out what meters have answered without."""
    is_noted: bool = False
    """Whether it is known without the action."""

    @property
    def is_done(self) -> bool:
        """Whether the meter has answered."""
        return self.state == ActionState.DONE

    def covers(self, moment: datetime) -> bool:
        """Return whether it asked for the interval that ends then."""
        return self.begin <= moment <= self.end


_ATTEMPT = (
    "request__created_at",
    "pk",
    "parameters",
    "state",
    "fault",
    "request__state",
    "request__correlation_uid",
    "request__due_at",
    "finished_at",
)


def find_attempts(devices: Sequence[Device], period: str, since: date) -> dict[int, list[Attempt]]:
    """Return what was requested of these devices, latest first, as far as requests are still stored.

    Behind them, what meters are known to have answered without on the days from ``since`` on. Four
    statements.
    """
    by_key = {device.pk: device for device in devices}
    keys = list(by_key)
    actions = Action.objects.filter(message__in=FETCHED_BY.values())
    # Two queries, each by its own index; one for both would read all actions.
    own = actions.filter(device__in=keys).values_list("device", *_ATTEMPT)
    of_request = actions.filter(device__isnull=True, request__device__in=keys)
    found = [*own, *of_request.values_list("request__device", *_ATTEMPT)]
    rows = [row for row in found if row[3].get("period_type") == period]
    rows.sort(key=lambda row: row[1:3], reverse=True)
    results = _read_results([row[2] for row in rows if row[4] == ActionState.DONE])
    attempts: dict[int, list[Attempt]] = {}
    for device, _, pk, parameters, state, fault, request_state, uid, due_at, finished_at in rows:
        pending = request_state not in FINAL_STATES and state in (ActionState.PENDING, ActionState.STARTED)
        if (result := results.get(pk)) and result.between:
            between: Between | None = result.between
        elif result and result.nothing_missing:
            between = None
        else:
            moment = max(due_at, clock.now()) if pending else due_at
            between = _guess_times(by_key[device], period, parameters, moment)
        if between is not None and state == ActionState.DONE and finished_at is not None:
            between = between._replace(end=min(between.end, finished_at - TIME_TO_CAPTURE))
        if between is None or between.end < between.begin:
            continue
        missing_only = bool(parameters.get("missing_only")) or _asks_since_last_reading(parameters)
        attempt = Attempt(*between, pending, state, fault, uid, missing_only)
        attempts.setdefault(device, []).append(attempt)
    for gap in list_answered(devices, period, since):
        between = Between(gap.first_interval_end, gap.last_interval_end)
        attempt = Attempt(*between, False, ActionState.DONE, None, gap.correlation_uid, is_noted=True)
        attempts.setdefault(gap.device_id, []).append(attempt)
    return attempts


def choose_attempt(attempts: Sequence[Attempt], moment: datetime) -> Attempt | None:
    """Return the attempt that says why the value of an interval end is missing; None: none asked for it.

    A pending one, or else the latest one. One that asked only for what was missing did not ask for what the
    meter had answered without before.
    """
    covering = [attempt for attempt in attempts if attempt.covers(moment)]
    asked: list[Attempt] = []
    answered = None
    for attempt in reversed(covering):  # The earliest first.
        if attempt.is_done:
            answered = attempt
            asked.append(attempt)
        elif answered is None or not attempt.missing_only:
            asked.append(attempt)
    pending = next((attempt for attempt in reversed(asked) if attempt.pending), None)
    return pending or (asked[-1] if asked else None)


class _Result(NamedTuple):
    between: Between | None
    nothing_missing: bool


def _read_results(actions: Sequence[int]) -> dict[int, _Result]:
    """Return up to where the results of actions reach that have one.

    A visit may have run out of time: what is behind ``complete_until`` was not read.
    """
    if not actions:
        return {}
    names = ("begin_date", "end_date", "complete_until", "nothing_missing")
    rows = Action.objects.filter(pk__in=actions, result__isnull=False)
    results = {}
    for pk, begin, end, complete_until, nothing_missing in rows.values_list(
        "pk", *(KT(f"result__{name}") for name in names)
    ):
        if nothing_missing in ("true", True, 1, "1"):
            results[pk] = _Result(None, True)
            continue
        first, last = (parse_datetime(text or "") for text in (begin, complete_until or end))
        results[pk] = _Result(Between(first, last) if first and last else None, False)
    return results


def _guess_times(
    device: Device, period: str, parameters: Mapping[str, Any], moment: datetime
) -> Between | None:
    """Return the times of an action without a result, as if the visit began at ``moment``."""
    begin, end = (parse_datetime(parameters.get(name) or "") for name in ("begin_date", "end_date"))
    if begin is not None and end is not None:
        return Between(begin, end)
    buffer = find_buffer(device, period)
    zone = ZoneInfo((device.gateway or device).time_zone)
    try:
        known = RelativePeriodField().to_internal_value(parameters.get("relative_period"))
        return known.find_times(
            moment, zone, buffer.period if buffer else None, buffer.entries if buffer else None
        )
    except (ValidationError, Fault):
        return None


def _asks_since_last_reading(parameters: Mapping[str, Any]) -> bool:
    return parameters.get("relative_period") == "SINCE_LAST_READING"
