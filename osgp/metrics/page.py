"""All families of the page at /metrics, with their samples."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from osgp.faults import FaultCode
from osgp.metrics import families, live, snapshot
from osgp.metrics.exposition import Family, FamilySamples, Histogram, Kind, Sample
from osgp.metrics.models import Counter
from osgp.metrics.tallies import INFINITE, SUM
from osgp.requests.models import SessionState

Labels = tuple[tuple[str, str], ...]
ENDS = (SessionState.CLOSED, SessionState.LOST)

# Exposed from the start: a rate needs a value before the first event, and a lost visit is rare.
_FROM_THE_START: dict[Family, list[Labels]] = {
    families.SESSIONS_ENDED: [(("state", str(state)), ("fault_code", "")) for state in ENDS],
    families.ASSOCIATIONS: [()],
    families.ROUND_TRIPS: [()],
    families.BYTES_SENT: [()],
    families.BYTES_RECEIVED: [()],
}

_collectors: list[Callable[[], Iterator[FamilySamples]]] = []


def register(collector: Callable[[], Iterator[FamilySamples]]) -> None:
    """Have the page expose the families of another app as well; called at start-up."""
    if collector not in _collectors:
        _collectors.append(collector)


Stored = Mapping[str, Mapping[Labels, int]]
"""By name of the counter, then by labels."""


def collect() -> Iterator[FamilySamples]:
    """Yield what is exposed now: about a dozen statements, none of which reads a whole table."""
    stored: defaultdict[str, dict[Labels, int]] = defaultdict(dict)
    for name, labels, value in Counter.objects.order_by("name", "pk").values_list("name", "labels", "value"):
        stored[name][tuple(json.loads(labels).items())] = value
    for family, every_labels in _FROM_THE_START.items():
        for known in every_labels:
            stored[family.name].setdefault(known, 0)
    for family in families.COUNTED:
        if family.kind is Kind.HISTOGRAM:
            yield family, _make_histograms(family, stored)
        else:
            yield (
                family,
                [Sample(value, _add_fault_name(labels)) for labels, value in stored[family.name].items()],
            )
    yield from _read_snapshot()
    yield from live.read_figures()
    for collector in _collectors:
        yield from collector()


def _add_fault_name(labels: Labels) -> dict[str, str]:
    """Return stored labels, with the name of a fault beside its code."""
    shown = dict(labels)
    if "fault_code" in shown:
        code = shown["fault_code"]
        known = {str(int(fault)): fault.name for fault in FaultCode}
        shown["fault"] = known.get(code, "")
    return shown


def _make_histograms(family: Family, stored: Stored) -> list[Histogram]:
    """Make a histogram for each set of labels; buckets that no longer exist go to the next larger one."""
    buckets: defaultdict[Labels, list[int]] = defaultdict(lambda: [0] * (len(family.bounds) + 1))
    for labels, number in stored.get(family.name, {}).items():
        *rest, (_, bound) = labels
        buckets[tuple(rest)][_find_bucket(family, bound)] += number
    sums = stored.get(family.name + SUM, {})
    return [
        Histogram(numbers, sums.get(labels, 0) / 1_000_000, dict(labels))
        for labels, numbers in sorted(buckets.items())
    ]


def _find_bucket(family: Family, bound: str) -> int:
    if bound == INFINITE:
        return len(family.bounds)
    return next(
        (place for place, known in enumerate(family.bounds) if known >= float(bound)), len(family.bounds)
    )


def _read_snapshot() -> Iterator[FamilySamples]:
    taken = snapshot.read_latest()
    age, figures = taken if taken else (None, {})
    yield (
        families.REQUESTS_PENDING,
        [
            Sample(number, {"message": message, "state": state})
            for message, state, number in figures.get("pending", ())
        ],
    )
    yield (
        families.DEVICES,
        [
            Sample(number, {"device_type": device_type, "lifecycle_status": status})
            for device_type, status, number in figures.get("devices", ())
        ],
    )
    yield families.DEVICES_FAILING, [Sample(figures["failing"])] if figures else []
    yield families.WORKERS, [Sample(figures["workers"])] if figures else []
    yield families.SNAPSHOT_AGE, [] if age is None else [Sample(max(0.0, age.total_seconds()))]
