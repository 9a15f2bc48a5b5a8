"""The gaps of a page of meters, as ranges of intervals, each with a reason."""

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import F
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError

from osgp.completeness.buffers import FETCHED_BY, find_buffer
from osgp.completeness.expectation import find_first_expected
from osgp.cosem.amr_status import POWER_DOWN
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.relative_periods import RelativePeriodField
from osgp.monitoring.periods import Buffer
from osgp.readings import clock
from osgp.readings.buffers import INTERVAL_SECONDS, find_status_flags
from osgp.readings.calendar import list_expected_ends, to_month
from osgp.readings.chunks import NO_STATUS
from osgp.readings.chunks import Chunk as Columns
from osgp.readings.models import Chunk, Series
from osgp.requests.models import FINAL_STATES, Action, ActionState


class Reason(StrEnum):
    """Why values are missing, as far as the platform knows."""

    BEING_FETCHED = "BEING_FETCHED"
    NEVER_ASKED = "NEVER_ASKED"
    REQUEST_FAILED = "REQUEST_FAILED"
    UNREACHABLE = "UNREACHABLE"
    POWER_FAILURE = "POWER_FAILURE"
    NOT_DELIVERED = "NOT_DELIVERED"


MEANINGS = {
    Reason.BEING_FETCHED: "A request for it is pending.",
    Reason.NEVER_ASKED: "No request for it is stored.",
    Reason.REQUEST_FAILED: "The last request for it failed.",
    Reason.UNREACHABLE: "The meter cannot be reached.",
    Reason.POWER_FAILURE: "The meter answered without it, and reports a power failure.",
    Reason.NOT_DELIVERED: "The meter answered without it.",
}


@dataclass(frozen=True)
class Gap:
    """A range of missing intervals: the ends of the first and the last one, and how many there are."""

    first: datetime
    last: datetime
    count: int
    quantities: Sequence[str]
    """Missing OBIS codes; empty if none of the period was ever read."""
    is_partial: bool
    """Whether other quantities of the device are stored."""
    is_held: bool
    """Whether the meter's buffer still holds it, so that it can be fetched."""
    reason: Reason
    fault: Mapping[str, Any] | None = None
    correlation_uid: uuid.UUID | None = None
    """The request that the reason is about."""
    since: datetime | None = None
    """UNREACHABLE: when the meter was last reached, if it ever was."""


@dataclass(frozen=True)
class DeviceGaps:
    """The gaps of a device."""

    device: Device
    gaps: Sequence[Gap]

    @property
    def since(self) -> datetime:
        """The end of the first missing interval."""
        return self.gaps[0].first

    @property
    def count(self) -> int:
        """Number of missing intervals."""
        return sum(gap.count for gap in self.gaps)


class _Attempt(NamedTuple):
    """An action that asked for the values of a time range."""

    begin: datetime
    end: datetime
    pending: bool
    state: str
    fault: Mapping[str, Any] | None
    correlation_uid: uuid.UUID


def find_gaps(devices: Sequence[Device], period: str, first: date, until: date) -> list[DeviceGaps]:
    """Return the gaps of devices (with their gateways), without devices that have none. Four statements."""
    series: dict[int, list[Series]] = {}
    rows = Series.objects.filter(
        device__in=[device.pk for device in devices],
        period=period,
        channel=Coalesce(F("device__channel"), 0),
    )
    for row in rows.order_by("quantity"):
        series.setdefault(row.device_id, []).append(row)
    present = _read_present_ends([row.pk for known in series.values() for row in known], first, until)
    attempts = _find_attempts(devices, period)
    now = clock.now()
    found = []
    for device in devices:
        buffer = find_buffer(device, period)
        ranges = _find_ranges(device, buffer, series.get(device.pk, []), present, period, first, until)
        parts = _split_ranges(ranges, _find_held_since(device, buffer, now), int(now.timestamp()))
        gaps = [_explain(part, device, attempts.get(device.pk, [])) for part in parts]
        if gaps:
            found.append(DeviceGaps(device, gaps))
    return found


_PresentEnds = dict[int, dict[int, int]]
"""By series, the stored interval ends with their statuses."""


