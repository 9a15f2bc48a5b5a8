"""How the alarms of many meters are found: in rounds, ahead of their time, and each of them once."""

from typing import Any

import pytest

from osgp.simulator import Fleet, FleetSettings
from osgp.simulator.meter.alarm_bits import list_coming_alarms
from osgp.simulator.meter.meter import Meter
from osgp.simulator.push.orders import Order
from osgp.simulator.push.watch import HORIZON, ROUND, AlarmWatch

from ..meters import Clock
from .test_alarms import START

DAY = 86_400


def watch(count: int, clock: Clock, **settings: Any) -> tuple[Fleet, AlarmWatch, list[tuple[Meter, Order]]]:
    """A fleet, its watch, and what it has pushed."""
    fleet = Fleet.build(
        count,
        "SMR-5.1",
        settings=FleetSettings(clock=clock, push_to="192.0.2.1:9598", **settings),
    )
    pushed: list[tuple[Meter, Order]] = []
    return fleet, AlarmWatch(fleet, lambda meter, order: pushed.append((meter, order))), pushed


@pytest.mark.parametrize("step", [1.0, 600.0, 7_200.0])
def test_every_alarm_of_every_meter_comes_once(step: float) -> None:
    clock = Clock(START)
    fleet, watching, pushed = watch(4, clock, calm_from=None)
    # All meters are known before the time begins that is compared.
    for _ in range(int(ROUND) + 1):
        clock.advance(seconds=1)
        watching.tick(clock())
    assert all(meter.identification in watching._known_until for meter in fleet.meters.values())
    pushed.clear()
    since = clock.now
    span = 20 * DAY if step > 1 else DAY
    while clock.now < since + span:
        clock.advance(seconds=step)
        watching.tick(clock())
    expected = {
        (meter.identification, raised.register, raised.bit)
        for meter in fleet.meters.values()
        for raised in list_coming_alarms(meter, since, clock.now)
    }
    told = [
        (meter.identification, register, bit)
        for meter, order in pushed
        for register, bits in order.bits.items()
        for bit in range(32)
        if bits >> bit & 1
    ]
    if step > 1:
        assert len(expected) > 3
    assert set(told) == expected
    total = sum(len(list_coming_alarms(meter, since, clock.now)) for meter in fleet.meters.values())
    assert len(told) <= total
    if step <= HORIZON:
        assert len(told) == total


def test_meters_to_which_nothing_happens_are_left_alone() -> None:
    clock = Clock(START)
    fleet, watching, pushed = watch(50, clock)
    for _ in range(int(ROUND) + 1):
        clock.advance(seconds=1)
        watching.tick(clock())
    assert pushed == []
    assert not any(meter.is_touched for meter in fleet.meters.values())


def test_meters_of_other_fleets_are_left_out() -> None:
    clock = Clock(START)
    fleet, watching, pushed = watch(1, clock)
    stranger = Fleet.build(2, "SMR-5.1", settings=fleet.settings).meters["SIME0000000000002"]
    fleet.settings.alarms.is_watched = True
    for meter in (stranger, fleet.meters["SIME0000000000001"]):
        meter.record_event(clock.now, "TERMINAL_COVER_REMOVED")
        fleet.settings.alarms.ask(meter.identification, "PUSH_SETUP_SMS")
        fleet.settings.alarms.note_change(meter.identification)
    watching.tick(clock())
    assert [meter.identification for meter, _ in pushed] == ["SIME0000000000001"] * 2
    assert pushed[0][1].bits == {"ALARM_REGISTER_1": 1 << 13}
