"""Which meters lack which values, and why; and fetching them again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from osgp.accounts.caller import Caller
from osgp.completeness.buffers import FETCHED_BY
from osgp.completeness.full_days import list_incomplete_devices
from osgp.completeness.gaps import SETTLED, DeviceGaps, Gap, Reason, find_gaps
from osgp.completeness.keeping import note_answers
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.fleet import submission as batches
from osgp.messages.serializers import utc_text
from osgp.networks.models import CommunicationNetwork
from osgp.readings import clock
from osgp.requests import submission

LONGEST_RANGE = timedelta(days=400)
MOST_RANGES = 8
"""Most requests for one device; if it has more gaps, one request asks for all from first to last."""
MOST_LOOKS = 5
"""Most looks for one page, if devices that were found turn out to be complete."""


@dataclass(frozen=True)
class Question:
    """Which values should exist: of these devices and this period, on the days from ``first`` on and before
    ``until``.
    """

    devices: QuerySet[Device]
    period: str
    first: date
    until: date
    reasons: frozenset[Reason] = frozenset()
    """Only gaps with one of these; none: all."""

    def narrow(self, keys: Sequence[int]) -> "Question":
        """Return the question about fewer devices, by their primary keys."""
        return replace(self, devices=self.devices.filter(pk__in=keys))

    def filter_gaps(self, found: Sequence[DeviceGaps]) -> list[DeviceGaps]:
        """Return the gaps with a wanted reason, without devices that have none."""
        if not self.reasons:
            return list(found)
        chosen = (
            DeviceGaps(one.device, [gap for gap in one.gaps if gap.reason in self.reasons]) for one in found
        )
        return [one for one in chosen if one.gaps]


class Page(NamedTuple):
    """Devices with their gaps; ``cursor`` is the last device that was examined, if there may be more."""

    found: list[DeviceGaps]
    cursor: int | None


def narrow_devices(
    devices: QuerySet[Device],
    *,
    identifications: Sequence[str] = (),
    group: DeviceGroup | None = None,
    network: CommunicationNetwork | None = None,
    device_type: str | None = None,
) -> QuerySet[Device]:
    """Filter devices by identification, group, network (also that of their gateway) and type."""
    if identifications:
        devices = devices.filter(identification__in=identifications)
    if group is not None:
        member = DeviceGroupMembership.objects.filter(device=OuterRef("pk"), group=group)
        devices = devices.filter(Exists(member))
    if network is not None:
        devices = devices.filter(Q(network=network) | Q(gateway__network=network))
    return devices.filter(device_type=device_type) if device_type else devices


def find_missing(question: Question, size: int, after: int = 0) -> Page:
    """Return a page of devices that lack values, by primary key. The same few statements for any page.

    Devices are found by days that are not full, so that nearly all candidates lack something; another look is
    needed when a day is full of values at odd times, or when only some reasons are wanted. So a page may be
    shorter than ``size`` and still have a next one.
    """
    found: list[DeviceGaps] = []
    for _ in range(MOST_LOOKS):
        wanted = size - len(found)
        rows = list_incomplete_devices(question.devices, question.period, question.first, question.until)
        candidates = list(rows.select_related("gateway").filter(pk__gt=after)[: wanted + 1])
        looked_at = candidates[:wanted]
        gaps = find_gaps(looked_at, question.period, question.first, question.until)
        found += question.filter_gaps(gaps)
        if len(candidates) <= wanted:
            return Page(found, None)
        after = looked_at[-1].pk
        if len(found) == size:
            break
    return Page(found, after)


def find_locked_gaps(question: Question, found: Sequence[DeviceGaps]) -> list[DeviceGaps]:
    """Return the gaps of these devices as they are now; lock the devices until the end of the transaction.

    With two operators at once, the second one sees what the first one did.
    """
    keys = sorted(one.device.pk for one in found)
    list(Device.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=keys).order_by("pk"))
    devices = list(Device.objects.select_related("gateway").filter(pk__in=keys).order_by("pk"))
    return question.filter_gaps(find_gaps(devices, question.period, question.first, question.until))


@dataclass
class FetchResult:
    """What fetching again has requested."""

    devices: int = 0
    requests: int = 0
    pending: int = 0
    """Gaps for which a request was pending already."""
    settled: int = 0
    """Gaps that are not asked for, as the meter has answered without them or they were accepted."""


@transaction.atomic
def fetch(caller: Caller, question: Question, found: Sequence[DeviceGaps]) -> FetchResult:
    """Ask the meters for what is missing: one request for each gap, devices with the same gap in one batch.

    Gaps that a pending request covers are left to it, so that calling this twice does no more than once.
    Values that meters no longer hold, or have answered without, and accepted gaps are not requested. Raises
    Fault as submitting does; nothing is stored then.
    """
    outcome = FetchResult()
    wanted: dict[tuple[str, datetime, datetime], list[str]] = {}
    for one in find_locked_gaps(question, found):
        note_answers(one.device, question.period, [each for gap in one.gaps for each in gap.unnoted])
        held = [gap for gap in one.gaps if gap.is_held]
        pending = sum(gap.reason == Reason.BEING_FETCHED for gap in held)
        settled = sum(gap.reason in SETTLED for gap in held)
        outcome.pending += pending
        outcome.settled += settled
        outcome.devices += len(held) > pending + settled
        for begin, end in _choose_ranges(held):
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


def _choose_ranges(gaps: Sequence[Gap]) -> list[tuple[datetime, datetime]]:
    """Return what to ask for: gaps next to each other in one, and all in one if there are many."""
    ranges: list[tuple[datetime, datetime]] = []
    is_next = False
    for gap in gaps:
        if gap.reason == Reason.BEING_FETCHED or gap.reason in SETTLED:
            is_next = False
        elif is_next and gap.follows:
            ranges[-1] = (ranges[-1][0], gap.last)
        else:
            ranges.append((gap.first, gap.last))
            is_next = True
    return ranges if len(ranges) <= MOST_RANGES else [(ranges[0][0], ranges[-1][1])]


def _submit(caller: Caller, message: str, identifications: list[str], parameters: dict[str, str]) -> int:
    if len(identifications) == 1:
        submission.submit(caller, message, {"device_identification": identifications[0], **parameters})
        return 1
    body = {"message": message, "device_identifications": identifications, "skip_invalid": True, **parameters}
    return batches.submit(caller, body).total


def get_default_days() -> tuple[date, date]:
    """Return yesterday and today, the days of a question that names none."""
    today = clock.now().date()
    return today - timedelta(days=1), today
