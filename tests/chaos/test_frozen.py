"""A process that is frozen keeps nobody from taking over what it held, and lets go of it when it goes on."""

import os
import signal
import threading
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.database_settings import make_database_settings
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import MeterSession, RequestState, SessionState
from osgp.simulator.faults import FaultKind
from osgp.visits.dispatcher import Dispatcher
from osgp.visits.leases import keeper
from osgp.visits.visit import visit_meter
from tests import meters, processes
from tests.chaos.promises import MORTAL, Work
from tests.factories import make_request

pytestmark = pytest.mark.django_db(transaction=True)


def test_its_sessions_are_taken_back(organisation: Organisation, device: Device) -> None:
    request = make_request(organisation, device)
    (session,) = states.open_sessions(1).sessions
    assert states.claim_and_take(session.pk, session.token, "frozen", 1)
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    if connection.vendor == "postgresql":
        url = os.environ["DATABASE_URL"]
        soon_ended = make_database_settings(url, settings.VAR_DIR, idle_transaction=0.5)["OPTIONS"]
        with closing(psycopg2.connect(**connection.get_connection_params() | soon_ended)) as frozen:
            frozen.cursor().execute("UPDATE requests_request SET fault = NULL WHERE id = %s", [request.pk])
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '60s'")  # Instead of a test that hangs.
            assert states.reap() == 1
    else:
        assert states.reap() == 1
    request.refresh_from_db()
    assert request.state == RequestState.RETRYING
    assert set(MeterSession.objects.values_list("state", flat=True)) == {SessionState.LOST}


def test_it_hangs_up_first_thing_when_it_goes_on(work: Work) -> None:
    """Until then its association keeps everybody else from the meter: that cannot be helped."""
    device = work.devices[0]
    meter = work.simulator.meters[device.identification]
    if processes.are_shared():
        work.ask(device, "LongStep")
        with processes.worker(**MORTAL) as worker:
            Dispatcher().tick()
            # The first GET asked for the invocation counter, the next one is the step's.
            processes.eventually(lambda: meter.memory.statistics.gets >= 2, "the step to begin")
            worker.send(signal.SIGSTOP)
            _lose_the_lease()
            assert meter.memory.associated is not None
            worker.send(signal.SIGCONT)
            processes.eventually(lambda: meter.memory.associated is None, "the meter to be free")
            assert worker.is_alive()
    else:
        # Threads cannot be frozen; one that waits for its meter knows as little of what goes on.
        meter.faults.switch_on(FaultKind.HANG)
        work.ask(device, "ActualMeterReads")
        session = meters.open_session(device)
        visit = threading.Thread(target=visit_meter, args=(session.pk, session.token, "frozen"))
        visit.start()
        processes.eventually(lambda: meter.memory.statistics.faults, "the visit to wait")
        _lose_the_lease()
        keeper._extend(dict(keeper._leases))
        visit.join()
        processes.eventually(lambda: meter.memory.associated is None, "the meter to be free")
    assert set(MeterSession.objects.values_list("state", flat=True)) == {SessionState.LOST}


def _lose_the_lease() -> None:
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert states.reap() == 1
