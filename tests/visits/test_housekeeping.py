"""What is past its retention is forgotten, and nothing else."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices import keystore
from osgp.devices.models import Device, DeviceKey, KeyCounter, KeyState, KeyType
from osgp.metrics import rollup
from osgp.processes import retention
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
    assert retention.delete_slices() > 0
    while retention.delete_slices():
        pass
    assert set(Request.objects.all()) == set(kept)
    assert set(Action.objects.values_list("request", flat=True)) == {item.pk for item in kept}
    assert list(MeterSession.objects.all()) == [kept[0].session]
    assert not IdempotencyKey.objects.exists()


def test_a_slice_is_bounded(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    for _ in range(5):
        request(organisation, device, OLD, RequestState.SUCCEEDED)
    left = []
    while retention.delete_slices():
        left.append(Request.objects.count())
    assert left == [3, 1, 0]


def test_the_oldest_go_first(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 1)
    younger = request(organisation, device, OLD, RequestState.SUCCEEDED)
    older = request(organisation, device, OLD + timedelta(days=1), RequestState.SUCCEEDED)
    assert retention.delete_slices() == 2
    assert list(Request.objects.all()) == [younger]
    assert list(MeterSession.objects.all()) == [younger.session] != [older.session]


def test_visits_whose_requests_are_kept_do_not_keep_others(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    for number in range(5):
        kept = request(organisation, device, OLD + timedelta(hours=1 + number), RequestState.SUCCEEDED)
        Request.objects.filter(pk=kept.pk).update(completed_at=timezone.now())
    request(organisation, device, OLD, RequestState.SUCCEEDED)
    while retention.delete_slices():
        pass
    assert (Request.objects.count(), MeterSession.objects.count()) == (5, 5)


def test_a_slice_reads_little_more_than_it_deletes(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite does not count rows.")
    monkeypatch.setattr(retention, "SLICE", 5)
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
        assert retention.delete_slices() == 10
    assert looked_at[REQUESTS] <= 50, looked_at
    assert looked_at[SESSIONS] <= 50, looked_at


@pytest.mark.django_db(transaction=True)
def test_the_duty_is_over_once_nothing_is_left(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    assert not retention.is_due()
    for _ in range(5):
        request(organisation, device, OLD, RequestState.SUCCEEDED)
    request(organisation, device, YOUNG, RequestState.SUCCEEDED)
    assert retention.is_due()
    with monkeypatch.context() as patch:
        patch.setattr(retention, "LONGEST_RUN", -1.0)
        patch.setattr(retention, "_kinds", {"requests": retention._kinds["requests and visits"]})
        tasks.keep_house()
    assert (Request.objects.count(), retention.is_due()) == (4, True)
    tasks.keep_house(unknown="argument")
    assert (Request.objects.count(), retention.is_due()) == (1, False)


def test_keys_of_a_day_ago_are_forgotten_before_their_requests(
    organisation: Organisation, device: Device
) -> None:
    recent = request(organisation, device, YOUNG, RequestState.SUCCEEDED)
    IdempotencyKey.objects.create(
        organisation=organisation, key="k", request=recent, created_at=timezone.now() - timedelta(hours=25)
    )
    assert retention.is_due()
    assert retention.delete_slices() == 1
    assert not retention.is_due()
    assert not IdempotencyKey.objects.exists()
    assert Request.objects.exists()


ENCRYPTION = KeyType.E_METER_ENCRYPTION_KEY_UNICAST
PAST_KEYS = timedelta(days=366)


def make_former_keys(device: Device, count: int) -> None:
    """So many EXPIRED keys, as many WITHDRAWN ones, and one ACTIVE and one NEW key; all of long ago."""
    for number in range(count + 1):
        keystore.store_new(device, {ENCRYPTION: bytes([number]) * 16}, first_counter=1000 + number)
        keystore.activate(device, [ENCRYPTION])
    for number in range(count + 1):
        keystore.store_new(device, {ENCRYPTION: bytes([100 + number]) * 16})
    DeviceKey.objects.update(state_changed_at=timezone.now() - PAST_KEYS)


def test_former_keys_go_after_a_year_and_their_counters_stay(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 3)
    make_former_keys(device, 4)
    young = DeviceKey.objects.filter(state=KeyState.EXPIRED).order_by("pk").first()
    assert young is not None
    DeviceKey.objects.filter(pk=young.pk).update(state_changed_at=timezone.now() - timedelta(days=364))
    counters = list(KeyCounter.objects.order_by("pk").values())
    assert retention.is_due()
    deleted = []
    while count := retention.delete_slices():
        deleted.append(count)
    assert deleted == [3, 3, 1]
    assert not retention.is_due()
    left = DeviceKey.objects.order_by("pk").values_list("state", flat=True)
    assert list(left) == [KeyState.EXPIRED, KeyState.ACTIVE, KeyState.NEW]
    assert list(KeyCounter.objects.order_by("pk").values()) == counters
    keystore.store_new(device, {ENCRYPTION: bytes([2]) * 16}, first_counter=250)
    came_back = DeviceKey.objects.get(state=KeyState.NEW).counter
    assert came_back is not None
    assert came_back.next_value == 1002


def test_former_keys_are_found_by_an_index(device: Device) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite does not use an index whose condition is a parameter.")
    make_former_keys(device, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    rows = housekeeping.find_former_keys()
    assert "past_keys_by_end" in rows.order_by("state_changed_at")[:1].explain()
    assert "past_keys_by_end" in rows.order_by().explain()
