"""What the results of messages that read rows have in common, and how interrupted reads are joined."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from django.utils.dateparse import parse_datetime

from osgp.messages.rejected_rows import MOST_LISTED

CompleteUntil = Annotated[
    datetime,
    "All rows up to here were read: to the end, unless time ran out, the meter was lost, or it had more rows "
    "than one read may bring.",
]
"""``complete_until`` of a result."""

Json = Mapping[str, Any]


def find_complete_until(earlier: Json | None) -> datetime | None:
    """Up to when an earlier part of a result has all rows; None: there is none, or it does not say."""
    told = earlier.get("complete_until") if earlier else None
    return parse_datetime(told) if isinstance(told, str) else None


def join_rows(earlier: Sequence[Json], later: Sequence[Json], time: str) -> list[Json]:
    """Join rows as results have them, in the order of ``time``, each time once: the earlier row counts."""
    there = {row[time] for row in earlier}
    joined = [*earlier, *(row for row in later if row[time] not in there)]
    return sorted(joined, key=lambda row: order_of_text(row[time]))


def order_of_text(moment: str) -> str:
    """A key by which times in UTC, as results show them, sort: with or without parts of a second."""
    return moment.removesuffix("Z")


def join_rejected(earlier: Json, later: Json) -> dict[str, Any]:
    """Join rejected rows. Each has its place in the answers of its own attempt."""
    return {
        "rejected_rows": [*earlier["rejected_rows"], *later["rejected_rows"]][:MOST_LISTED],
        "rejected_row_count": earlier["rejected_row_count"] + later["rejected_row_count"],
    }


def join_unavailable(*lists: Iterable[Json]) -> list[Json]:
    """Join lists of what could not be read, each name and reason once."""
    found = {(item["name"], item["reason"]): item for items in lists for item in items}
    return list(found.values())
