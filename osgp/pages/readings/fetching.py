"""The button that fetches all missing readings of a filter, and how far that is."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch, BatchState
from osgp.completeness import fetching, missing
from osgp.completeness.full_days import list_incomplete_devices
from osgp.completeness.models import Kind
from osgp.completeness.selections import Selection
from osgp.completeness.totals import EVERYBODY, read_totals
from osgp.faults import Fault
from osgp.fleet.progress import Progress
from osgp.messages.readings import Period
from osgp.pages.batches.display import load_progress
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.paging import count_up_to_limit
from osgp.pages.shared.sending import make_caller
from osgp.readings.calendar import DAY

MOST_COUNTED = 1_000
"""Meters that are counted one by one."""
MOST_SHOWN = 10
"""Batches under way that the page shows."""


@dataclass(frozen=True)
class Shown:
    """A batch under way, and how far it is."""

    batch: Batch
    counts: Progress

    @property
    def is_looking(self) -> bool:
        """Whether more meters may be found."""
        return self.batch.state == BatchState.CREATING


@dataclass(frozen=True)
class UnderWay:
    """The batches that fetch values of the days in question."""

    batches: list[Shown]
    is_same: bool
    """Whether one of them is for exactly what the page shows."""


def find_under_way(selection: Selection, organisation: Organisation | None) -> UnderWay:
    """Return the batches under way that fetch values of this period and some of these days."""
    target = selection.as_json()
    rows = [batch for batch in fetching.list_open(organisation) if _overlaps(batch.target or {}, target)]
    is_same = any(batch.target == target for batch in rows)
    # Those for exactly this first.
    rows.sort(key=lambda batch: batch.target != target)
    counts = load_progress(rows[:MOST_SHOWN])
    return UnderWay([Shown(batch, counts[batch.pk]) for batch in rows[:MOST_SHOWN]], is_same)


def count_devices(
    selection: Selection,
    question: missing.Question,
    organisation: Organisation | None,
    page: missing.Page,
    after: int,
) -> str:
    """Return how many meters lack values, as far as that can be said at once; empty: it cannot.

    Exactly if they are all on this page; of one day by its totals, which are a few seconds old; or else the
    first thousand is counted. Of meters with a gap for some reason, nobody keeps count.
    """
    if not after and page.cursor is None:
        return f"{len(page.found):,}"
    if selection.reasons:
        return ""
    total = _read_total(selection, organisation)
    if total is not None:
        return f"{total:,}"
    rows = list_incomplete_devices(question.devices, question.period, question.first, question.until)
    counted = count_up_to_limit(rows, MOST_COUNTED)
    # Some of them may not have been there yet on these days.
    return str(counted) if counted.more else f"up to {counted}"


def fetch_all(request: HttpRequest, selection: Selection, organisation: Organisation | None) -> None:
    """Have all fetched that a filter finds, in the name of the user's organisation or of the owners."""
    made: list[Batch] = []
    earlier: list[Batch] = []
    devices: int | None = 0
    pending = settled = 0
    try:
        for sender in [organisation] if organisation is not None else _list_owners(selection):
            fetched = fetching.fetch(make_caller(sender, request), selection)
            made += [batch for batch in fetched.batches if batch.pk not in fetched.earlier]
            earlier += [batch for batch in fetched.batches if batch.pk in fetched.earlier]
            devices = None if devices is None or fetched.devices is None else devices + fetched.devices
            pending, settled = pending + (fetched.pending or 0), settled + (fetched.settled or 0)
    except Fault as fault:
        messages.error(request, fault.message)
        return
    messages.success(request, _tell(made, earlier, devices, pending, settled))


def _tell(made: list[Batch], earlier: list[Batch], devices: int | None, pending: int, settled: int) -> str:
    if made:
        meters = "all meters that lack these readings" if devices is None else count_rows(devices, "meter")
        return f"Accepted: {meters} will be asked."
    if earlier or pending:
        return "Requests for all of these readings are already under way."
    if settled:
        return "The meters have answered without these readings, or they were accepted."
    return "There is nothing to fetch: the meters no longer hold what is missing."


def _list_owners(selection: Selection) -> list[Organisation]:
    """Organisations in whose name an operator of the platform fetches: that of the group, or the owners."""
    rows = Organisation.objects.filter(enabled=True).order_by("pk")
    if selection.group is not None:
        return list(rows.filter(pk=selection.group.organisation_id))
    if selection.identifications:
        devices = selection.identifications
        return list(
            rows.filter(
                authorisations__device__identification__in=devices,
                authorisations__function_group=DeviceFunctionGroup.OWNER,
            ).distinct()
        )
    grants = DeviceAuthorisation.objects.filter(function_group=DeviceFunctionGroup.OWNER)
    return [row for row in rows if grants.filter(organisation=row).exists()]


def _read_total(selection: Selection, organisation: Organisation | None) -> int | None:
    """Return how many meters lack values of one day, by its totals; None if these do not say it."""
    if selection.device_type or selection.identifications or (selection.group and selection.network):
        return None
    days = (selection.until - selection.first).days
    if days != 1 or selection.period == Period.MONTHLY:
        return None
    reader = EVERYBODY if organisation is None else organisation.pk
    kind, key = Kind.ALL, ""
    if selection.network is not None:
        kind, key = Kind.NETWORK, str(selection.network.pk)
    elif selection.group is not None:
        reader, kind, key = selection.group.organisation_id, Kind.GROUP, str(selection.group.pk)
    lines = read_totals(kind, [reader], selection.period, [selection.until - DAY])
    for line in lines:
        if line.key == key:
            return line.total.meters - line.total.complete
    return None


def _overlaps(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return one["period"] == other["period"] and one["from"] < other["until"] and other["from"] < one["until"]
