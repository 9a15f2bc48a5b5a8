"""What is past its retention is forgotten, and nothing else."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import Action, IdempotencyKey, MeterSession, Request, RequestState, SessionState
from osgp.visits import housekeeping
from tests import factories

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


def test_keys_of_a_day_ago_are_forgotten_before_their_requests(
    organisation: Organisation, device: Device
) -> None:
    recent = request(organisation, device, YOUNG, RequestState.SUCCEEDED)
    IdempotencyKey.objects.create(
        organisation=organisation, key="k", request=recent, created_at=timezone.now() - timedelta(hours=25)
    )
    assert housekeeping.delete_expired() == 0
    assert not IdempotencyKey.objects.exists()
    assert Request.objects.exists()
