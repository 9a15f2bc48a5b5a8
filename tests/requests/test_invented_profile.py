"""Meters of a standard that is not Dutch, known from a file alone: from AddDevice to the admin's pages.

The profile is tests/profiles/tst-1.0.toml, in a folder that the environment names (tests/settings.py).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation, User
from osgp.cosem.event_codes import UNKNOWN_EVENT, find_event_type
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.devices.transport_keys import encrypt_for_platform
from osgp.embedded.registration import build_add_device_body
from osgp.faults import FaultCode
from osgp.messages.operation import MeterOperation
from osgp.messages.registry import list_operations
from osgp.requests.models import Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from tests import json_schemas, processes
from tests.messages.bodies import make_bodies
from tests.requests.test_api_schema import answer_schema

pytestmark = pytest.mark.django_db(transaction=True)

NOT_SUPPORTED = FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
SUPPORTED = {
    "ActualMeterReads",
    "DisconnectRelay",
    "FindEvents",
    "GenerateAndReplaceKeys",
    "GetActualPowerQuality",
    "GetAssociationLnObjects",
    "GetFirmwareVersion",
    "GetSpecificConfigurationObject",
    "PeriodicMeterReads",
    "ProbeMeter",
    "ReadRelayStatus",
    "ReconnectRelay",
    "ReplaceKeys",
    "RetrieveConfigurationObjects",
    "SetClockConfiguration",
    "SetSpecificAttributeValue",
    "SynchronizeTime",
}
"""Of the messages to electricity meters those whose objects the profile has."""

Perform = Callable[..., Any]


def messages_to_meters() -> dict[str, MeterOperation[Any, Any]]:
    """The messages that may be addressed to an electricity meter."""
    found = [item for item in list_operations() if isinstance(item, MeterOperation)]
    return {item.message: item for item in found if "SMART_METER_E" in item.device_types}


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(3, "TST-1.0", polyphase=False)) as running:
        yield running


@pytest.fixture
def platform() -> Iterator[None]:
    with processes.running():
        yield
    processes.disconnect_others()


@pytest.fixture
def perform(api: APIClient, platform: None) -> Perform:
    """Posts a message, waits for its outcome, holds the answer to the OpenAPI document and returns it."""
    document = SchemaGenerator().get_schema(request=None, public=True)

    def perform(path: str, **body: Any) -> Any:
        accepted = api.post(f"/api/v1/{path}/", body, format="json")
        assert accepted.status_code == 202, accepted.content
        url = accepted.headers["Location"]
        processes.eventually(lambda: api.get(url).status_code == 200, f"an outcome of {url}")
        answer = api.get(url).json()
        assert (answer["status"], answer["fault"]) == ("SUCCEEDED", None)
        json_schemas.validate(
            answer, answer_schema(document, f"/api/v1/{path}/{{correlation_uid}}/", "get", 200)
        )
        return answer["result"]

    return perform


@pytest.fixture
def devices(api: APIClient, simulator: SimulatorThread, perform: Perform) -> list[str]:
    """Identifications of the simulated meters, added over REST."""
    public_key = api.get("/api/v1/configuration/public-key/").json()["public_key"]
    added = []
    for described in simulator.fleet.describe():
        body = build_add_device_body(described, lambda key: encrypt_for_platform(public_key, key))
        assert (body["protocol_name"], body["protocol_version"]) == ("TST", "1.0")
        assert perform("installation/add-device", **body)["created"] is True
        added.append(body["device_identification"])
    return added


def test_meters_are_read(
    api: APIClient, simulator: SimulatorThread, devices: list[str], perform: Perform
) -> None:
    device = devices[0]
    profile = catalogue.find_profile("TST", "1.0")

    actual = perform("monitoring/actual-meter-reads", device_identification=device)
    assert actual["active_energy_import"]["unit"] == "kWh"
    # The registers count in tens of Wh.
    assert Decimal(actual["active_energy_import"]["value"]).as_tuple().exponent == -2
    assert actual["active_energy_import_tariff_one"] is None

    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    part = {"begin_date": (end - timedelta(hours=3)).isoformat(), "end_date": end.isoformat()}
    periodic = perform(
        "monitoring/periodic-meter-reads", device_identification=device, period_type="INTERVAL", **part
    )
    reads = periodic["periodic_meter_reads"]
    times = [datetime.fromisoformat(row["log_time"]) for row in reads]
    assert times == [end - timedelta(hours=3) + count * timedelta(minutes=30) for count in range(7)]
    known = set(profile["AMR_PROFILE_STATUS"].flags.names.values())  # type: ignore[union-attr]
    assert all(set(row["amr_profile_status"]) <= known for row in reads)

    found = perform(
        "management/find-events",
        device_identification=device,
        event_log_category="METER_EVENT_LOG",
        **{"from": datetime(2021, 1, 1, tzinfo=UTC).isoformat(), "until": end.isoformat()},
    )
    assert found["events"]
    for event in found["events"]:
        assert event["event_log_category"] == "METER_EVENT_LOG"
        assert event["event_type"] == find_event_type(profile, "METER_EVENT_LOG", event["event_code"])
        assert event["event_type"] != UNKNOWN_EVENT

    watchdog = {"object": "WATCHDOG_TIMER", "attribute": 2}
    written = perform(
        "adhoc/set-specific-attribute-value",
        device_identification=device,
        values=[{**watchdog, "value": 48}],
    )
    assert written["values"] == [{**watchdog, "before": 24, "after": 48}]

    relay = perform("management/read-relay-status", device_identification=device)
    assert relay["relay_status"] == "CONNECTED"
    name = {"class_id": 1, "obis_code": "0-0:42.0.0.255", "attribute": 2}
    said = perform("adhoc/get-specific-configuration-object", device_identification=device, **name)
    assert said["value"]["value"] == simulator.meters[device].logical_device_name.hex()

    readings = api.get("/api/v1/readings/", {"device": device, "quantity": "ACTIVE_ENERGY_IMPORT"}).json()
    intervals = [row for row in readings["results"] if row["period"] == "INTERVAL"]
    assert [row["name"] for row in intervals] == ["ACTIVE_ENERGY_IMPORT"] * 7
    assert [row["status"] for row in intervals] == [row["amr_profile_status"] for row in reads]
    [listed] = api.get("/api/v1/management/devices/", {"device": device}).json()["results"]
    assert (listed["protocol_name"], listed["protocol_version"]) == ("TST", "1.0")


def test_what_a_meter_lacks_the_objects_for_is_refused(api: APIClient, devices: list[str]) -> None:
    requests = Request.objects.exclude(message="Bundle").count()
    refused = set()
    for message, operation in messages_to_meters().items():
        body = next(iter(make_bodies(operation, datetime.now(UTC) + timedelta(days=1))))
        if operation.supports(catalogue.find_profile("TST", "1.0")):
            continue
        answer = api.post(
            f"/api/v1/{operation.derive_path()}/",
            {"device_identification": devices[0], **body},
            format="json",
        )
        assert answer.status_code == 400, message
        assert answer.json()["code"] == NOT_SUPPORTED, answer.json()
        refused.add(message)
        actions = [{"message": "ReadRelayStatus"}, {"message": message, **body}]
        if operation.bundleable:
            bundle = {"device_identification": devices[0], "actions": actions}
            answer = api.post("/api/v1/bundle/", bundle, format="json")
            assert answer.status_code == 202, message
            able, unable = api.get(answer.headers["Location"]).json()["responses"]
            assert able["status"] in {"QUEUED", "RUNNING", "SUCCEEDED"}  # The platform is at it.
            assert unable["status"] == "FAILED"
            assert unable["fault"]["code"] == NOT_SUPPORTED
            assert unable["fault"]["message"].endswith("which TST-1.0 meters do not have.")
    assert refused == set(messages_to_meters()) - SUPPORTED
    assert Request.objects.exclude(message="Bundle").count() == requests


def test_a_batch_for_a_group(
    api: APIClient, organisation: Organisation, devices: list[str], platform: None
) -> None:
    group = DeviceGroup.objects.create(name="north", organisation=organisation)
    for device in Device.objects.filter(identification__in=devices):
        DeviceGroupMembership.objects.create(group=group, device=device)
    body = {"message": "ReadRelayStatus", "device_group": "north"}
    accepted = api.post("/api/v1/requests/batch/", body, format="json")
    assert accepted.status_code == 202, accepted.content
    url = accepted.headers["Location"]
    processes.eventually(lambda: api.get(url).json()["status"] == "COMPLETED", "the end of the batch")
    of_batch = Request.objects.filter(batch__uid=accepted.json()["uid"])
    assert sorted(of_batch.values_list("device_identification", flat=True)) == devices
    assert set(of_batch.values_list("state", flat=True)) == {RequestState.SUCCEEDED}


def test_the_admin_shows_them_and_offers_what_they_can_do(devices: list[str]) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("marijke"))
    page = client.get(reverse("admin:devices_device_changelist"), {"profile": "TST-1.0"})
    assert all(device in page.content.decode() for device in devices)
    other = client.get(reverse("admin:devices_device_changelist"), {"profile": "SMR-5.1"})
    assert not any(device in other.content.decode() for device in devices)
    device = Device.objects.get(identification=devices[0])
    form = client.get(reverse("admin:requests_request_add"), {"device": device.pk}).context["choose"]
    offered = {message for _, group in form.fields["message"].choices[1:] for message, _ in group}
    assert offered & set(messages_to_meters()) == SUPPORTED
