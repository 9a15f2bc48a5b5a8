"""The same time as for other tests of readings, and counting without waiting."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from pytest_django import Settings

from osgp.completeness import rounds
from osgp.completeness.models import Kind
from osgp.completeness.totals import EVERYBODY, Total, read_totals
from osgp.metrics import horizon
from osgp.readings import clock
from tests.readings.columns import utc
from tests.readings.conftest import _time, next_morning

__all__ = ["_time", "next_morning"]


class Clock:
    """A clock that tests set forward."""

    def __init__(self) -> None:
        self.moment = utc(2026, 10, 15, 7)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The morning after 14 October, until a test says otherwise."""
    now = Clock()
    monkeypatch.setattr(clock, "now", now)
    return now


@pytest.fixture
def count(moment: Clock, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[[], None]:
    """Count all that is due, of the last four days; time goes on until the next round is due as well."""
    settings.OSGP = settings.OSGP | {"READINGS_COUNTED_DAYS": timedelta(days=4)}
    monkeypatch.setattr(horizon, "MARGIN", timedelta())

    def count_all() -> None:
        moment.moment += timedelta(minutes=10)
        while rounds.advance():
            pass

    return count_all


def total(
    day: date, period: str = "INTERVAL", organisation: int = EVERYBODY, kind: Kind = Kind.ALL, key: str = ""
) -> Total:
    """One total."""
    lines = [line for line in read_totals(kind, [organisation], period, [day]) if line.key == key]
    return lines[0].total if lines else Total()
