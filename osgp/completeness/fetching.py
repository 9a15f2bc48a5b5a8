"""Fetching what is missing: a batch to all meters that a filter finds, however many they are.

Each meter is asked for the same days and reads only what is still missing of them when it is visited. Which
meters these are is found out when the requests are made, slice by slice (osgp/fleet/creation.py).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from osgp.accounts.caller import Caller
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.batches.models import Batch, BatchSource, BatchState
from osgp.completeness.buffers import FETCHED_BY
from osgp.completeness.full_days import list_incomplete_devices
from osgp.completeness.gaps import SETTLED, Gap, Reason, find_gaps
from osgp.completeness.keeping import note_all_answers
from osgp.completeness.missing import Question
from osgp.completeness.selections import Selection
from osgp.devices.models import MBUS_DEVICE_TYPES, Device
from osgp.fleet import steering, submission
from osgp.fleet.answers import summarize
from osgp.fleet.contents import Content, find_batch_operation, parse_content
from osgp.fleet.targets import NextDevices
from osgp.messages.operation import Service
from osgp.messages.readings import Period
from osgp.messages.serializers import utc_text
from osgp.readings.calendar import find_midnight
from osgp.readings.rights import READERS
from osgp.requests.submission import check_scope
from osgp.sql import is_one_of

MOST_LOOKED_AT = 1_000
"""Devices with gaps that are looked at in one go."""
MOST_DAYS = 3_000
"""Days of devices that are looked at in one go, of intervals: each is 96 values of each quantity."""
PART = 5_000
"""Devices among which one statement looks for some with gaps."""
MOST_PARTS = 20
"""Such statements in one go."""
OPEN = (BatchState.CREATING, BatchState.RUNNING)
_TURN = 0x6665746368
"""Key of the advisory lock under which it is found out whom to ask."""


@dataclass
class Fetched:
    """What comes of fetching. The numbers are told if all devices could be looked at in one go, else None."""

    batches: list[Batch] = field(default_factory=list)
    """Those that fetch it: new ones, and earlier ones for the same that are not over."""
    earlier: set[int] = field(default_factory=set)
    """The primary keys of the latter."""
    devices: int | None = 0
    """Devices that new batches ask."""
    pending: int | None = 0
    """Gaps for which a request was pending already."""
    settled: int | None = 0
    """Gaps that are not asked for, as the meter has answered without them or they were accepted."""


@dataclass(frozen=True)
class _Look:
    """What was found out about the next devices."""

    keys: list[int]
    """Those with gaps to ask for."""
    pending: int
    settled: int
    cursor: int
    is_last: bool


@transaction.atomic
def fetch(caller: Caller, selection: Selection) -> Fetched:
    """Have all that is missing fetched, by one batch for electricity and one for M-Bus meters.

    None is made for meters of which nothing is worth asking for: what a pending request covers, what meters
    no longer hold or have answered without, and accepted gaps are not. As long as a batch for the same is not
    over, it is told instead of another one. Raises Fault 301 without the scope.
    """
    check_scope(caller, Service.MONITORING)
    # Two callers at once would both find that there is no batch yet.
    Organisation.objects.select_for_update(no_key=True).get(pk=caller.organisation.pk)
    outcome = Fetched()
    target = selection.as_json()
    under_way = {
        batch.message: batch
        for batch in list_open(caller.organisation)
        # It may be over since just now.
        if batch.target == target and not steering.settle(batch.pk)
    }
    for is_mbus, message in FETCHED_BY.items():
        question = _ask(caller.organisation, selection, is_mbus=is_mbus)
        look = _look(question, 0, _choose_size(question))
        outcome.pending = _add(outcome.pending, look.pending if look.is_last else None)
        outcome.settled = _add(outcome.settled, look.settled if look.is_last else None)
        batch = under_way.get(message)
        if batch is not None:
            outcome.batches.append(batch)
            outcome.earlier.add(batch.pk)
        elif look.keys or not look.is_last:
            # Of more devices than it looks at here, that is a first part.
            number = len(look.keys)
            outcome.batches.append(_make_batch(caller, message, question, selection, number))
            outcome.devices = _add(outcome.devices, number if look.is_last else None)
    return outcome


def describe_fetched(fetched: Fetched) -> dict[str, Any]:
    """Return the answer to who asked for it."""
    return {
        "batches": [summarize(batch) for batch in fetched.batches],
        "devices": fetched.devices,
        "requests": fetched.devices,
        "pending": fetched.pending,
        "settled": fetched.settled,
        "cursor": None,
    }


def list_open(organisation: Organisation | None) -> list[Batch]:
    """Return the batches of an organisation (None: of all) that fetch what is missing and are not over."""
    rows = Batch.objects.filter(source=BatchSource.MISSING, state__in=OPEN).order_by("pk")
    if organisation is not None:
        rows = rows.filter(organisation=organisation)
    return list(rows.select_related("organisation", "group", "recurring", "retry_of"))


def find_next(batch: Batch, limit: int) -> NextDevices:
    """Return the next devices of a batch that have gaps to ask for. See osgp/fleet/targets.py."""
    assert batch.target is not None
    selection = Selection.from_json(batch.target)
    question = _ask(batch.organisation, selection, is_mbus=batch.message == FETCHED_BY[True])
    _take_turn()
    look = _look(question, batch.cursor, min(limit, _choose_size(question)))
    return NextDevices(look.keys, look.cursor, look.is_last)


def _ask(organisation: Organisation, selection: Selection, *, is_mbus: bool) -> Question:
    """The question about what the organisation may read, of one kind of devices."""
    devices = list_granted_devices(organisation, READERS)
    devices = (
        devices.filter(device_type__in=MBUS_DEVICE_TYPES)
        if is_mbus
        else devices.exclude(device_type__in=MBUS_DEVICE_TYPES)
    )
    return selection.ask(devices)


def _look(question: Question, after: int, size: int) -> _Look:
    """Look at the next devices with days that are not full; note what they have answered without."""
    incomplete, cursor, is_last = _find_incomplete(question, after, size)
    found = question.filter_gaps(find_gaps(incomplete, question.period, question.first, question.until))
    note_all_answers(
        question.period, [(one.device, each) for one in found for gap in one.gaps for each in gap.unnoted]
    )
    held = [gap for one in found for gap in one.gaps if gap.is_held]
    return _Look(
        [one.device.pk for one in found if any(map(is_worth_asking, one.gaps))],
        sum(gap.reason == Reason.BEING_FETCHED for gap in held),
        sum(gap.reason in SETTLED for gap in held),
        cursor,
        is_last,
    )


def _find_incomplete(question: Question, after: int, size: int) -> tuple[list[Device], int, bool]:
    """Return up to ``size`` next devices with days that are not full, up to which key, and whether all are.

    It goes through all devices in parts, so that what it costs depends on these and not on the fleet.
    """
    found: list[Device] = []
    for _ in range(MOST_PARTS):
        rows = question.devices.filter(pk__gt=after).order_by("pk")
        keys = list(rows.values_list("pk", flat=True)[:PART])
        if not keys:
            return found, after, True
        incomplete = list_incomplete_devices(
            Device.objects.filter(is_one_of("pk", keys)),
            question.period,
            question.first,
            question.until,
            between=(keys[0], keys[-1]),
        )
        found += incomplete.select_related("gateway")[: size - len(found)]
        if len(found) == size:
            return found, found[-1].pk, False
        after = keys[-1]
        if len(keys) < PART:
            return found, after, True
    return found, after, False


def is_worth_asking(gap: Gap) -> bool:
    """Return whether the meter may still have it, and nobody is asking for it or content without it."""
    return gap.is_held and gap.reason != Reason.BEING_FETCHED and gap.reason not in SETTLED


def _choose_size(question: Question) -> int:
    if question.period != Period.INTERVAL:
        return MOST_LOOKED_AT
    return max(1, min(MOST_LOOKED_AT, MOST_DAYS // (question.until - question.first).days))


def _make_batch(caller: Caller, message: str, question: Question, selection: Selection, total: int) -> Batch:
    content = _make_content(message, question)
    batch = submission.make_batch(caller, content, submission.DEFAULT_FIELDS)
    batch.group = selection.group
    batch.total = total
    return submission.submit_source(batch, BatchSource.MISSING, selection.as_json())


def _make_content(message: str, question: Question) -> Content:
    """The same days for all devices: from the earliest midnight to the latest one in their time zones."""
    begin, end = _find_times(question)
    parameters = {
        "period_type": question.period,
        "begin_date": utc_text(begin),
        "end_date": utc_text(end),
        "missing_only": True,
    }
    return parse_content(find_batch_operation(message), parameters)


def _find_times(question: Question) -> tuple[datetime, datetime]:
    rows = question.devices.order_by().values_list("time_zone", "gateway__time_zone").distinct()
    zones = [ZoneInfo(name) for row in rows for name in row if name]
    # An interval that ends at midnight belongs to the day before.
    begin = min(find_midnight(question.first, zone) for zone in zones) + timedelta(seconds=1)
    return begin, max(find_midnight(question.until, zone) for zone in zones)


def _take_turn() -> None:
    """Let no other process find out at the same time whom to ask: both would ask the same meters.

    The requests are made in the same transaction, so that the next one sees them. SQLite has one writer
    anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


def _add(number: int | None, more: int | None) -> int | None:
    """The sum; None if a part of it is not known."""
    return None if number is None or more is None else number + more
