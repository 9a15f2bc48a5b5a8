"""How complete days are, for people and for other programs: totals with the names of what they are about."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import NamedTuple

from osgp.accounts.models import Organisation
from osgp.completeness import rounds
from osgp.completeness.models import Counting, Kind
from osgp.completeness.totals import EVERYBODY, Line, Total, read_group_totals, read_totals
from osgp.device_groups.models import DeviceGroup
from osgp.networks.models import CommunicationNetwork


class By(StrEnum):
    """How the totals of a day are split."""

    ORGANISATION = "organisation"
    NETWORK = "network"
    PROFILE = "profile"
    GROUP = "group"


_KINDS = {By.ORGANISATION: Kind.ALL, By.NETWORK: Kind.NETWORK, By.PROFILE: Kind.PROFILE}


class ReportRow(NamedTuple):
    """The total of one day and of one organisation, network, profile or group."""

    day: date
    key: str
    """Primary key; of a profile its name. Empty: without a network."""
    name: str
    owner: str
    """Of a group, the identification of its organisation."""
    total: Total


def read_report(
    organisation: Organisation | None, by: By, period: str, days: Iterable[date]
) -> list[ReportRow]:
    """Return the totals of these days, by day and name, of the devices that an organisation may read.

    ``None`` stands for all devices. What has no devices has no row. Two statements.
    """
    wanted = list(days)
    if by == By.GROUP:
        groups = DeviceGroup.objects.order_by().select_related("organisation")
        if organisation is not None:
            groups = groups.filter(organisation=organisation)
        known = {str(group.pk): group for group in groups}
        lines = read_group_totals([group.pk for group in known.values()], period, wanted)
        rows = [
            _name(line, line.key, known[line.key].name, known[line.key].organisation.identification)
            for line in lines
        ]
    elif by == By.ORGANISATION:
        names = _list_organisations(organisation)
        lines = read_totals(Kind.ALL, list(names), period, wanted)
        rows = [_name(line, str(line.organisation), names[line.organisation]) for line in lines]
    else:
        readers = [EVERYBODY if organisation is None else organisation.pk]
        lines = read_totals(_KINDS[by], readers, period, wanted)
        networks = list_networks() if by == By.NETWORK else {}
        rows = [_name(line, line.key, networks.get(line.key, line.key)) for line in lines]
    return sorted(rows, key=lambda row: (row.day, row.name, row.owner))


def read_days(organisation: Organisation | None, period: str, days: Iterable[date]) -> dict[date, Total]:
    """Return the totals of days, of all devices that an organisation may read (None: of all)."""
    readers = [EVERYBODY if organisation is None else organisation.pk]
    return {line.day: line.total for line in read_totals(Kind.ALL, readers, period, days)}


def read_counted_until() -> datetime | None:
    """Return until when readings that came are in the totals; None before anything was counted."""
    return Counting.objects.filter(pk=rounds.ONLY_ROW).values_list("received_until", flat=True).first()


def compute_share(part: int, whole: int) -> Decimal | None:
    """Return a share from 0 to 1, rounded down: 1 only of the whole. None of nothing."""
    return (Decimal(part) / whole).quantize(Decimal("0.0001"), ROUND_DOWN) if whole else None


def _name(line: Line, key: str, name: str, owner: str = "") -> ReportRow:
    return ReportRow(line.day, key, name, owner, line.total)


def _list_organisations(organisation: Organisation | None) -> dict[int, str]:
    if organisation is not None:
        return {organisation.pk: organisation.identification}
    return dict(Organisation.objects.order_by().values_list("pk", "identification"))


def list_networks() -> dict[str, str]:
    """Return the names of networks by the keys that totals have for them."""
    rows = CommunicationNetwork.objects.order_by().values_list("pk", "name")
    return {str(key): name for key, name in rows}
