"""How requests ended in each hour: counted once, whatever becomes of the requests."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import hours, rollup
from osgp.metrics.models import Cursor, HourlyOutcome
from osgp.requests import states
from osgp.requests.models import Request, RequestState
from osgp.visits import housekeeping
from tests import factories
from tests.metrics import rows

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = {"code": 225, "name": "CONNECTION_REFUSED"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def told(organisation: Organisation | None = None, since: datetime = NOON) -> Counter[tuple[Any, ...]]:
    """Numbers by hour, state and fault code."""
    return Counter(
        {(each.hour, each.state, each.fault_code): each.number for each in hours.read(since, organisation)}
    )


def true_outcomes() -> Counter[tuple[Any, ...]]:
    """The same, from the requests that are there."""
    found: Counter[tuple[Any, ...]] = Counter()
    for request in Request.objects.filter(completed_at__isnull=False):
        assert request.completed_at is not None
        hour = request.completed_at.replace(minute=0, second=0, microsecond=0)
        failed = request.state == RequestState.FAILED and request.fault
        found[hour, request.state, request.fault["code"] if failed and request.fault else 0] += 1
    return found


def make_many(organisation: Organisation, device: Device, number: int = 60) -> None:
    chance = random.Random(7)
    for _ in range(number):
        state = chance.choice((RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED))
        rows.request(
            organisation,
            device,
            chance.choice(("ActualMeterReads", "SynchronizeTime")),
            completed_at=NOON + timedelta(minutes=chance.randrange(300)),
            state=state,
            fault=chance.choice((REFUSED, None)),
        )


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rollup, "SLICE", 7)
    return


def test_sums_by_hour_state_and_fault(organisation: Organisation, device: Device) -> None:
    for moment in (NOON, NOON + timedelta(minutes=59, seconds=59, microseconds=999_999)):
        rows.request(organisation, device, completed_at=moment)
    rows.request(organisation, device, completed_at=NOON + timedelta(hours=1), fault=REFUSED)
    rows.request(organisation, device, completed_at=NOON, state=RequestState.FAILED, fault=REFUSED)
    rows.request(organisation, device, completed_at=NOON, state=RequestState.FAILED, fault=None)
    rows.request(organisation, device, completed_at=NOON, state=RequestState.CANCELLED, fault=REFUSED)
    factories.make_request(organisation, device)
    assert rollup.advance() == 6
    assert told() == {
        (NOON, "SUCCEEDED", 0): 2,
        (NOON, "FAILED", 225): 1,
        (NOON, "FAILED", 0): 1,
        (NOON, "CANCELLED", 0): 1,
        (NOON + timedelta(hours=1), "SUCCEEDED", 0): 1,
    }
    assert told(since=NOON + timedelta(minutes=59)) == told()
    assert told(since=NOON + timedelta(minutes=61)) == {(NOON + timedelta(hours=1), "SUCCEEDED", 0): 1}


def test_how_long_requests_waited_and_took(organisation: Organisation, device: Device) -> None:
    rows.request(organisation, device, completed_at=NOON)  # waited 4 s, took 5 s
    rows.request(organisation, device, completed_at=NOON, schedule_time=NOON - timedelta(seconds=2))
    rows.request(organisation, device, completed_at=NOON, started_at=None)
    ahead = {"created_at": NOON + timedelta(seconds=30), "started_at": NOON}
    rows.request(organisation, device, "SynchronizeTime", completed_at=NOON, **ahead)
    rollup.advance()
    [outcomes] = hours.read(NOON, None)
    assert (outcomes.number, outcomes.started) == (4, 3)
    assert outcomes.wait == timedelta(seconds=4 + 1)
    # The clock of the process that accepted the last one was ahead: no sum falls.
    assert outcomes.duration == timedelta(seconds=5 + 2 + 5)


def test_each_organisation_has_its_own(
    organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    for owner, number in ((organisation, 2), (other_organisation, 3)):
        for _ in range(number):
            rows.request(owner, device, completed_at=NOON)
    rollup.advance()
    assert told(organisation).total() == 2
    assert told(other_organisation).total() == 3
    assert told().total() == 5


@pytest.mark.usefixtures("small_slices")
def test_slices_add_up(organisation: Organisation, device: Device) -> None:
    make_many(organisation, device)
    expected = true_outcomes()
    for _ in range(40):
        rollup.advance(limit=5)
    assert told() == expected
    assert rollup.advance() == 0
    assert told() == expected


@pytest.mark.usefixtures("small_slices")
def test_dying_in_the_middle_counts_nothing_twice(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_many(organisation, device)
    expected = true_outcomes()
    original, chance, deaths = Cursor.objects.filter, random.Random(3), 0

    def die_at_times(**conditions: Any) -> Any:
        if "pk" in conditions and chance.random() < 0.4:
            raise SystemExit
        return original(**conditions)

    with monkeypatch.context() as patch:
        patch.setattr(Cursor.objects, "filter", die_at_times)
        for _ in range(20):
            try:
                rollup.advance(limit=7)
            except SystemExit:
                deaths += 1
    assert deaths > 5
    rollup.advance()
    assert told() == expected


def test_a_deleted_request_is_counted_once(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    fresh = factories.make_request(organisation, device, "ActualMeterReads")
    assert states.cancel(fresh.pk)
    counted_before = rows.request(organisation, device)
    rollup.advance()
    long_ago = timezone.now() - timedelta(hours=2)
    for request in (fresh, counted_before):
        url = f"/api/v1/monitoring/actual-meter-reads/{request.correlation_uid}/"
        assert api.delete(url).status_code == 204
    assert not Request.objects.exists()
    rollup.advance()
    assert told(since=long_ago).total() == 2


def test_requests_wait_for_their_hour_to_be_counted(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a dispatcher of a former release has moved the cursor of the counters."""
    request = rows.request(organisation, device, completed_at=timezone.now() - timedelta(days=8))
    rollup.REQUESTS.advance(10)
    with monkeypatch.context() as patch:
        patch.setattr(rollup, "advance", lambda: 0)
        assert housekeeping.delete_expired() == 0
    assert housekeeping.is_due()
    assert housekeeping.delete_expired() == 1
    assert not Request.objects.filter(pk=request.pk).exists()
    assert told(since=request.completed_at).total() == 1  # type: ignore[arg-type]


