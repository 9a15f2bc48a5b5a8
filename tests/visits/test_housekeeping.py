"""What is past its retention is forgotten, and nothing else."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import rollup
from osgp.requests.models import Action, IdempotencyKey, MeterSession, Request, RequestState, SessionState
from osgp.requests.states.tables import REQUESTS, SESSIONS
from osgp.visits import housekeeping, tasks
from tests import factories
from tests.looked_at import rows_looked_at
from tests.quick_database import analyze

pytestmark = pytest.mark.django_db

OLD = timedelta(days=8)
YOUNG = timedelta(days=6)


def request(organisation: Organisation, device: Device, age: timedelta, state: RequestState) -> Request:
    then = timezone.now() - age
    session = MeterSession.objects.create(
        meter=device, state=SessionState.CLOSED, opened_at=then, expires_at=then, closed_at=then
    )
    final = state not in {RequestState.QUEUED, RequestState.SCHEDULED}
    return factories.make_request(
        organisation,
        device,
        state=state,
        created_at=then,
        due_at=then,
        completed_at=then if final else None,
        session=session if final else None,
    )


def test_final_requests_go_with_all_that_belongs_to_them(organisation: Organisation, device: Device) -> None:
    for state in (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED):
        old = request(organisation, device, OLD, state)
        IdempotencyKey.objects.create(
            organisation=organisation, key=str(uuid.uuid4()), request=old, created_at=timezone.now()
        )
    kept = [
        request(organisation, device, YOUNG, RequestState.SUCCEEDED),
        request(organisation, device, OLD, RequestState.QUEUED),
        request(organisation, device, OLD, RequestState.SCHEDULED),
    ]
    assert housekeeping.delete_expired() > 0
    while housekeeping.delete_expired():
        pass
    assert set(Request.objects.all()) == set(kept)
    assert set(Action.objects.values_list("request", flat=True)) == {item.pk for item in kept}
    assert list(MeterSession.objects.all()) == [kept[0].session]
    assert not IdempotencyKey.objects.exists()


def test_a_slice_is_bounded(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SLICE", 2)
    for _ in range(5):
        request(organisation, device, OLD, RequestState.SUCCEEDED)
    left = []
    while housekeeping.delete_expired():
        left.append(Request.objects.count())
    assert left == [3, 1, 0]


def test_the_oldest_go_first(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SLICE", 1)
    younger = request(organisation, device, OLD, RequestState.SUCCEEDED)
    older = request(organisation, device, OLD + timedelta(days=1), RequestState.SUCCEEDED)
    assert housekeeping.delete_expired() == 2
    assert list(Request.objects.all()) == [younger]
    assert list(MeterSession.objects.all()) == [younger.session] != [older.session]


def test_visits_whose_requests_are_kept_do_not_keep_others(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SLICE", 2)
    for number in range(5):
        kept = request(organisation, device, OLD + timedelta(hours=1 + number), RequestState.SUCCEEDED)
        Request.objects.filter(pk=kept.pk).update(completed_at=timezone.now())
    request(organisation, device, OLD, RequestState.SUCCEEDED)
    while housekeeping.delete_expired():
        pass
    assert (Request.objects.count(), MeterSession.objects.count()) == (5, 5)


def test_a_slice_reads_little_more_than_it_deletes(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite does not count rows.")
    monkeypatch.setattr(housekeeping, "SLICE", 5)
    now = timezone.now()
    times = [now - OLD - timedelta(seconds=number) for number in range(3_000)]
    sessions = [
        MeterSession(meter=device, state=SessionState.CLOSED, opened_at=at, expires_at=at, closed_at=at)
        for at in times
    ]
    MeterSession.objects.bulk_create(sessions)
    Request.objects.bulk_create(
        Request(
            organisation=organisation,
            message="SynchronizeTime",
            device=device,
            meter=device,
            device_identification=device.identification,
            state=RequestState.SUCCEEDED,
            due_at=session.closed_at,
            created_at=session.closed_at,
            completed_at=session.closed_at,
            session=session,
        )
        for session in sessions
    )
    analyze()
    rollup.advance()
    with rows_looked_at() as looked_at:
        assert housekeeping.delete_expired() == 10
    assert looked_at[REQUESTS] <= 50, looked_at
    assert looked_at[SESSIONS] <= 50, looked_at


@pytest.mark.django_db(transaction=True)
def test_the_duty_is_over_once_nothing_is_left(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SLICE", 2)
    assert not housekeeping.is_due()
    for _ in range(5):
        request(organisation, device, OLD, RequestState.SUCCEEDED)
    request(organisation, device, YOUNG, RequestState.SUCCEEDED)
    assert housekeeping.is_due()
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "LONGEST_HOUSEKEEPING", -1.0)
        tasks.keep_house()
    assert (Request.objects.count(), housekeeping.is_due()) == (4, True)
    tasks.keep_house(unknown="argument")
    assert (Request.objects.count(), housekeeping.is_due()) == (1, False)


def test_keys_of_a_day_ago_are_forgotten_before_their_requests(
    organisation: Organisation, device: Device
) -> None:
    recent = request(organisation, device, YOUNG, RequestState.SUCCEEDED)
    IdempotencyKey.objects.create(
        organisation=organisation, key="k", request=recent, created_at=timezone.now() - timedelta(hours=25)
    )
    assert housekeeping.is_due()
    assert housekeeping.delete_expired() == 1
    assert not housekeeping.is_due()
    assert not IdempotencyKey.objects.exists()
    assert Request.objects.exists()
