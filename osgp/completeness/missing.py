"""The morning's question: which meters lack which values, and why; and its answer: fetch them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from osgp.accounts.caller import Caller
from osgp.completeness.buffers import FETCHED_BY
from osgp.completeness.gaps import DeviceGaps, Gap, Reason, gaps_of
from osgp.completeness.received import incomplete
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.fleet import submission as batches
from osgp.messages.serializers import utc_text
from osgp.networks.models import CommunicationNetwork
from osgp.readings import clock
from osgp.requests import submission

LONGEST_RANGE = timedelta(days=400)
MOST_RANGES = 8
"""Requests for one device at a time; if it has more gaps, one request asks for all from first to last."""
MOST_LOOKS = 5
"""How often a page looks for more devices when those that it found are complete after all."""


@dataclass(frozen=True)
class Question:
    """What should be there: of these devices, the values of a period of all days from ``first`` on and
    before ``until``."""

    devices: QuerySet[Device]
    period: str
    first: date
    until: date


class Page(NamedTuple):
    """Devices with their gaps; ``cursor`` is the last device that was looked at, if there may be more."""

    found: list[DeviceGaps]
    cursor: int | None


def narrowed(
    devices: QuerySet[Device],
    *,
    identifications: Sequence[str] = (),
    group: DeviceGroup | None = None,
    network: CommunicationNetwork | None = None,
    device_type: str | None = None,
) -> QuerySet[Device]:
    """Those of the devices that are named, in a group, in a network (also by their gateway), of a type."""
    if identifications:
        devices = devices.filter(identification__in=identifications)
    if group is not None:
        member = DeviceGroupMembership.objects.filter(device=OuterRef("pk"), group=group)
        devices = devices.filter(Exists(member))
    if network is not None:
        devices = devices.filter(Q(network=network) | Q(gateway__network=network))
    return devices.filter(device_type=device_type) if device_type else devices


def missing(question: Question, size: int, after: int = 0) -> Page:
    """A page of devices that lack something, by their numbers. The same few statements for any page.

    Devices are found by days that are not full, so that what comes is almost always incomplete; only a day
    that is full of values at odd times makes another look necessary.
    """
    found: list[DeviceGaps] = []
    for _ in range(MOST_LOOKS):
        wanted = size - len(found)
        rows = incomplete(question.devices, question.period, question.first, question.until)
        candidates = list(rows.select_related("gateway").filter(pk__gt=after)[: wanted + 1])
        looked_at = candidates[:wanted]
        found += gaps_of(looked_at, question.period, question.first, question.until)
        if len(candidates) <= wanted:
            return Page(found, None)
        after = looked_at[-1].pk
        if len(found) == size:
            break
    return Page(found, after)


@dataclass
class Fetched:
    """What came of fetching again."""

    devices: int = 0
    requests: int = 0
    pending: int = 0
    """Gaps for which a request was under way already."""


@transaction.atomic
def fetch(caller: Caller, question: Question, found: Sequence[DeviceGaps]) -> Fetched:
    """Ask the meters for what is missing: one request for each gap, devices with the same gap in one batch.

    Gaps that a request under way covers are left to it, so that calling this twice does no more than once.
    What meters do not hold any more is not asked for.
    Raises Fault as submitting does; nothing is stored then.
    """
    keys = sorted(one.device.pk for one in found)
    # Two operators at once: the second one sees what the first one asked for.
    list(Device.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=keys).order_by("pk"))
    devices = list(Device.objects.select_related("gateway").filter(pk__in=keys).order_by("pk"))
    outcome = Fetched()
    wanted: dict[tuple[str, datetime, datetime], list[str]] = {}
    for one in gaps_of(devices, question.period, question.first, question.until):
        held = [gap for gap in one.gaps if gap.is_held]
        gaps = [gap for gap in held if gap.reason != Reason.BEING_FETCHED]
        outcome.pending += len(held) - len(gaps)
        outcome.devices += bool(gaps)
        for begin, end in _ranges(gaps):
            message = FETCHED_BY[one.device.is_mbus]
            wanted.setdefault((message, begin, end), []).append(one.device.identification)
    for (message, begin, end), identifications in sorted(wanted.items()):
        parameters = {
            "period_type": question.period,
            "begin_date": utc_text(begin),
            "end_date": utc_text(end),
        }
        outcome.requests += _submit(caller, message, identifications, parameters)
    return outcome


def _ranges(gaps: Sequence[Gap]) -> list[tuple[datetime, datetime]]:
    if len(gaps) > MOST_RANGES:
        return [(gaps[0].first, gaps[-1].last)]
    return [(gap.first, gap.last) for gap in gaps]


def _submit(caller: Caller, message: str, identifications: list[str], parameters: dict[str, str]) -> int:
    if len(identifications) == 1:
        submission.submit(caller, message, {"device_identification": identifications[0], **parameters})
        return 1
    body = {"message": message, "device_identifications": identifications, "skip_invalid": True, **parameters}
    return batches.submit(caller, body).total


def yesterday() -> tuple[date, date]:
    """The day before today, and today: what the question is about unless told."""
    today = clock.now().date()
    return today - timedelta(days=1), today
