"""How messages tell about rows of a buffer that make no sense."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from osgp.cosem import profile_rows
from osgp.cosem.errors import illegal
from osgp.messages.serializers import IntegerField

MOST_TOLD = 100
"""Rejected rows in a result; what is wrong with more of them is the same."""
MOST_ROWS = 10_000
"""Rows in one answer; the longest buffer of any profile has 2,190."""


class RejectedRow(TypedDict):
    """A row of the meter's answer that makes no sense."""

    index: Annotated[int, IntegerField(min_value=0), "Its place in the meter's answer, counted from 0."]
    reason: str


RejectedRowList = Annotated[list[RejectedRow], f"Rows that make no sense, {MOST_TOLD} at most."]
"""``rejected_rows`` of a result."""
RejectedRowCount = Annotated[int, IntegerField(min_value=0), "How many rows make no sense."]
"""``rejected_row_count`` of a result."""


class RejectedRows(TypedDict):
    """What a result with rows says of those that make no sense."""

    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount


def format_rejected(rejected: Sequence[profile_rows.RejectedRow]) -> RejectedRows:
    """Rejected rows as a result shows them."""
    first = sorted(rejected, key=lambda row: row.index)[:MOST_TOLD]
    return {
        "rejected_rows": [{"index": row.index, "reason": row.reason} for row in first],
        "rejected_row_count": len(rejected),
    }


def check_row_count(rows: Sequence[object], name: str) -> None:
    """Raises Fault for an answer that no buffer would give."""
    if len(rows) > MOST_ROWS:
        raise illegal(f"The meter sent {len(rows)} rows of {name}.")
