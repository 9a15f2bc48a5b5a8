"""A process that is frozen in the middle of a transaction keeps nobody from taking over what it held."""

import os
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.database_settings import database
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import MeterSession, RequestState, SessionState
from tests.factories import make_request

pytestmark = pytest.mark.django_db(transaction=True)


def test_its_sessions_are_taken_back(organisation: Organisation, device: Device) -> None:
    request = make_request(organisation, device)
    (session,) = states.open_sessions(1).sessions
    assert states.claim_and_take(session.pk, session.token, "frozen", 1)
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    if connection.vendor == "postgresql":
        url = os.environ["DATABASE_URL"]
        soon_ended = database(url, settings.VAR_DIR, idle_transaction=0.5)["OPTIONS"]
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
