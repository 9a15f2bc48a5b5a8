"""Acknowledging slice by slice: up to a bound, and nothing twice."""

import pytest
from django.db import transaction
from django.utils import timezone

from osgp.alarms import acknowledging, storing
from osgp.alarms.acknowledging import acknowledge
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.alarms.storing import NewAlarm
from osgp.devices.models import Device

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(device: Device, monkeypatch: pytest.MonkeyPatch) -> AlarmGroup:
    """Seven alarms, in slices of two."""
    monkeypatch.setattr(acknowledging, "SLICE", 2)
    with transaction.atomic():
        storing.store([NewAlarm(device, timezone.now(), "ALARM", ["POWER_UP"]) for _ in range(7)])
    return AlarmGroup.objects.get()


def test_all_of_them(group: AlarmGroup) -> None:
    assert acknowledge(Alarm.objects.all(), "piet", "seen") == 7
    group.refresh_from_db()
    assert group.unacknowledged == 0
    assert acknowledge(Alarm.objects.all(), "jan") == 0
    assert set(Alarm.objects.values_list("acknowledged_by", "note")) == {("piet", "seen")}


def test_a_bound_in_full_slices(group: AlarmGroup) -> None:
    assert acknowledge(Alarm.objects.all(), "piet", most=3) == 4
    group.refresh_from_db()
    assert group.unacknowledged == 3
    assert acknowledge(Alarm.objects.all(), "jan", most=100) == 3


def test_only_what_had_come_when_it_was_begun(group: AlarmGroup) -> None:
    last = Alarm.objects.order_by("pk")[4].pk
    alarms = acknowledging.list_alarms_to_acknowledge(None, [group.pk], last)
    assert acknowledge(alarms, "piet") == 5
    assert acknowledge(acknowledging.list_alarms_to_acknowledge(None, [group.pk + 1], last + 9), "piet") == 0
