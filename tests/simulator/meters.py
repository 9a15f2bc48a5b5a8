"""Single meters with a time that tests move, without sockets."""

from datetime import UTC, datetime, timedelta
from typing import Any

from osgp.catalogue import Profile
from osgp.simulator import Fleet, FleetSettings
from osgp.simulator.codec.axdr import Data, decode, encode
from osgp.simulator.codec.cosem_time import decode_date_time
from osgp.simulator.meter.meter import Meter

LIVING: dict[str, Any] = {"calm_from": None}
"""Settings of fleets to which mishaps happen."""


class Clock:
    """True time."""

    def __init__(self, moment: datetime | float) -> None:
        self.now = moment if isinstance(moment, float) else moment.timestamp()

    def __call__(self) -> float:
        return self.now

    def advance(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration).total_seconds()


def make(
    profile: str | Profile = "SMR-5.5",
    moment: datetime | float = datetime(2026, 6, 15, 12, tzinfo=UTC),
    *,
    settings: dict[str, Any] | None = None,
    **fleet: Any,
) -> tuple[Meter, Clock]:
    """A meter and its time."""
    clock = Clock(moment)
    built = Fleet.build(1, profile, settings=FleetSettings(clock=clock, **(settings or {})), **fleet)
    return next(iter(built.meters.values())), clock


def read(meter: Meter, tag: str, attribute_id: int = 2, channel: int | None = None) -> Data:
    """An attribute by tag."""
    return decode(meter.get(meter.type.profile[tag].address_attribute(attribute_id, channel)))


def write(meter: Meter, tag: str, value: Data, attribute_id: int = 2, channel: int | None = None) -> None:
    """Set an attribute by tag."""
    meter.set(meter.type.profile[tag].address_attribute(attribute_id, channel), encode(value))


def stamps(meter: Meter, rows: Data) -> list[datetime]:
    """The clock column."""
    return [decode_date_time(row.value[0].value, meter.zone) for row in rows.value]


def column(rows: Data, place: int) -> list[Any]:
    """A column of simple values."""
    return [row.value[place].value for row in rows.value]
