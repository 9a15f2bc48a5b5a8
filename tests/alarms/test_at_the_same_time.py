"""Two workers that decode at the same time: one group for a storm, and rules keep their limits."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from osgp.accounts.models import Organisation
from osgp.alarms import rules, storing
from osgp.alarms.models import AlarmGroup, AlarmRule
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device
from osgp.requests.models import Request
from tests.alarms.pushing import RECEIVED_AT

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