def _read_present_ends(series: Sequence[int], first: date, until: date) -> _PresentEnds:
    present: _PresentEnds = {}
    rows = Chunk.objects.filter(series_id__in=series, start__gte=to_month(first), start__lte=until)
    columns = ("series_id", "begin", "count", "step", "offsets", "statuses")
    for series_id, begin, count, step, offsets, statuses in rows.values_list(*columns):
        chunk = Columns(0, step, offsets, range(count), statuses, (), ())
        known = present.setdefault(series_id, {})
        for offset, status in zip(chunk.list_offsets(), chunk.list_statuses(), strict=True):
            known[begin + offset] = status
    return present


class _Range(NamedTuple):
    ends: list[int]
    quantities: Sequence[str]
    is_partial: bool
    power_down: bool
    is_held: bool = True


def _find_ranges(
    device: Device,
    buffer: Buffer | None,
    series: Sequence[Series],
    present: _PresentEnds,
    period: str,
    first: date,
    until: date,
) -> list[_Range]:
    since = find_first_expected(device, series)
    if not series:
        step = (buffer and buffer.capture_period) or INTERVAL_SECONDS
        ends = list_expected_ends(period, first, until, ZoneInfo(device.time_zone), step)
        ends = ends[bisect_left(ends, since) :]
        return [_Range(ends, (), False, False)] if ends else []
    lacking: dict[int, list[str]] = {}
    expected: set[int] = set()
    for row in series:
        there = present.get(row.pk, {})
        ends = list_expected_ends(period, first, until, ZoneInfo(row.time_zone), row.capture_period)
        for end in ends[bisect_left(ends, since) :]:
            expected.add(end)
            if end not in there:
                lacking.setdefault(end, []).append(row.quantity)
    order = sorted(expected)
    power_down = {row.pk: _find_power_down_bits(device, row) for row in series}
    ranges: list[_Range] = []
    for is_missing, run in groupby(range(len(order)), key=lambda place: order[place] in lacking):
        if not is_missing:
            continue
        places = list(run)
        ends = [order[place] for place in places]
        around = [order[place] for place in (places[0] - 1, places[-1] + 1) if 0 <= place < len(order)]
        quantities = sorted({quantity for end in ends for quantity in lacking[end]})
        ranges.append(
            _Range(
                ends,
                quantities,
                len(quantities) < len(series),
                any(_has_power_failure(present, power_down, end) for end in around),
            )
        )
    return ranges


def _find_held_since(device: Device, buffer: Buffer | None, now: datetime) -> int | None:
    """Return from when on the meter's buffer still holds what it captured; None if that is not known."""
    if buffer is None or buffer.period is None or buffer.entries is None:
        return None
    return int(buffer.period.advance(now, -buffer.entries, ZoneInfo(device.time_zone)).timestamp())


def _split_ranges(ranges: Sequence[_Range], held_since: int | None, now: int) -> Iterator[_Range]:
    """Yield the ranges up to now, split where the meter's buffer begins."""
    for each in ranges:
        ends = each.ends[: bisect_right(each.ends, now)]
        place = 0 if held_since is None else bisect_left(ends, held_since)
        for part, is_held in ((ends[:place], False), (ends[place:], True)):
            if part:
                yield each._replace(ends=part, is_held=is_held)


def _find_power_down_bits(device: Device, series: Series) -> int:
    """The bits of a status of the series that tell of a power failure."""
    meter = device.gateway or device
    flags = find_status_flags(meter.protocol_name, meter.protocol_version, series.quantity, series.period)
    return sum(1 << bit for bit, name in flags.names.items() if name == POWER_DOWN)


def _has_power_failure(present: _PresentEnds, power_down: Mapping[int, int], end: int) -> bool:
    """Whether the status of any series tells of one; ``power_down`` has the bits by series."""
    statuses = ((bits, present.get(key, {}).get(end, NO_STATUS)) for key, bits in power_down.items())
    return any(status != NO_STATUS and status & bits for bits, status in statuses)


_ATTEMPT = (
    "request__created_at",
    "pk",
    "parameters",
    "state",
    "fault",
    "request__state",
    "request__correlation_uid",
    "request__due_at",
)


