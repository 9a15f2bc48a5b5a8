"""How messages tell about rows of a buffer that make no sense; see osgp/requests/rejected_rows.py."""

from osgp.requests.rejected_rows import (
    MOST_ROWS,
    MOST_TOLD,
    RejectedRowSerializer,
    check_row_count,
    rejected_row_count_field,
    rejected_rows_field,
    told,
)

__all__ = [
    "MOST_ROWS",
    "MOST_TOLD",
    "RejectedRowSerializer",
    "check_row_count",
    "rejected_row_count_field",
    "rejected_rows_field",
    "told",
]
