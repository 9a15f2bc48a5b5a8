"""Two workers that decode at the same time: one group for a storm, and rules keep their limits."""

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from osgp.accounts.models import Organisation
from osgp.alarms import housekeeping, rules, storing
from osgp.alarms.acknowledging import acknowledge
from osgp.alarms.models import Alarm, AlarmGroup, AlarmRule
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device
from osgp.requests.models import Request
from tests.alarms.pushing import RECEIVED_AT
from tests.devices.concurrency import at_once

pytestmark = pytest.mark.django_db(transaction=True)

ALARM = "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_1"
FEW_SECONDS = 10.0


@pytest.fixture(autouse=True)
def only_where_two_can_write() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")


def while_another_has_not_committed(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Have another process's transaction do ``second`` before that of ``first`` ends."""
    begun = threading.Event()

    def other() -> None:
        try:
            with transaction.atomic():
                begun.set()
                second()
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        first()
        thread.start()
        begun.wait(FEW_SECONDS)
        thread.join(0.5)
    thread.join(FEW_SECONDS)
    assert not thread.is_alive()


def new_alarm(device: Device) -> list[NewAlarm]:
    return [NewAlarm(device, RECEIVED_AT, "Push alarm monitor", (ALARM,))]


def test_a_storm_begins_with_one_group(device: Device) -> None:
    while_another_has_not_committed(
        lambda: storing.store(new_alarm(device)), lambda: storing.store(new_alarm(device))
    )
    [group] = AlarmGroup.objects.all()
    assert (group.number, group.unacknowledged) == (2, 2)


def test_a_rule_keeps_to_its_limit(organisation: Organisation, device: Device) -> None:
    rule = {"organisation": organisation, "alarm_type": ALARM, "message": "ScanMbusChannels"}
    AlarmRule.objects.create(name="scan", **rule)
    with transaction.atomic():
        alarms = [storing.store(new_alarm(device)) for _ in range(2)]
    while_another_has_not_committed(lambda: rules.apply(alarms[0]), lambda: rules.apply(alarms[1]))
    assert Request.objects.count() == 1


@pytest.mark.parametrize("is_acknowledged", [True, False], ids=["acknowledging", "housekeeping"])
def test_groups_are_locked_in_one_order(device: Device, settings: Any, is_acknowledged: bool) -> None:
    """Neither waits for the other in a circle, which PostgreSQL would end with an error."""
    settings.OSGP = settings.OSGP | {"ALARM_RETENTION": timedelta(days=1)}
    for kind in ("B", "A"):  # The keys of the groups are in another order than their kinds.
        with transaction.atomic():
            storing.store([NewAlarm(device, RECEIVED_AT, "ALARM", (kind,))])
    both_hold_one = threading.Barrier(2)

    def meet(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        """Once one group is locked, wait until the other holds one, too, or cannot."""
        result = execute(sql, *rest)
        if sql.startswith('UPDATE "alarms_alarmgroup"'):
            with contextlib.suppress(threading.BrokenBarrierError):
                both_hold_one.wait(1)
        return result

    def work(number: int) -> int:
        with connection.execute_wrapper(meet):
            if number:
                with transaction.atomic():
                    new = [NewAlarm(device, RECEIVED_AT, "ALARM", (kind,)) for kind in ("B", "A")]
                    return len(storing.store(new))
            return (
                acknowledge(Alarm.objects.all(), "piet") if is_acknowledged else housekeeping.delete_alarms()
            )

    assert at_once(2, work) == [2, 2]
    assert set(AlarmGroup.objects.values_list("number", "unacknowledged")) == {
        (2, 1) if is_acknowledged else (1, 1)
    }