def _find_attempts(devices: Sequence[Device], period: str) -> dict[int, list[_Attempt]]:
    """Return what was requested of these devices, latest first, as far as requests are still stored."""
    by_key = {device.pk: device for device in devices}
    keys = list(by_key)
    actions = Action.objects.filter(message__in=FETCHED_BY.values())
    # Two queries, each by its own index; one for both would read all actions.
    own = actions.filter(device__in=keys).values_list("device", *_ATTEMPT)
    of_request = actions.filter(device__isnull=True, request__device__in=keys)
    rows = [*own, *of_request.values_list("request__device", *_ATTEMPT)]
    rows.sort(key=lambda row: row[1:3], reverse=True)
    times = _read_times([row[2] for row in rows if "relative_period" in row[3]])
    attempts: dict[int, list[_Attempt]] = {}
    for device, _, pk, parameters, state, fault, request_state, uid, due_at in rows:
        if parameters.get("period_type") != period:
            continue
        pending = request_state not in FINAL_STATES and state in (ActionState.PENDING, ActionState.STARTED)
        texts = times.get(pk) or (parameters.get("begin_date"), parameters.get("end_date"))
        begin, end = (parse_datetime(text or "") for text in texts)
        if begin is None and end is None:
            moment = max(due_at, clock.now()) if pending else due_at
            begin, end = _guess_times(by_key[device], period, parameters.get("relative_period"), moment)
        if begin is not None and end is not None:
            attempt = _Attempt(begin, end, pending, state, fault, uid)
            attempts.setdefault(device, []).append(attempt)
    return attempts


def _guess_times(
    device: Device, period: str, relative: object, moment: datetime
) -> tuple[datetime, datetime] | tuple[None, None]:
    """Return the times of a relative period that has no result, as if the visit began at ``moment``."""
    buffer = find_buffer(device, period)
    zone = ZoneInfo((device.gateway or device).time_zone)
    try:
        known = RelativePeriodField().to_internal_value(relative)
        return known.find_times(moment, zone, buffer.period if buffer else None)
    except (ValidationError, Fault):
        return None, None


def _read_times(actions: Sequence[int]) -> dict[int, tuple[str | None, str | None]]:
    """Return which times relative periods became, of those actions that have a result."""
    if not actions:
        return {}
    rows = Action.objects.filter(pk__in=actions, result__isnull=False)
    return {
        pk: (begin, end)
        for pk, begin, end in rows.values_list("pk", KT("result__begin_date"), KT("result__end_date"))
    }


def _explain(missing: _Range, device: Device, attempts: Sequence[_Attempt]) -> Gap:
    first, last = (datetime.fromtimestamp(end, UTC) for end in (missing.ends[0], missing.ends[-1]))

    def make_gap(reason: Reason, attempt: _Attempt | None = None, **more: Any) -> Gap:
        return Gap(
            first,
            last,
            len(missing.ends),
            missing.quantities,
            missing.is_partial,
            missing.is_held,
            reason,
            correlation_uid=attempt.correlation_uid if attempt else None,
            **more,
        )

    pending = next((one for one in attempts if one.pending and one.begin <= first and last <= one.end), None)
    if pending:
        return make_gap(Reason.BEING_FETCHED, pending)
    asked = next((one for one in attempts if one.begin <= last and first <= one.end), None)
    if asked and asked.state == ActionState.DONE:
        return make_gap(Reason.POWER_FAILURE if missing.power_down else Reason.NOT_DELIVERED, asked)
    meter = device.gateway or device
    if meter.failed_connections:
        fault = asked.fault if asked else None
        return make_gap(Reason.UNREACHABLE, asked, fault=fault, since=meter.last_success_at)
    if asked is None:
        return make_gap(Reason.NEVER_ASKED)
    if asked.fault is None:  # Partly covered by a pending request, or cancelled.
        return make_gap(Reason.BEING_FETCHED if asked.pending else Reason.NEVER_ASKED, asked)
    return make_gap(Reason.REQUEST_FAILED, asked, fault=asked.fault)
