"""A clock is off: what is due, and whose lease is over, the database's clock says."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from osgp.requests import states
from osgp.requests.models import Action, MeterSession, Request, RequestState, SessionState
from tests import processes
from tests.chaos.oddities import ODD_PYTHON
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
    ours = Request.objects.exclude(pk__in=[request.pk for request in early])

    def settled() -> bool:
        live = MeterSession.objects.filter(state__in=states.LIVE)
        return not ours.exclude(state=RequestState.SUCCEEDED).exists() and not live.exists()

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
    Action.objects.filter(request__in=waiting).delete()
    waiting.delete()
    work.check()
