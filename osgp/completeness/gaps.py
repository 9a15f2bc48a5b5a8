"""The gaps of a page of meters, as ranges of intervals, each with a reason."""

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from itertools import groupby
from math import ceil
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import F
from django.db.models.functions import Coalesce

from osgp.completeness.attempts import Attempt, choose_attempt, find_attempts
from osgp.completeness.buffers import find_buffer
from osgp.completeness.expectation import find_first_expected, find_installed
from osgp.completeness.keeping import Answered, list_accepted
from osgp.completeness.models import AcceptedGap
from osgp.cosem.amr_status import POWER_DOWN
from osgp.devices.models import Device
from osgp.messages.buffers import Buffer
from osgp.readings import clock
from osgp.readings.buffers import INTERVAL_SECONDS, find_status_flags
from osgp.readings.calendar import list_expected_ends, to_month
from osgp.readings.chunks import NO_STATUS
from osgp.readings.chunks import Chunk as Columns
from osgp.readings.models import Chunk, Series


class Reason(StrEnum):
    """Why values are missing, as far as the platform knows."""

    BEING_FETCHED = "BEING_FETCHED"
    NEVER_ASKED = "NEVER_ASKED"
    REQUEST_FAILED = "REQUEST_FAILED"
    UNREACHABLE = "UNREACHABLE"
    POWER_FAILURE = "POWER_FAILURE"
    NOT_DELIVERED = "NOT_DELIVERED"
    ACCEPTED = "ACCEPTED"


SETTLED = frozenset({Reason.POWER_FAILURE, Reason.NOT_DELIVERED, Reason.ACCEPTED})
"""Asking the meter again would be of no use: it has answered, or a person is content."""
MEANINGS = {
    Reason.BEING_FETCHED: "A request for it is pending.",
    Reason.NEVER_ASKED: "No request for it is stored.",
    Reason.REQUEST_FAILED: "The last request for it failed.",
    Reason.UNREACHABLE: "The meter cannot be reached.",
    Reason.POWER_FAILURE: "The meter answered without it, and reports a power failure.",
    Reason.NOT_DELIVERED: "The meter answered without it.",
    Reason.ACCEPTED: "A person has accepted that it is missing, and said why.",
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
    """The request that the reason is about; of several, the latest."""
    since: datetime | None = None
    """UNREACHABLE: when the meter was last reached, if it ever was."""
    acceptance: AcceptedGap | None = None
    """ACCEPTED: by whom and why."""
    unnoted: Sequence[Answered] = ()
    """What the meter has answered without and only requests know of, which are forgotten."""


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


def find_gaps(
    devices: Sequence[Device], period: str, first: date, until: date, *, since_first: bool = True
) -> list[DeviceGaps]:
    """Return the gaps of devices (with their gateways), without devices that have none. Seven statements.

    ``since_first``: nothing is missing from before the first value that is stored, unless it is known when
    the device was installed. Otherwise all is that the device may have captured.
    """
    series: dict[int, list[Series]] = {}
    rows = Series.objects.filter(
        device__in=[device.pk for device in devices],
        period=period,
        channel=Coalesce(F("device__channel"), 0),
    )
    for row in rows.order_by("quantity"):
        series.setdefault(row.device_id, []).append(row)
    present = _read_present_ends([row.pk for known in series.values() for row in known], first, until)
    attempts = find_attempts(devices, period, first)
    accepted = list_accepted(devices, period, first)
    now = clock.now()
    found = []
    for device in devices:
        buffer = find_buffer(device, period)
        of_device = series.get(device.pk, [])
        since = find_first_expected(device, of_device) if since_first else find_installed(device)
        ranges = _find_ranges(device, buffer, of_device, present, period, first, until, since)
        parts = _split_ranges(ranges, _find_held_since(device, buffer, now), int(now.timestamp()))
        explainer = _Explainer(device, attempts.get(device.pk, []), accepted.get(device.pk, []))
        gaps = [gap for part in parts for gap in explainer.explain(part)]
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
    since: int,
) -> list[_Range]:
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
    oldest = buffer.find_oldest(now, ZoneInfo(device.time_zone)) if buffer else None
    return None if oldest is None else int(oldest.timestamp())


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


