"""Readings of meters as plain values, from ``MeterOperation.list_readings`` to their storage.

Columns instead of objects: a month of interval readings of one meter has 2,880 times and twice as many
values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from osgp.catalogue.units import Unit

DECIMALS = 6
"""Decimal places that are stored at most."""
LARGEST = 10**12
"""Values are stored from -LARGEST to LARGEST, both excluded, in kWh, m³ or another unit."""
FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(2100, 1, 1, tzinfo=UTC)
"""Interval ends are stored from FIRST_MOMENT on, and before LAST_MOMENT."""
CLOCK_TOLERANCE = timedelta(days=1)
"""How far ahead of the platform's clock an interval end may be: the meter's clock may be wrong by hours."""


class Period(StrEnum):
    """When the register had the value: at the end of a capture period (INTERVAL), of a day or month by the
    calendar of the meter, or when it was read (ACTUAL)."""

    INTERVAL = "INTERVAL"
    DAILY = "DAILY"
    MONTHLY = "MONTHLY"
    ACTUAL = "ACTUAL"


@dataclass(frozen=True, slots=True)
class Readings:
    """A column of readings of one quantity. Device and channel are those of the action.

    The sequences have the same length and any order; a repeated pair of interval end and value counts once.
    Columns of one buffer may share the same ``interval_ends`` and ``statuses``: they are then checked once.
    """

    quantity: str
    """Tag of the quantity's object in the profile of the device, such as ``ACTIVE_ENERGY_IMPORT``."""
    period: Period
    interval_ends: Sequence[datetime]
    """Aware; for ACTUAL the time at which the register had the value, such as the capture time of a gas
    meter's last value."""
    values: Sequence[int | None] | Sequence[Decimal | None]
    """None (the meter has no value) is not stored. Values out of bounds (``LARGEST``, ``DECIMALS``) are only
    logged."""
    unit: Unit | str
    exponent: int = 0
    """A value is its number times ten to the exponent: raw numbers of a buffer need no conversion."""
    statuses: Sequence[int | None] | None = None
    """AMR profile status of each value (osgp/cosem/amr_status.py); None: the buffer has none."""
    capture_period: int | None = None
    """Seconds from one INTERVAL value to the next; None: that of the buffer in the profile."""

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
        """Return a single value without a status.

        Decimal places that are not stored are rounded away: floating-point numbers have more of them.
        """
        if int(value.as_tuple().exponent) < -DECIMALS:
            value = round(value, DECIMALS)
        return cls(quantity, period, (interval_end,), (value,), unit)

    @property
    def unit_symbol(self) -> str:
        """The symbol of the unit, such as ``kWh`` or ``m³``."""
        return self.unit.symbol if isinstance(self.unit, Unit) else self.unit
