"""How messages tell about rows of a buffer that make no sense."""

from collections.abc import Sequence
from typing import Any

from osgp.cosem.errors import illegal
from osgp.cosem.profile_rows import RejectedRow
from osgp.messages.serializers import CharField, IntegerField, StrictSerializer

MOST_TOLD = 100
"""Rejected rows in a result; what is wrong with more of them is the same."""
MOST_ROWS = 10_000
"""Rows in one answer; the longest buffer of any profile has 2,190."""


class RejectedRowSerializer(StrictSerializer):
    """A row of the meter's answer that makes no sense."""

    index = IntegerField(min_value=0, help_text="Its place in the meter's answer, counted from 0.")
    reason = CharField()


def rejected_rows_field() -> RejectedRowSerializer:
    """``rejected_rows`` of a result."""
    return RejectedRowSerializer(many=True, help_text=f"Rows that make no sense, {MOST_TOLD} at most.")


def rejected_row_count_field() -> IntegerField:
    """``rejected_row_count`` of a result."""
    return IntegerField(min_value=0, help_text="How many rows make no sense.")


def told(rejected: Sequence[RejectedRow]) -> dict[str, Any]:
    """Rejected rows as those fields show them."""
    first = sorted(rejected, key=lambda row: row.index)[:MOST_TOLD]
    return {
        "rejected_rows": [{"index": row.index, "reason": row.reason} for row in first],
        "rejected_row_count": len(rejected),
    }


def check_row_count(rows: Sequence[object], name: str) -> None:
    """Raises Fault for an answer that no buffer would give."""
    if len(rows) > MOST_ROWS:
        raise illegal(f"The meter sent {len(rows)} rows of {name}.")
