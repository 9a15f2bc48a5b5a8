"""Which intervals were received late: found from the deliveries that first had their values."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from osgp.readings.chunks import Chunk as Columns
from osgp.readings.chunks import spread
from osgp.readings.models import Chunk, Delivery
from osgp.sql import is_one_of

K = TypeVar("K", bound=Hashable)


class SeriesEnds(NamedTuple):
    """Interval ends of a series, in seconds since 1970, that are stored in its chunk of ``start``."""

    series: int
    start: date
    ends: Sequence[int]


def count_late(asked: Mapping[K, Sequence[SeriesEnds]], after: timedelta) -> dict[K, int]:
    """Return how many of the stored intervals had a value that came more than ``after`` later.

    Two statements. Deliveries past their retention are taken for punctual.
    """
    if not asked:
        return {}
    parts = [part for wanted in asked.values() for part in wanted]
    rows = Chunk.objects.filter(
        is_one_of("series_id", {part.series for part in parts}), start__in={part.start for part in parts}
    )
    first_deliveries: dict[tuple[int, date], dict[int, int]] = {}
    for series, start, begin, count, step, offsets, received in rows.values_list(
        "series_id", "start", "begin", "count", "step", "offsets", "received"
    ):
        places = Columns(0, step, offsets, range(count), None, (), ()).list_offsets()
        first_deliveries[series, start] = {
            begin + offset: delivery for offset, delivery in zip(places, spread(received, count), strict=True)
        }
    numbers = {number for chunk in first_deliveries.values() for number in chunk.values()}
    deliveries = Delivery.objects.filter(is_one_of("pk", numbers)).values_list("pk", "received_at")
    moments = {number: received_at.timestamp() for number, received_at in deliveries}
    late: defaultdict[K, set[int]] = defaultdict(set)
    for key, wanted in asked.items():
        for part in wanted:
            known = first_deliveries.get((part.series, part.start), {})
            for end in part.ends:
                if end in known and moments.get(known[end], 0) - end > after.total_seconds():
                    late[key].add(end)
    return {key: len(late[key]) for key in asked}
