"""A clock is off: what is due, and whose lease is over, the database's clock says."""

import time
from datetime import UTC, timedelta

import pytest
from django.utils import timezone

from osgp.protocol_dlms import CosemDateTime
from osgp.requests import states
from osgp.requests.models import Action, MeterSession, Request, RequestState, SessionState
from tests import processes
from tests.chaos.oddities import ODD_PYTHON, SYSTEM_DATETIME
from tests.chaos.promises import ENVIRONMENT, Work

pytestmark = pytest.mark.django_db(transaction=True)

FIVE_MINUTES = 300


@pytest.mark.parametrize("seconds", [FIVE_MINUTES, -FIVE_MINUTES])
def test_clocks_that_are_five_minutes_off(work: Work, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """One that is fast begins nothing early, and keeps its leases; one that is slow begins nothing late."""
    work.ask_all()
    soon = [work.ask(device, "ActualMeterReads", delay=2) for device in work.devices]
    # As the fast clock sees it, this was due minutes ago.
    early = [work.ask(device, "ActualMeterReads", delay=FIVE_MINUTES / 2) for device in work.devices]
    overdue = [
        work.ask(
            device,
            "ActualMeterReads",
            max_schedule_time=timezone.now() + timedelta(seconds=FIVE_MINUTES * 0.9),
        )
        for device in work.devices
    ]
    # Such a worker sets no clocks; the other one does.
    setting = [work.ask(device, "SynchronizeTime", bypass_retry=True) for device in work.devices]
    set_clocks = Request.objects.filter(pk__in=[request.pk for request in setting])
    ours = Request.objects.exclude(pk__in=[request.pk for request in early + setting])

    def settled() -> bool:
        live = MeterSession.objects.filter(state__in=states.LIVE)
        unset = set_clocks.exclude(state__in=(RequestState.SUCCEEDED, RequestState.FAILED))
        pending = ours.exclude(state=RequestState.SUCCEEDED) | unset
        return not pending.exists() and not live.exists()

    if processes.are_shared():
        odd = ENVIRONMENT | ODD_PYTHON | {"ODD_CLOCK": str(seconds)}
        with processes.dispatcher(**odd), processes.worker(**odd), processes.worker(**ENVIRONMENT):
            processes.eventually(settled, "an outcome of all that is due")
    else:
        system_now, system_time = timezone.now, time.time
        monkeypatch.setattr(timezone, "now", lambda: system_now() + timedelta(seconds=seconds))
        monkeypatch.setattr(time, "time", lambda: system_time() + seconds)
        with processes.running():
            processes.eventually(settled, "an outcome of all that is due")
    assert set(ours.values_list("attempts", "crashes")) == {(1, 0)}
    assert {request.pk for request in soon + overdue} <= set(ours.values_list("pk", flat=True))
    waiting = Request.objects.filter(pk__in=[request.pk for request in early])
    assert set(waiting.values_list("state", "attempts")) == {(RequestState.SCHEDULED, 0)}
    assert not MeterSession.objects.filter(state=SessionState.LOST).exists()
    check_clocks_of_meters(work)
    refused = set_clocks.filter(state=RequestState.FAILED)
    assert all(f"differ by {FIVE_MINUTES}." in request.fault["message"] for request in refused)
    if not processes.are_shared():
        assert refused.count() == len(work.devices)
    for done in (waiting, refused):
        Action.objects.filter(request__in=done).delete()
        done.delete()
    work.check()


def check_clocks_of_meters(work: Work) -> None:
    """They were right before, and nobody has set them wrong."""
    for device in work.devices:
        octets = work.simulator.meters[device.identification].get(
            device.profile["CLOCK"].address_attribute(2)
        )
        shown = CosemDateTime.from_bytes(octets[2:]).to_datetime()
        assert shown is not None
        assert abs(shown - SYSTEM_DATETIME.now(UTC)) < timedelta(seconds=FIVE_MINUTES / 2)
