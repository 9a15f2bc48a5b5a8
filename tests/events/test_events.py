"""Events of completed requests, whatever ends these, and the positions that events get."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.events import housekeeping, numbering
from osgp.events.models import Event, EventKind, EventSequence
from osgp.processes import retention
from osgp.requests import completion_events
from osgp.requests.models import FINAL_STATES, Request, RequestState
from tests.state_check import states_by_hand


def _make_organisation(name: str = "UTILITY") -> Organisation:
    return Organisation.objects.get_or_create(identification=name, defaults={"name": name})[0]


def _make_request(state: RequestState = RequestState.QUEUED, **values: object) -> Request:
    now = timezone.now()
    return Request.objects.create(
        organisation=_make_organisation(),
        message="SynchronizeTime",
        device_identification="SIME1",
        state=state,
        due_at=now,
        created_at=now,
        **values,
    )


def _make_event() -> Event:
    return Event.objects.create(
        organisation=_make_organisation(), kind=EventKind.SYSTEM_EVENT, subject=uuid.uuid4()
    )


@pytest.mark.django_db
@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_request_that_ends_makes_one_event(state: str) -> None:
    request = _make_request(response_url="https://receiver.example/hook")
    with states_by_hand():
        Request.objects.filter(pk=request.pk).update(state=RequestState.RUNNING)
        assert not Event.objects.exists()
        Request.objects.filter(pk=request.pk).update(state=state)
        Request.objects.filter(pk=request.pk).update(state=state, attempts=2)
    event = Event.objects.get()
    assert event.kind == "request.completed"
    assert event.organisation == request.organisation
    assert event.subject == request.correlation_uid
    assert event.device_identification == "SIME1"
    assert event.response_url == "https://receiver.example/hook"
    assert event.position is None
    assert event.fetched_at is None
    assert abs(event.created_at - timezone.now()) < timedelta(minutes=1)
    assert event.body == {
        "type": "request.completed",
        "data": {
            "correlation_uid": str(request.correlation_uid),
            "device_identification": "SIME1",
            "message": "SynchronizeTime",
            "status": state,
        },
    }


@pytest.mark.django_db
def test_a_request_that_ends_at_once_makes_one_too() -> None:
    request = _make_request(RequestState.SUCCEEDED, completed_at=timezone.now())
    assert Event.objects.get().subject == request.correlation_uid


@pytest.mark.django_db(transaction=True)
def test_the_event_is_stored_with_the_outcome_or_not_at_all() -> None:
    request = _make_request()
    with transaction.atomic():
        Request.objects.filter(pk=request.pk).update(state=RequestState.CANCELLED)
        assert Event.objects.count() == 1
        transaction.set_rollback(True)
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_triggers_that_a_migration_lost_are_created_again() -> None:
    if connection.vendor == "postgresql":
        completion_events.drop(connection)
        completion_events.create(connection)
    else:
        completion_events.drop(connection)
        completion_events.create_lost()
    _make_request(RequestState.SUCCEEDED, completed_at=timezone.now())
    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_positions_follow_one_another() -> None:
    first, second = _make_event(), _make_event()
    assert numbering.find_last_position() == 0
    assert numbering.number_new() == 2
    third = _make_event()
    assert numbering.number_new() == 1
    assert numbering.number_new() == 0
    positions = dict(Event.objects.values_list("pk", "position"))
    assert positions == {first.pk: 1, second.pk: 2, third.pk: 3}
    assert numbering.find_last_position() == 3


@pytest.mark.django_db
def test_positions_go_on_when_all_events_are_forgotten() -> None:
    _make_event()
    numbering.number_new()
    Event.objects.all().delete()
    event = _make_event()
    numbering.number_new()
    event.refresh_from_db()
    assert event.position == 2


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_committed_late_comes_after_those_that_were_read() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    begun, read = threading.Event(), threading.Event()

    def commit_late() -> None:
        try:
            with transaction.atomic():
                _make_event()
                begun.set()
                assert read.wait(10)
        finally:
            connection.close()

    _make_organisation()
    thread = threading.Thread(target=commit_late)
    thread.start()
    assert begun.wait(10)
    early = _make_event()
    assert numbering.number_new() == 1
    read.set()
    thread.join(10)
    assert numbering.number_new() == 1
    [before, after] = Event.objects.order_by("position")
    assert before == early
    assert after.pk < early.pk


@pytest.mark.django_db(transaction=True)
def test_only_one_process_gives_positions_at_a_time() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    EventSequence.objects.create(pk=numbering.ROW)
    _make_event()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                EventSequence.objects.select_for_update().get()
                held.set()
                assert done.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    assert numbering.number_new() == 0
    done.set()
    thread.join(10)
    assert numbering.number_new() == 1


@pytest.mark.django_db
def test_events_are_forgotten_after_their_retention() -> None:
    old, new, late = (_make_event() for _ in range(3))
    long_ago = timezone.now() - timedelta(days=4)
    Event.objects.filter(pk__in=(old.pk, late.pk)).update(created_at=long_ago)
    numbering.number_new()
    [kind] = [kind for kind in retention.list_kinds() if kind.name == housekeeping.KIND]
    assert kind.is_due()
    assert kind.delete_slice() == 1
    assert not kind.is_due()
    assert kind.delete_slice() == 0
    assert list(Event.objects.all()) == [new, late], "those behind one that is kept leave no hole"
