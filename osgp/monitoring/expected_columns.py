"""The columns of a buffer that a message wants, where the meter may capture others than its profile says."""

from collections.abc import Iterable, Sequence

from osgp.catalogue import CaptureColumn
from osgp.cosem.amr_status import is_status
from osgp.messages.buffer_rows import WantedColumn
from osgp.messages.visited_meter import VisitedMeter

_VALUE = 2


def list_expected(meter: VisitedMeter, tag: str) -> tuple[CaptureColumn, ...]:
    """The columns of a buffer by the profile."""
    profile = meter.profile
    return profile.list_capture_columns(tag, meter.channel if profile[tag].per_channel else None)


def find_status(columns: Iterable[CaptureColumn]) -> CaptureColumn | None:
    """The AMR profile status among columns; the last one, which is that of the M-Bus device, if any."""
    found = [
        column for column in columns if is_status(column.tag) and column.descriptor.attribute_id == _VALUE
    ]
    return found[-1] if found else None


def list_missing(
    tag: str, expected: Sequence[CaptureColumn], wanted: Sequence[WantedColumn]
) -> dict[str, str]:
    """Why columns have no values although the profile says that the buffer ``tag`` has them, by name."""
    names = {column.tag for column in expected}
    return {
        each.name: f"The meter does not capture it in {tag}."
        for each in wanted
        if each.column is None and each.name in names
    }
