"""Results that are too large: the fault says so, what was read is among the readings, the rest is kept."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import FaultCode
from osgp.messages.value_sizes import LONGEST_STRING
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.visits import result_limits
from tests import factories, meters
from tests.answers import read_answer
from tests.protocol_dlms.peers import ber_length
from tests.requests.operations import registered
from tests.visited import saying
from tests.visits.parts import ROWS, ReadInParts, declining, rows_as_json

pytestmark = pytest.mark.django_db(transaction=True)

KIB = 1024
ASKED = {"class_id": 1, "obis_code": "0-0:42.0.0.255", "attribute": 2}
"""The logical device name, which meters may make as long as they like."""
NAME = ("LOGICAL_DEVICE_NAME", 2)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator, registered(ReadInParts):
        yield simulator


@pytest.fixture
def device(simulator: SimulatorThread, organisation: Organisation) -> Iterator[Device]:
    yield next(iter(meters.add_meters(organisation, simulator).values()))
    ReadInParts.asked.clear()
    ReadInParts.hooks.clear()


def octets(count: int) -> str:
    return f"09{ber_length(count).hex()}{'5a' * count}"


def limit(settings: Settings, **kib: float) -> None:
    """Set limits, in KiB."""
    settings.OSGP = settings.OSGP | {name: value / KIB for name, value in kib.items()}


def make_bundle(organisation: Organisation, device: Device, *messages: str) -> Request:
    bundle = factories.make_request(organisation, device, "Bundle")
    bundle.actions.all().delete()
    for position, message in enumerate(messages):
        parameters = ASKED if message == "GetSpecificConfigurationObject" else {}
        Action.objects.create(
            request=bundle, position=position, message=message, device=device, parameters=parameters
        )
    return bundle


def visit_again(device: Device) -> None:
    Request.objects.filter(state=RequestState.RETRYING).update(due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)


def test_of_the_longest_string_the_beginning_is_shown_and_its_length_told(
    simulator: SimulatorThread, organisation: Organisation, device: Device, api: APIClient
) -> None:
    request = factories.make_request(organisation, device, "GetSpecificConfigurationObject", parameters=ASKED)
    count = 200_000
    with saying(simulator.meters[device.identification], {NAME: octets(count)}):
        meters.visit(device)
    answer = read_answer(
        api.get(f"/api/v1/adhoc/get-specific-configuration-object/{request.correlation_uid}/")
    )
    assert answer["status"] == "SUCCEEDED"
    value = answer["result"]["value"]
    assert value == {"type": "octet-string", "value": "5a" * LONGEST_STRING, "length": count}


def test_a_longer_reply_is_not_taken(
    simulator: SimulatorThread, organisation: Organisation, device: Device
) -> None:
    request = factories.make_request(organisation, device, "GetSpecificConfigurationObject", parameters=ASKED)
    with saying(simulator.meters[device.identification], {NAME: octets(270_000)}):
        meters.visit(device)
    action = request.actions.get()
    assert action.fault is not None
    assert (action.state, action.result) == (ActionState.FAULT, None)
    assert "more than 262144 octets" in action.fault["message"]


def test_the_results_of_a_bundle_are_bounded_together(
    simulator: SimulatorThread,
    organisation: Organisation,
    device: Device,
    api: APIClient,
    settings: Settings,
) -> None:
    limit(settings, RESULT_MIB=210, REQUEST_RESULTS_MIB=450)
    reads = ["GetSpecificConfigurationObject"] * 4
    bundle = make_bundle(organisation, device, *reads, "SynchronizeTime")
    with saying(simulator.meters[device.identification], {NAME: octets(100 * KIB)}):
        meters.visit(device)
    bundle.refresh_from_db()
    assert bundle.state == RequestState.SUCCEEDED
    got = api.get(f"/api/v1/bundle/{bundle.correlation_uid}/")
    assert got.streaming  # type: ignore[attr-defined]
    first, second, third, fourth, last = read_answer(got)["responses"]
    assert (
        first["result"]
        == second["result"]
        == {
            **ASKED,
            "value": {"type": "octet-string", "value": "5a" * 100 * KIB},
        }
    )
    for refused in (third, fourth):
        assert (refused["status"], refused["result"]) == ("FAILED", None)
        assert refused["fault"]["code"] == FaultCode.UNABLE_TO_PROCESS_REQUEST
        assert "those of this bundle would have more than 0.4 MiB" in refused["fault"]["message"]
        assert not refused["fault"]["retryable"]
    assert last["status"] == "SUCCEEDED", "what a write tells always fits"


def test_results_of_former_visits_count(
    simulator: SimulatorThread,
    organisation: Organisation,
    device: Device,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(result_limits, "ALWAYS_FITS", 0)
    simulated = simulator.meters[device.identification]
    bundle = make_bundle(organisation, device, *["ReadInParts"] * 4)
    drops = iter([lambda: None, lambda: simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)])
    ReadInParts.hooks[3] = lambda: next(drops, lambda: None)()
    meters.visit(device)
    states = bundle.actions.order_by("position").values_list("state", flat=True)
    assert list(states) == [ActionState.DONE, *[ActionState.PENDING] * 3]
    # Room for two whole results, and not for the part of the second on top of them.
    limit(settings, REQUEST_RESULTS_MIB=0.45 * ROWS / 3)
    visit_again(device)
    assert list(states.all()) == [ActionState.DONE, ActionState.DONE, ActionState.FAULT, ActionState.FAULT]


def test_the_readings_of_a_result_that_is_too_large_are_kept(
    organisation: Organisation, device: Device, api: APIClient, settings: Settings
) -> None:
    limit(settings, RESULT_MIB=0.1)
    request = factories.make_request(organisation, device, "ReadInParts")
    meters.visit(device)
    request.refresh_from_db()
    action = request.actions.get()
    assert (request.state, action.state, action.result) == (RequestState.FAILED, ActionState.FAULT, None)
    assert action.fault is not None
    assert action.fault["message"].startswith("It was carried out, but its result has 0.0 MiB")
    assert "Ask for less" in action.fault["message"]
    assert len(api.get("/api/v1/readings/").json()["results"]) == ROWS


def test_what_fitted_of_a_joined_result_is_kept(
    simulator: SimulatorThread, organisation: Organisation, device: Device, api: APIClient, settings: Settings
) -> None:
    request = factories.make_request(organisation, device, "ReadInParts")
    simulated = simulator.meters[device.identification]
    ReadInParts.hooks[3] = lambda: simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)
    meters.visit(device)
    ReadInParts.hooks.clear()
    limit(settings, RESULT_MIB=0.3)
    visit_again(device)
    request.refresh_from_db()
    action = request.actions.get()
    assert (request.state, action.result) == (RequestState.FAILED, None)
    assert action.partial_result is not None
    assert action.partial_result["rows"] == rows_as_json(0, 1, 2)
    assert len(api.get("/api/v1/readings/").json()["results"]) == ROWS


def test_a_part_that_is_too_large_is_not_kept_and_its_readings_are(
    organisation: Organisation, device: Device, api: APIClient, settings: Settings
) -> None:
    limit(settings, RESULT_MIB=0.1)
    request = factories.make_request(organisation, device, "ReadInParts")
    ReadInParts.hooks[4] = declining
    meters.visit(device)
    action = request.actions.get()
    assert action.fault is not None
    assert (action.fault["message"], action.partial_result) == ("It made no sense.", None)
    assert len(api.get("/api/v1/readings/").json()["results"]) == 4