class _Because(NamedTuple):
    """Why a value is missing, and the attempt and acceptance that say so."""

    reason: Reason
    attempt: Attempt | None
    acceptance: AcceptedGap | None = None
    is_noted: bool = True
    """Whether it will be known when the request of the attempt is forgotten."""

    def is_like(self, other: "_Because") -> bool:
        """Whether two neighbours are told as one gap."""
        fault, others = (one.attempt.fault if one.attempt else None for one in (self, other))
        return (
            self.reason == other.reason
            and self.acceptance == other.acceptance
            and (self.reason == Reason.UNREACHABLE or (fault or {}).get("code") == (others or {}).get("code"))
        )


class _Part(NamedTuple):
    """Interval ends that are missing for one reason."""

    ends: list[int]
    because: _Because


class _Explainer:
    """Splits ranges of a device where reasons change."""

    def __init__(
        self, device: Device, attempts: Sequence[Attempt], acceptances: Sequence[AcceptedGap]
    ) -> None:
        self._meter = device.gateway or device
        self._attempts = attempts
        self._acceptances = acceptances
        covered = [(attempt.begin, attempt.end) for attempt in attempts]
        covered += [(gap.first_interval_end, gap.last_interval_end) for gap in acceptances]
        self._borders = sorted(
            {
                border
                for begin, end in covered
                for border in (ceil(begin.timestamp()), int(end.timestamp()) + 1)
            }
        )
        """The first second of what is in and of what is behind each of them."""

    def explain(self, missing: _Range) -> list[Gap]:
        """Return the gaps of a range, in their order."""
        parts: list[list[_Part]] = []
        for ends in self._split(missing.ends):
            part = _Part(ends, self._find_reason(_to_utc(ends[0]), missing))
            if parts and parts[-1][-1].because.is_like(part.because):
                parts[-1].append(part)
            else:
                parts.append([part])
        return [self._make_gap(missing, together) for together in parts]

    def _split(self, ends: list[int]) -> Iterator[list[int]]:
        """Yield parts in which the same attempts and acceptances count for all."""
        begin = 0
        first, last = bisect_right(self._borders, ends[0]), bisect_right(self._borders, ends[-1])
        for border in self._borders[first:last]:
            place = bisect_left(ends, border)
            if place > begin:
                yield ends[begin:place]
                begin = place
        yield ends[begin:]

    def _find_reason(self, end: datetime, missing: _Range) -> _Because:
        for acceptance in self._acceptances:
            if acceptance.first_interval_end <= end <= acceptance.last_interval_end:
                return _Because(Reason.ACCEPTED, None, acceptance)
        asked = choose_attempt(self._attempts, end)
        if asked and asked.pending:
            return _Because(Reason.BEING_FETCHED, asked)
        if asked and asked.is_done:
            reason = Reason.POWER_FAILURE if missing.power_down else Reason.NOT_DELIVERED
            is_noted = any(attempt.is_noted and attempt.covers(end) for attempt in self._attempts)
            return _Because(reason, asked, is_noted=is_noted)
        if self._meter.failed_connections:
            return _Because(Reason.UNREACHABLE, asked)
        if asked is None or asked.fault is None:  # It may have been cancelled.
            return _Because(Reason.NEVER_ASKED, asked)
        return _Because(Reason.REQUEST_FAILED, asked)

    def _make_gap(self, missing: _Range, parts: Sequence[_Part]) -> Gap:
        first = parts[0].because
        asked = [part.because.attempt for part in parts if part.because.attempt]
        latest = min(asked, key=self._attempts.index, default=None)
        with_fault = first.reason in (Reason.REQUEST_FAILED, Reason.UNREACHABLE)
        return Gap(
            _to_utc(parts[0].ends[0]),
            _to_utc(parts[-1].ends[-1]),
            sum(len(part.ends) for part in parts),
            missing.quantities,
            missing.is_partial,
            missing.is_held,
            first.reason,
            fault=latest.fault if latest and with_fault else None,
            correlation_uid=latest.correlation_uid if latest else None,
            since=self._meter.last_success_at if first.reason == Reason.UNREACHABLE else None,
            acceptance=first.acceptance,
            unnoted=[
                Answered(_to_utc(ends[0]), _to_utc(ends[-1]), because.attempt.correlation_uid)
                for ends, because in parts
                if because.attempt and not because.is_noted
            ],
        )


def _to_utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
