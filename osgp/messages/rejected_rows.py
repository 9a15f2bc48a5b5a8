"""Rejected rows of a buffer in the results of messages."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from osgp.cosem import profile_rows
from osgp.cosem.errors import make_illegal_response
from osgp.messages.serializers import IntegerField

MOST_LISTED = 100
"""Rejected rows in a result; more of them rarely have other reasons."""
MOST_ROWS = 10_000
"""Rows in one answer; the longest buffer of any profile has 2,190."""


class RejectedRow(TypedDict):
    """An invalid row in the answer of the meter."""

    index: Annotated[int, IntegerField(min_value=0), "Its place in the meter's answer, counted from 0."]
    reason: str


RejectedRowList = Annotated[list[RejectedRow], f"Invalid rows, {MOST_LISTED} at most."]
"""``rejected_rows`` of a result."""
RejectedRowCount = Annotated[int, IntegerField(min_value=0), "Number of invalid rows."]
"""``rejected_row_count`` of a result."""


class RejectedRows(TypedDict):
    """The invalid rows in a result."""

    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount


def format_rejected(rejected: Sequence[profile_rows.RejectedRow]) -> RejectedRows:
    """Format rejected rows for a result."""
    first = sorted(rejected, key=lambda row: row.index)[:MOST_LISTED]
    return {
        "rejected_rows": [{"index": row.index, "reason": row.reason} for row in first],
        "rejected_row_count": len(rejected),
    }


def check_row_count(rows: Sequence[object], name: str) -> None:
    """Raise Fault for an answer with more rows than any buffer has."""
    if len(rows) > MOST_ROWS:
        raise make_illegal_response(f"The meter sent {len(rows)} rows of {name}.")