def test_what_was_there_before_hours_were_counted_is_counted(
    organisation: Organisation, device: Device
) -> None:
    make_many(organisation, device)
    rollup.advance()
    Cursor.objects.filter(name="hours").delete()
    HourlyOutcome.objects.all().delete()
    assert rollup.advance() == 0  # the counters have counted all of them
    assert told() == true_outcomes()
    assert rows.completed() == 60


def test_hours_past_their_retention_are_deleted_slice_by_slice(
    organisation: Organisation, device: Device, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OSGP = settings.OSGP | {"ROLLUP_RETENTION": timedelta(days=30), "RETENTION": timedelta(days=60)}
    monkeypatch.setattr(housekeeping, "SLICE", 2)
    now = timezone.now()
    for days in (40, 39, 38, 29):
        rows.request(organisation, device, completed_at=now - timedelta(days=days))
    rollup.advance()
    assert housekeeping.is_due()
    assert [housekeeping.delete_expired() for _ in range(3)] == [2, 1, 0]
    assert not housekeeping.is_due()
    assert told(since=now - timedelta(days=50)).total() == 1


def test_sums_outlive_their_organisation(organisation: Organisation, device: Device) -> None:
    gone = factories.make_organisation("GONE")
    for owner in (organisation, gone):
        rows.request(owner, device, completed_at=NOON)
    rollup.advance()
    Request.objects.all().delete()
    gone.delete()
    assert told().total() == 2
    assert told(organisation).total() == 1


def test_a_week_is_few_rows(organisation: Organisation, device: Device) -> None:
    for number in range(200):
        rows.request(organisation, device, completed_at=NOON + timedelta(minutes=number))
    rollup.advance()
    assert HourlyOutcome.objects.count() == 4
    assert len(hours.read(NOON, None)) == 4
