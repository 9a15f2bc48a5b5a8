"""Axes of charts: from where to where they go, and where the lines of their grid are."""

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Decimal


def choose_scale(known: Sequence[Decimal], *, from_zero: bool) -> tuple[Decimal, Decimal, Decimal]:
    """Lowest and highest value of the axis, and the step of its grid: 1, 2 or 5 times a power of ten."""
    low = min(known, default=Decimal(0))
    high = max(known, default=Decimal(1))
    if from_zero:
        low, high = min(low, Decimal(0)), max(high, Decimal(0))
    if low == high:
        high = low + 1
    rough = (high - low) / 4
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    bottom = (low / step).to_integral_value(rounding="ROUND_FLOOR") * step
    top = (high / step).to_integral_value(rounding=ROUND_CEILING) * step
    return bottom, top, step


def list_ticks(low: Decimal, high: Decimal, step: Decimal) -> Iterator[Decimal]:
    """The values of the lines of the grid, both ends included."""
    while low <= high:
        yield low
        low += step
