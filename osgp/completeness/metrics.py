"""How complete the last day is, at /metrics."""

from collections.abc import Iterator

from osgp.completeness.counted import COUNTED_PERIODS
from osgp.completeness.missing import get_default_days
from osgp.completeness.models import Kind as ScopeKind
from osgp.completeness.reports import list_networks
from osgp.completeness.totals import EVERYBODY, read_totals
from osgp.messages.readings import Period
from osgp.metrics.exposition import Family, FamilySamples, Kind, Sample
from osgp.readings.calendar import DAY, to_month

EXPECTED = Family(
    "osgp_intervals_expected",
    Kind.GAUGE,
    "Intervals of which meters should have values, of yesterday (UTC) or, of MONTHLY, of last month.",
)
MISSING = Family("osgp_intervals_missing", Kind.GAUGE, "Those of which values are missing, by reason.")
LATE = Family("osgp_intervals_late", Kind.GAUGE, "Those of which values came late.")
METERS_INCOMPLETE = Family("osgp_meters_incomplete", Kind.GAUGE, "Meters that lack values of that time.")


def collect() -> Iterator[FamilySamples]:
    """Yield the totals of networks: a few dozen rows, which are kept up as readings come."""
    yesterday, today = get_default_days()
    names = list_networks()
    expected, missing, late, incomplete = [], [], [], []
    for period in COUNTED_PERIODS:
        day = to_month(today) - DAY if period == Period.MONTHLY else yesterday
        for row in read_totals(ScopeKind.NETWORK, [EVERYBODY], period, [day]):
            labels = {"period": str(period), "network": names.get(row.key, row.key)}
            expected.append(Sample(row.total.expected, labels))
            late.append(Sample(row.total.late, labels))
            incomplete.append(Sample(row.total.meters - row.total.complete, labels))
            missing += [
                Sample(number, {**labels, "reason": reason}) for reason, number in row.total.missing.items()
            ]
    yield EXPECTED, expected
    yield MISSING, missing
    yield LATE, late
    yield METERS_INCOMPLETE, incomplete
