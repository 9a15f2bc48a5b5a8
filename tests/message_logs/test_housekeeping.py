"""Message logs are forgotten after their retention, and in no other way."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.message_logs import tasks
from osgp.message_logs.models import MessageLog
from osgp.processes import retention
from osgp.requests.models import MeterSession
from tests.factories import make_device
from tests.message_logs.test_reading import fill


@pytest.fixture(autouse=True)
def _retention(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"MESSAGE_LOG_RETENTION": timedelta(days=2)}


@pytest.mark.django_db(transaction=True)
def test_what_is_past_its_retention_is_forgotten(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLICE", 4)
    assert not retention.is_due()
    now = timezone.now()
    fill(device, 10, at=now - timedelta(days=2, seconds=5))
    fill(device, 3, at=now - timedelta(days=1, hours=23))
    assert retention.is_due()
    tasks.forget(unknown="argument")
    assert not retention.is_due()
    assert MessageLog.objects.count() == 3


def test_a_log_outlives_its_visit(device: Device) -> None:
    rows = fill(device, 2)
    MeterSession.objects.all().delete()
    assert MessageLog.objects.filter(session_id=rows[0].session_id).count() == 2


def test_a_log_goes_with_its_device(organisation: Organisation, device: Device) -> None:
    fill(device, 2)
    fill(make_device("OTHER"), 3)
    MeterSession.objects.all().delete()
    device.authorisations.all().delete()
    device.delete()
    assert MessageLog.objects.count() == 3
