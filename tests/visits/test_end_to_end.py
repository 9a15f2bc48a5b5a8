"""From a POST to the answer, through dispatcher, broker, worker and meter, each as it runs in production.

On SQLite they are threads with the in-process broker, on PostgreSQL processes with RabbitMQ and gevent.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.devices.transport_keys import encrypt_for_platform
from osgp.embedded.registration import build_add_device_body
from osgp.requests.models import Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from tests import meters, processes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(3, "SMR-5.1", gas_meters=1)) as simulator:
        yield simulator


@pytest.fixture
def platform() -> Iterator[None]:
    with processes.running():
        yield
    processes.disconnect_others()


def outcome(api: APIClient, accepted: Any) -> Any:
    """The body of the final answer to a POST that was accepted."""
    assert accepted.status_code == 202, accepted.content
    url = accepted.headers["Location"]
    processes.eventually(lambda: api.get(url).status_code == 200, f"an outcome of {url}")
    return api.get(url).json()


def read(api: APIClient, identification: str, **more: Any) -> Any:
    body = {"device_identification": identification, **more}
    return api.post("/api/v1/monitoring/actual-meter-reads/", body, format="json")


def test_add_devices_and_read_them(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread, platform: None
) -> None:
    public_key = api.get("/api/v1/configuration/public-key/").json()["public_key"]
    for described in simulator.fleet.describe():
        body = build_add_device_body(described, partial(encrypt_for_platform, public_key))
        added = outcome(api, api.post("/api/v1/installation/add-device/", body, format="json"))
        assert (added["status"], added["fault"]) == ("SUCCEEDED", None)
        assert added["result"]["created"] is True
    for device in Device.objects.all():
        message = "actual-meter-reads-gas" if device.is_mbus else "actual-meter-reads"
        accepted = api.post(
            f"/api/v1/monitoring/{message}/",
            {"device_identification": device.identification},
            format="json",
        )
        answer = outcome(api, accepted)
        assert (answer["status"], answer["fault"], answer["attempts"]) == ("SUCCEEDED", None, 1)
        assert answer["result"]["log_time"].endswith("Z")
    assert Device.objects.count() == 4


def test_a_scheduled_request_starts_at_its_time_and_not_before(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread, platform: None
) -> None:
    [identification, *_] = meters.add_meters(organisation, simulator)
    due = datetime.now(UTC) + timedelta(seconds=4)
    accepted = read(api, identification, schedule_time=due.isoformat())
    assert accepted.json()["status"] == "SCHEDULED"
    answer = outcome(api, accepted)
    assert answer["status"] == "SUCCEEDED"
    assert datetime.fromisoformat(answer["result"]["log_time"]) >= due - timedelta(seconds=1)


def test_the_original_error_reaches_the_caller(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread, platform: None
) -> None:
    identification, _, other, _ = meters.add_meters(organisation, simulator)
    simulator.meters[identification].faults.switch_on(FaultKind.REFUSE_CONNECTION)
    refused = outcome(api, read(api, identification, bypass_retry=True))
    assert (refused["status"], refused["result"], refused["attempts"]) == ("FAILED", None, 1)
    assert refused["fault"]["code"] in {226, 229}
    assert refused["fault"]["retryable"] is True
    assert outcome(api, read(api, other))["status"] == "SUCCEEDED"


def test_a_request_that_failed_once_is_tried_again_until_its_latest_time(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread, platform: None
) -> None:
    [identification, *_] = meters.add_meters(organisation, simulator)
    simulator.meters[identification].faults.switch_on(FaultKind.REFUSE_CONNECTION)
    latest = datetime.now(UTC) + timedelta(minutes=10)
    accepted = read(api, identification, max_schedule_time=latest.isoformat())
    uid = accepted.json()["correlation_uid"]

    def retrying() -> bool:
        return Request.objects.filter(correlation_uid=uid, state=RequestState.RETRYING).exists()

    processes.eventually(retrying, "a first attempt")
    simulator.meters[identification].faults.switch_off()
    Request.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    answer = outcome(api, accepted)
    assert (answer["status"], answer["attempts"]) == ("SUCCEEDED", 2)
