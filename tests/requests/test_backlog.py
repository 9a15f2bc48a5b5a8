"""What dispatchers and visits look at while thousands of other meters have work waiting.

Right after so many requests were put in, PostgreSQL believes that there are as few as before: what visits and
dispatchers do all the time may not depend on its knowing better.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import families, live, snapshot
from osgp.requests import states, work
from osgp.requests.endpoints import make_endpoint
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState
from osgp.requests.states.tables import ACTIONS, DEVICES, REQUESTS, SESSIONS
from osgp.sql import Statement
from osgp.visits import hint_display
from tests.batches.crowds import make_crowd
from tests.factories import make_organisation, make_request
from tests.looked_at import rows_looked_at
from tests.quick_database import analyze, truncate
from tests.state_check import states_by_hand

CROWD = 10_000
ENDED = 100
"""Meters of the crowd whose work is done; the others wait."""
FORMER = 2
"""Requests of each meter of the crowd that were done long ago, if there are any."""
LIVE = 400
"""Meters of the crowd that are being visited, or about to be."""


@pytest.fixture(scope="module", params=["before", "by now", "before, with a past", "of a former crowd"])
def standing_crowd(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[list[Device]]:
    """Meters, each with a request that is due; the first ones have live sessions as well.

    PostgreSQL knows how many there are by now, or how few there were before: hardly any, or many, of which
    none waited. Or all meters had work when it last looked, and that was done since. What a test does with
    them is rolled back to where all of them find it.
    """
    with django_db_blocker.unblock():
        if connection.vendor != "postgresql":
            pytest.skip("SQLite chooses its plans by the indexes that there are, and does not count rows.")
        with transaction.atomic():
            yield _make_crowd(request.param)
            transaction.set_rollback(True)


@pytest.fixture
def crowd(standing_crowd: list[Device], db: None) -> list[Device]:
    return standing_crowd


@pytest.fixture
def organisation(crowd: list[Device]) -> Organisation:
    """Who owns the crowd."""
    return Organisation.objects.get()


def _make_crowd(known: str) -> list[Device]:
    # What tests before have rolled back may still make tables large, and plans depend on that.
    truncate()
    organisation = make_organisation()
    make_crowd(organisation, CROWD)
    meters = list(Device.objects.order_by("pk"))
    if known == "before, with a past":
        for _ in range(FORMER):
            _make_past(organisation, meters)
    ended, waiting = meters[:ENDED], meters[ENDED:]
    _make_past(organisation, ended)
    if known.startswith("before"):
        analyze()
    if known == "of a former crowd":
        _make_requests(organisation, meters)
        MeterSession.objects.bulk_create(_session(meter) for meter in meters[:LIVE])
        analyze()
        with states_by_hand():
            Request.objects.update(state=RequestState.SUCCEEDED, completed_at=timezone.now())
            Action.objects.update(state=ActionState.DONE)
            MeterSession.objects.update(state=SessionState.CLOSED)
    _make_requests(organisation, waiting)
    MeterSession.objects.bulk_create(_session(meter) for meter in waiting[:LIVE])
    if known == "by now":
        analyze()
    return waiting


def _make_past(organisation: Organisation, meters: list[Device]) -> None:
    now = timezone.now()
    _make_requests(organisation, meters, state=RequestState.SUCCEEDED, completed_at=now)
    MeterSession.objects.bulk_create(
        _session(meter, state=SessionState.CLOSED, closed_at=now) for meter in meters
    )


def _columns_but(model: type[Model], *told: str) -> str:
    """The columns of a table, without its key and those that are told."""
    names = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    return ", ".join(name for name in names if name not in told)


_REQUEST = _columns_but(Request, "correlation_uid", "device_id", "meter_id", "device_identification")
_SAME_REQUEST = Statement(
    f"""
    INSERT INTO {REQUESTS} (correlation_uid, device_id, meter_id, device_identification, {_REQUEST})
    SELECT gen_random_uuid(), device.id, device.id, device.identification, {_REQUEST}
      FROM (SELECT {_REQUEST} FROM {REQUESTS} WHERE id = %s) AS request
           CROSS JOIN (SELECT id, identification FROM {Device._meta.db_table}) AS device
     WHERE device.id > %s AND device.id <= %s
     ORDER BY device.id
    """  # noqa: S608 (names of tables and their columns)
)
_ACTION = _columns_but(Action, "request_id", "device_id")
_SAME_ACTION = Statement(
    f"""
    INSERT INTO {ACTIONS} (request_id, device_id, {_ACTION})
    SELECT request.id, request.device_id, {_ACTION}
      FROM (SELECT {_ACTION} FROM {ACTIONS} WHERE request_id = %s) AS action
           CROSS JOIN (SELECT id, device_id FROM {REQUESTS}) AS request
     WHERE request.id > %s
     ORDER BY request.id
    """  # noqa: S608 (likewise)
)


def _make_requests(organisation: Organisation, meters: list[Device], **fields: Any) -> None:
    """One of each meter. The database copies the first one's for the others, in the order of the meters."""
    first = make_request(organisation, meters[0], **fields)
    assert _SAME_REQUEST.execute(first.pk, meters[0].pk, meters[-1].pk) == len(meters) - 1
    assert _SAME_ACTION.execute(first.pk, first.pk) == len(meters) - 1


