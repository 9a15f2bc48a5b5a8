"""Alarms past their retention: they go in slices, and their groups count those that are left."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from osgp.alarms import housekeeping, keeping
from osgp.alarms.acknowledging import acknowledge
from osgp.alarms.models import Alarm, AlarmGroup, PushOutcome, ReceivedPush
from osgp.alarms.storing import QUIET, NewAlarm, store
from osgp.devices.models import Device
from osgp.processes import retention
from tests.alarms.pushing import SOURCE, receive

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def a_day(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"ALARM_RETENTION": DAY}


def come(device: Device, ago: timedelta, number: int = 1) -> list[Alarm]:
    return store([NewAlarm(device, timezone.now() - ago, "ALARM", ("POWER_UP",)) for _ in range(number)])


def counts() -> list[tuple[int, int]]:
    return list(AlarmGroup.objects.order_by("pk").values_list("number", "unacknowledged"))


def test_a_group_that_goes_on_counts_what_is_left(device: Device) -> None:
    """Such as the alarms of a network of which there are some every hour."""
    old = come(device, DAY + QUIET / 2, 3)
    acknowledge(Alarm.objects.filter(pk=old[0].pk), "operator")
    come(device, DAY - QUIET / 4, 2)
    assert counts() == [(5, 4)]
    assert housekeeping.delete_alarms() == 3
    assert counts() == [(2, 2)]
    assert acknowledge(Alarm.objects.all(), "operator") == 2
    assert counts() == [(2, 0)]


def test_a_group_goes_after_its_alarms(
    device: Device, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(retention, "SLICE", 4)
    come(device, 3 * DAY, 10)
    assert retention.is_due()
    assert housekeeping.delete_groups() == 0
    with django_assert_max_num_queries(10):
        assert housekeeping.delete_alarms() == 4
    assert counts() == [(6, 6)]
    while retention.delete_slices():
        pass
    assert not Alarm.objects.exists()
    assert not AlarmGroup.objects.exists()
    assert not retention.is_due()


def test_what_is_not_old_stays(device: Device) -> None:
    come(device, DAY / 2, 2)
    assert not retention.is_due()
    assert (housekeeping.delete_alarms(), housekeeping.delete_groups()) == (0, 0)
    assert counts() == [(2, 2)]


def test_pushes_go_without_their_octets(device: Device, settings: Settings) -> None:
    """A slice of the longest ones would be 64 MB."""
    settings.OSGP = settings.OSGP | {"PUSH_RETENTION": DAY}
    old = [receive(b"old", received_at=timezone.now() - 2 * DAY) for _ in range(3)]
    new = receive(b"new", received_at=timezone.now())
    [alarm] = store([NewAlarm(device, timezone.now(), "ALARM", ("POWER_UP",), push_id=old[0].pk)])
    [pushes] = [kind for kind in retention.list_kinds() if kind.name == "pushes"]
    with CaptureQueriesContext(connection) as queries:
        assert pushes.delete_slice() == 3
    assert not [query["sql"] for query in queries if "octets" in query["sql"]]
    assert list(ReceivedPush.objects.all()) == [new]
    alarm.refresh_from_db()
    assert alarm.push_id is None


def test_pushes_of_strangers_go_without_their_octets() -> None:
    strange = [receive(b"strange", outcome=PushOutcome.UNKNOWN_SENDER) for _ in range(5)]
    with CaptureQueriesContext(connection) as queries:
        keeping._forget_beyond(SOURCE, 2)
    assert not [query["sql"] for query in queries if "octets" in query["sql"]]
    assert set(ReceivedPush.objects.all()) == set(strange[3:])
