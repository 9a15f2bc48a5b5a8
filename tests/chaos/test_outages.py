"""RabbitMQ and PostgreSQL go away in mid-work and come back.

The embedded default has neither. There the broker refuses messages for a while instead, and somebody else
keeps the database file locked.
"""

import sqlite3
import time
from typing import Any

import pytest
from django.db import connection
from kombu import Producer
from kombu.exceptions import OperationalError

from osgp.accounts.models import Organisation
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from tests import factories, processes
from tests.chaos import promises, servers
from tests.chaos.promises import ENVIRONMENT, Work

pytestmark = pytest.mark.django_db(transaction=True)

OUTAGE = 30.0
"""Seconds without a broker."""


def has_begun() -> bool:
    return Request.objects.filter(state=RequestState.RUNNING).exists()


def test_the_broker_is_stopped_and_started_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    # Something becomes due before the outage, all through it and after it.
    outage = OUTAGE if processes.are_shared() else 3.0
    for seconds in range(0, int(outage) + 15, 3):
        work.ask_all(delay=seconds or -5)
    if processes.are_shared():
        with servers.own_broker() as broker:
            environment = ENVIRONMENT | {"BROKER_URL": broker.url}
            with (
                processes.dispatcher(**environment) as dispatcher,
                processes.worker(**environment) as first,
                processes.worker(**environment) as second,
            ):
                processes.eventually(has_begun, "visits")
                broker.stop()
                time.sleep(outage)
                broker.start()
                work.settle()
                assert all(process.is_alive() for process in (dispatcher, first, second))
                # Whoever survived it can also still be asked to end.
                assert [process.stop() for process in (first, second, dispatcher)] == [0, 0, 0]
    else:
        with processes.running():
            processes.eventually(has_begun, "visits")
            with monkeypatch.context() as patch:
                patch.setattr(Producer, "publish", _refuse)
                time.sleep(outage)
            work.settle()
    outcomes = set(Request.objects.values_list("attempts", "crashes", "state"))
    assert outcomes == {(1, 0, "SUCCEEDED")}


def test_the_database_is_restarted_in_mid_work(
    transactional_db: None, organisation: Organisation, short_times: None, request: pytest.FixtureRequest
) -> None:
    if processes.are_shared():
        with servers.own_database() as database:
            if not isinstance(database, servers.ProxiedServer):
                organisation = factories.make_organisation("TENANT")
            with promises.fleet(organisation) as work:
                _ask_for_a_while(work)
                environment = ENVIRONMENT | {"DATABASE_URL": database.url}
                with (
                    processes.dispatcher(**environment) as dispatcher,
                    processes.worker(**environment) as first,
                    processes.worker(**environment) as second,
                ):
                    processes.eventually(has_begun, "visits")
                    database.stop()
                    time.sleep(3)
                    database.start()
                    connection.close()
                    work.settle()
                    assert all(process.is_alive() for process in (dispatcher, first, second))
                # The leases lasted longer than the outage: nobody has lost anything by it.
                assert nothing_was_lost()
    else:
        work = request.getfixturevalue("work")
        _ask_for_a_while(work)
        with processes.running():
            processes.eventually(has_begun, "visits")
            lock = sqlite3.connect(connection.settings_dict["NAME"], timeout=30)
            lock.execute("BEGIN EXCLUSIVE")
            time.sleep(3)
            lock.rollback()
            lock.close()
            work.settle()
        assert nothing_was_lost()


def nothing_was_lost() -> bool:
    """No lease was, and nothing counts as a crash."""
    lost = MeterSession.objects.filter(state=SessionState.LOST)
    return not lost.exists() and not Request.objects.filter(crashes__gt=0).exists()


def _ask_for_a_while(work: Work) -> None:
    for seconds in range(0, 12, 3):
        work.ask_all(delay=seconds or -5)


def _refuse(*_: Any, **__: Any) -> None:
    raise OperationalError("the broker is not there")