def _session(meter: Device, **fields: Any) -> MeterSession:
    now = timezone.now()
    endpoint = make_endpoint(meter.network_address, meter.port, meter.logical_device_address)
    until = now + timedelta(minutes=1)
    return MeterSession(meter=meter, endpoint=endpoint, opened_at=now, expires_at=until, **fields)


def test_a_visit_looks_at_its_own_meter_alone(crowd: list[Device]) -> None:
    session = MeterSession.objects.get(meter=crowd[LIVE // 2], state=SessionState.OPENED)
    with rows_looked_at() as looked_at:
        claimed = states.claim_and_take(session.pk, session.token, "worker", 100)
    assert claimed is not None
    [[action]] = claimed[1]
    assert looked_at[REQUESTS] + looked_at[ACTIONS] + looked_at[SESSIONS] <= 10, looked_at

    with rows_looked_at() as looked_at:
        assert states.take_more_urgent(session.pk, session.meter_id, 3, 100) == 0
    assert looked_at[REQUESTS] + looked_at[ACTIONS] + looked_at[SESSIONS] <= 5, looked_at

    with rows_looked_at() as looked_at:
        assert states.take_requests(session.pk, session.meter_id, 100) == 0
        assert states.succeed(action.request.pk, action.pk, session.pk, session.meter_id, {}) is not None
        assert states.close_after_success(session.pk, round_trips=1, bytes_sent=1, bytes_received=1)
    assert looked_at[REQUESTS] + looked_at[ACTIONS] + looked_at[SESSIONS] <= 10, looked_at


def test_a_visit_that_does_not_succeed_looks_at_its_own_meter_alone(crowd: list[Device]) -> None:
    session = MeterSession.objects.get(meter=crowd[LIVE // 3], state=SessionState.OPENED)
    meter_id, delay, fault = session.meter_id, timedelta(seconds=60), {"retryable": True}
    _run_next_to_others(crowd)
    with rows_looked_at() as looked_at:
        claimed = states.claim(session.pk, session.token, "worker")
        assert claimed == (meter_id, session.endpoint)
        assert states.postpone_suspects(meter_id, delay) == 0
        assert states.take_requests(session.pk, meter_id, 100, suspects=True) == 1
        [[action]] = work.list_unfinished(session.pk)
    assert looked_at[REQUESTS] + looked_at[ACTIONS] + looked_at[SESSIONS] <= 20, looked_at

    with rows_looked_at() as looked_at:
        assert states.start_action(action.pk, session.pk)
        assert states.is_started(action.pk, session.pk)
        assert states.finish_action(action.pk, session.pk, ActionState.FAULT, result=None, fault=fault)
        assert states.has_outcome(action.pk, session.pk)
    assert looked_at[REQUESTS] + looked_at[ACTIONS] + looked_at[SESSIONS] <= 20, looked_at

    with rows_looked_at() as looked_at:
        assert states.retry_request(action.request.pk, session.pk, delay, fault=fault, priority=3)
        states.reopen_actions([action.request.pk], session.pk)
        assert states.hand_back(session.pk) == 0
        assert states.fail_running(session.pk, fault) == 0
        assert states.close(session.pk, fault=fault)
    assert looked_at[REQUESTS] + looked_at[ACTIONS] + looked_at[SESSIONS] <= 20, looked_at


def _run_next_to_others(crowd: list[Device]) -> None:
    """Let the other meters that have live sessions be visited: their requests run."""
    others = MeterSession.objects.filter(state=SessionState.OPENED).exclude(meter=crowd[LIVE // 3])
    for session in others:
        assert states.claim_and_take(session.pk, session.token, "another", 100) is not None


def test_opening_sessions_looks_at_no_more_than_it_opens_and_what_is_in_front(crowd: list[Device]) -> None:
    wanted = 50
    with rows_looked_at() as looked_at:
        opened = states.open_sessions(wanted).sessions
    assert [session.meter_id for session in opened] == [meter.pk for meter in crowd[LIVE:][:wanted]]
    assert looked_at[REQUESTS] <= LIVE + 3 * wanted, looked_at
    # The live ones are counted as well, among former ones if the index still has these.
    assert looked_at[SESSIONS] <= 3 * LIVE + 3 * wanted, looked_at


def test_devices_of_one_endpoint_in_front_are_looked_at_once_or_twice_a_round(crowd: list[Device]) -> None:
    """Of a thousand device rows for one meter one is visited, and the others wait while that lasts."""
    shared, wanted = 1000, 50
    twins, others = crowd[LIVE : LIVE + shared], crowd[LIVE + shared :]
    Device.objects.filter(pk__in=[meter.pk for meter in twins]).update(network_address="twin.invalid")
    for expected in ([twins[0], *others[: wanted - 1]], others[wanted - 1 : 2 * wanted - 1]):
        with rows_looked_at() as looked_at:
            opened = states.open_sessions(wanted).sessions
        assert [session.meter_id for session in opened] == [meter.pk for meter in expected]
        assert looked_at[REQUESTS] <= 2 * (LIVE + shared + 3 * wanted), looked_at
        assert looked_at[SESSIONS] <= 2 * (LIVE + shared + 3 * wanted), looked_at
        assert looked_at[DEVICES] <= 2 * (shared + 3 * wanted), looked_at


def test_looking_for_more_urgent_work_looks_at_opened_meters_alone(
    crowd: list[Device], organisation: Organisation
) -> None:
    make_request(organisation, crowd[7], priority=9, effective_priority=9)
    with rows_looked_at() as looked_at:
        hurried = states.hurry_sessions()
    assert [(session.meter_id, session.priority) for session in hurried] == [(crowd[7].pk, 9)]
    assert looked_at[REQUESTS] <= 3 * LIVE, looked_at
    assert looked_at[SESSIONS] <= 3 * LIVE, looked_at


def test_a_request_that_needs_no_meter_is_found_among_those_that_do(
    crowd: list[Device], organisation: Organisation
) -> None:
    request = make_request(organisation, crowd[7], meter=None)
    with rows_looked_at() as looked_at:
        assert states.find_due_platform_requests().exists()
        chosen = states.choose_platform_request()
        assert chosen is not None
        assert chosen.pk == request.pk
        states.leave_platform_request(chosen)
        assert states.choose_platform_request() is not None
        assert states.find_chosen_platform_request(chosen).exists()
        assert states.start_platform_request(request)
    assert looked_at[REQUESTS] <= 20, looked_at


def test_a_scrape_looks_at_the_oldest_of_those_that_wait(crowd: list[Device]) -> None:
    with rows_looked_at() as looked_at:
        ages = {family.name: samples for family, samples in live.read_figures()}
    assert max(sample.value for sample in ages[families.QUEUE_AGE.name]) > 0
    assert looked_at[REQUESTS] <= 20, looked_at


def test_counting_what_waits_looks_at_nothing_else(crowd: list[Device]) -> None:
    with rows_looked_at() as looked_at:
        assert snapshot.refresh()
    # All requests are more only where many are over, which the database then knows.
    assert looked_at[REQUESTS] <= 2 * CROWD + ENDED, looked_at


def test_hints_look_at_the_work_of_their_meters_alone(crowd: list[Device]) -> None:
    """Once the database knows how many others there are; before, it looks through all that wait, once.

    The last of these tests, as the database does not forget what it learns here.
    """
    analyze()
    sessions = list(MeterSession.objects.filter(state=SessionState.OPENED).order_by("opened_at")[:50])
    with rows_looked_at() as looked_at:
        shown = hint_display.describe_hints(sessions)
    assert set(shown) == {session.pk for session in sessions}
    assert looked_at[REQUESTS] <= 150, looked_at
