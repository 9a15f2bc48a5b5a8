"""How much energy and gas a simulated household has used at any moment.

Nothing is accumulated: the reading at a moment is the integral of a load curve in closed form, so that a
register, and each row of a buffer of any meter, can be computed whenever it is asked for. A curve repeats
each day, with one weight per hour, and its height follows the season.
"""

import math
from itertools import accumulate

START = 1_609_459_200.0
"""2021-01-01T00:00Z, when all simulated meters were commissioned."""

DAY = 86_400
HOUR = 3_600
STANDARD_TIME = HOUR
"""The hours of a curve are those of UTC+1: tariff clocks of meters do not follow daylight saving."""

LOW_TARIFF_HOURS = frozenset((23, 0, 1, 2, 3, 4, 5, 6))
_SEASON = 2 * math.pi / 365.25
_HALF_SEASON_SINE = math.sin(_SEASON / 2)


class LoadCurve:
    """A daily pattern of mean 1 per hour, swinging by ``seasonal`` (0..1) around a peak at day ``peak`` of
    the year."""

    __slots__ = ("_cumulative", "_low", "_peak", "_seasonal", "_weights")

    def __init__(self, weights: tuple[float, ...], seasonal: float, peak: float) -> None:
        mean = sum(weights) / len(weights)
        self._weights = tuple(weight / mean for weight in weights)
        self._cumulative = (0.0, *accumulate(self._weights))
        low = (weight if hour in LOW_TARIFF_HOURS else 0.0 for hour, weight in enumerate(self._weights))
        self._low = (0.0, *accumulate(low))
        self._seasonal = seasonal
        self._peak = peak

    def accumulated(self, moment: float) -> tuple[float, float]:
        """Hours of mean load from :data:`START` until ``moment`` (UNIX time): in the low and in the high
        tariff."""
        days, seconds = divmod(max(moment - START, 0.0) + STANDARD_TIME, DAY)
        hour = int(seconds) // HOUR
        fraction = (seconds - hour * HOUR) / HOUR
        partial = self._weights[hour] * fraction
        today = self._cumulative[hour] + partial
        today_low = self._low[hour] + (partial if hour in LOW_TARIFF_HOURS else 0.0)
        past = days + self._seasonal * self._sum_season(days)
        height = self.height(days)
        low = past * self._low[24] + height * today_low
        total = past * self._cumulative[24] + height * today
        return low, total - low

    def load(self, moment: float) -> float:
        """The load at ``moment`` as a multiple of the mean."""
        days, seconds = divmod(max(moment - START, 0.0) + STANDARD_TIME, DAY)
        return self.height(days) * self._weights[int(seconds) // HOUR]

    def height(self, days: float) -> float:
        """The height of the curve on a day, counted from :data:`START`."""
        return 1 + self._seasonal * math.cos(_SEASON * (days - self._peak))

    def _sum_season(self, days: float) -> float:
        """The cosines of the days 0..days-1, added up (Dirichlet's kernel)."""
        return (
            math.sin(days * _SEASON / 2)
            / _HALF_SEASON_SINE
            * math.cos(_SEASON * ((days - 1) / 2 - self._peak))
        )


HOUSEHOLD = LoadCurve(
    (3, 2, 2, 2, 2, 2, 4, 7, 7, 5, 4, 4, 5, 4, 4, 4, 6, 10, 12, 11, 10, 9, 7, 5), seasonal=0.25, peak=10
)
SOLAR = LoadCurve(
    (0, 0, 0, 0, 0, 0, 1, 3, 6, 9, 11, 12, 12, 11, 9, 7, 4, 2, 1, 0, 0, 0, 0, 0), seasonal=0.8, peak=172
)
HEATING = LoadCurve(
    (2, 2, 2, 2, 2, 3, 8, 10, 8, 5, 4, 4, 4, 4, 4, 5, 7, 9, 9, 8, 7, 6, 4, 3), seasonal=0.85, peak=15
)


class Household:
    """What one meter measures. Built from 16 octets that are the meter's own, so it is the same in every
    run."""

    __slots__ = ("_export_first", "_gas_first", "_gas_mean", "_import_first", "_import_mean", "_solar_mean")

    def __init__(self, character: bytes) -> None:
        draw = [octet / 256 for octet in character]
        self._import_mean = 180 + 320 * draw[0]
        self._solar_mean = 0.0 if draw[1] < 0.5 else 100 + 400 * draw[2]
        self._gas_mean = 60 + 140 * draw[3]
        self._import_first = (int(4_000_000 * draw[4]), int(5_000_000 * draw[5]))
        self._export_first = (int(300_000 * draw[6]), int(900_000 * draw[7]))
        self._gas_first = int(3_000_000 * draw[8])

    def imported(self, moment: float) -> tuple[int, int]:
        """Active energy import in Wh, rate 1 (low) and rate 2 (high)."""
        low, high = HOUSEHOLD.accumulated(moment)
        first = self._import_first
        return first[0] + int(low * self._import_mean), first[1] + int(high * self._import_mean)

    def exported(self, moment: float) -> tuple[int, int]:
        """Active energy export in Wh, rate 1 (low) and rate 2 (high); constant without solar panels."""
        low, high = SOLAR.accumulated(moment)
        first = self._export_first
        return first[0] + int(low * self._solar_mean), first[1] + int(high * self._solar_mean)

    def gas_volume(self, moment: float, channel: int) -> int:
        """Litres that the gas meter on ``channel`` has counted."""
        low, high = HEATING.accumulated(moment)
        return self._gas_first + channel * 1_000 + int((low + high) * self._gas_mean)

    def imported_power(self, moment: float) -> int:
        """Active power import in W."""
        return int(self._import_mean * HOUSEHOLD.load(moment))

    def exported_power(self, moment: float) -> int:
        """Active power export in W."""
        return int(self._solar_mean * SOLAR.load(moment))
