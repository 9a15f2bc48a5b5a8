"""What meters said, as plain values: messages tell it (``MeterOperation.list_readings``), whoever keeps it.

No Django here, and columns instead of objects: an interval month of one meter has 2,880 times and twice as
many values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from osgp.catalogue.units import Unit

DECIMALS = 6
"""Decimal places that are kept at most."""
LARGEST = 10**12
"""Values are kept from -LARGEST to LARGEST, both excluded, in kWh, m³ or what they are measured in."""
FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(2100, 1, 1, tzinfo=UTC)
"""Interval ends are kept from FIRST_MOMENT on, and before LAST_MOMENT."""
CLOCK_TOLERANCE = timedelta(days=1)
"""How far ahead of the platform's clock an interval end may be: the meter's clock may be wrong by hours."""


class Period(StrEnum):
    """What a value is the state of a register at: the end of a capture period, of a day or month by the
    meter's calendar, or whenever it was asked for (ACTUAL)."""

    INTERVAL = "INTERVAL"
    DAILY = "DAILY"
    MONTHLY = "MONTHLY"
    ACTUAL = "ACTUAL"


@dataclass(frozen=True, slots=True)
class Readings:
    """A column: what a meter said about one quantity. Device and channel are those of the action.

    The sequences are as long as one another and in any order; a pair of interval end and value that comes
    twice counts once. Columns of one buffer may share the same ``interval_ends`` and ``statuses``, which is
    then also looked at once.
    """

    quantity: str
    """Tag of the quantity's object in the profile of the device, such as ``ACTIVE_ENERGY_IMPORT``."""
    period: Period
    interval_ends: Sequence[datetime]
    """Aware; for ACTUAL the time at which the register had the value, such as the capture time of a gas
    meter's last value."""
    values: Sequence[int | None] | Sequence[Decimal | None]
    """None (the meter has no value) is not kept. Those that are out of bounds (``LARGEST``, ``DECIMALS``)
    are told to the log, and not kept either."""
    unit: Unit | str
    exponent: int = 0
    """Values are these numbers times ten to the exponent: the raw numbers of a buffer need no conversion."""
    statuses: Sequence[int | None] | None = None
    """AMR profile status of each value, 0 to 255 (osgp/cosem/amr_status.py); None: the buffer has none."""
    capture_period: int | None = None
    """Seconds from one INTERVAL value to the next, if known; unless told 900, or 3600 for an M-Bus meter."""

    def __post_init__(self) -> None:
        lengths = {len(self.interval_ends), len(self.values)}
        if self.statuses is not None:
            lengths.add(len(self.statuses))
        if len(lengths) != 1:
            raise ValueError(f"the columns of {self.quantity} are of different lengths")

    @classmethod
    def from_value(
        cls, quantity: str, period: Period, interval_end: datetime, value: Decimal, unit: Unit | str
    ) -> Self:
        """A single value without a status."""
        return cls(quantity, period, (interval_end,), (value,), unit)

    @property
    def unit_symbol(self) -> str:
        """``kWh``, ``m³``: the unit as people write it."""
        return self.unit.symbol if isinstance(self.unit, Unit) else self.unit
