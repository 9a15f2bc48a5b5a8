"""How many requests of an organisation may wait."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchState
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import creation
from osgp.metrics import snapshot
from osgp.metrics.models import Snapshot
from osgp.requests.models import Request, RequestState
from tests import factories
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db

READ = "/api/v1/monitoring/actual-meter-reads/"
BATCH = "/api/v1/requests/batch/"


@pytest.fixture
def organisation(db: None) -> Organisation:
    return factories.make_organisation(max_waiting_requests=3)


def read(api: APIClient, device: Device, **more: Any) -> Any:
    return api.post(READ, {"device_identification": device.identification, **more}, format="json")


def count_now() -> None:
    Snapshot.objects.all().delete()
    assert snapshot.refresh()


def test_a_full_queue_is_told_with_its_limit(api: APIClient, device: Device) -> None:
    for _ in range(3):
        assert read(api, device).status_code == 202
    count_now()
    answer = read(api, device)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (
        429,
        "30",
        "application/problem+json",
    )
    problem = answer.json()
    assert (problem["status"], problem["name"]) == (429, "TOO_MANY_WAITING_REQUESTS")
    assert "limit of waiting requests is 3" in problem["detail"]
    assert Request.objects.count() == 3


def test_what_is_done_makes_room(api: APIClient, device: Device) -> None:
    for _ in range(3):
        read(api, device)
    count_now()
    with states_by_hand():
        Request.objects.filter(pk=Request.objects.earliest("pk").pk).update(state=RequestState.SUCCEEDED)
    count_now()
    assert read(api, device).status_code == 202


def test_requests_that_are_scheduled_wait_too(api: APIClient, device: Device) -> None:
    for _ in range(3):
        assert read(api, device, schedule_time="2039-01-01T00:00:00Z").status_code == 202
    count_now()
    assert read(api, device).status_code == 429


def test_other_organisations_have_queues_of_their_own(
    api: APIClient,
    device: Device,
    other_organisation: Organisation,
    client_of: Callable[[str], APIClient],
) -> None:
    factories.grant(other_organisation, device)
    for _ in range(3):
        read(api, device)
    count_now()
    assert read(client_of(factories.make_token(other_organisation)), device).status_code == 202


def test_the_limit_of_the_platform_holds_for_organisations_without_one(
    api: APIClient, device: Device, settings: Settings
) -> None:
    Organisation.objects.update(max_waiting_requests=None)
    settings.OSGP = settings.OSGP | {"ORGANISATION_MAX_WAITING": 1}
    read(api, device)
    count_now()
    assert read(api, device).status_code == 429


def test_the_command_line_says_it(
    device: Device, organisation: Organisation, capsys: pytest.CaptureFixture[str]
) -> None:
    Organisation.objects.update(max_waiting_requests=0)
    arguments = ["ActualMeterReads", "--device", device.identification]
    with pytest.raises(SystemExit):
        call_command("request", *arguments, "--organisation", organisation.identification)
    assert "limit of waiting requests is 0" in "".join(capsys.readouterr())


def test_batches_count_at_once(api: APIClient, organisation: Organisation) -> None:
    names = [factories.make_device(f"E{n}", owner=organisation).identification for n in range(4)]
    body = {"message": "ActualMeterReads", "device_identifications": names}
    assert api.post(BATCH, body, format="json").status_code == 202
    organisation.refresh_from_db()
    assert organisation.waiting_requests == 4
    assert api.post(BATCH, body, format="json").status_code == 429
    assert Request.objects.count() == 4


def test_batches_of_groups_wait_and_go_on(
    api: APIClient, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "SLICE", 2)
    group = DeviceGroup.objects.create(organisation=organisation, name="all")
    for number in range(6):
        group.memberships.create(device=factories.make_device(f"E{number}", owner=organisation))
    body = {"message": "ActualMeterReads", "device_group": "all"}
    assert api.post(BATCH, body, format="json").status_code == 202
    while creation.create_slice():
        pass
    assert Request.objects.count() == 4
    assert Batch.objects.get().state == BatchState.CREATING
    with states_by_hand():
        Request.objects.update(state=RequestState.CANCELLED)
    count_now()
    while creation.create_slice():
        pass
    assert Request.objects.count() == 6
    assert Batch.objects.get().state == BatchState.RUNNING
