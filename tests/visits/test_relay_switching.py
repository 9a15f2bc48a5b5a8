"""Relays are never switched twice, wherever the connection breaks: from the request to the meter and back."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.faults import HangUp
from osgp.simulator.meter.meter import Meter
from tests import factories, meters

pytestmark = pytest.mark.django_db(transaction=True)

DISCONNECT, RECONNECT = "DisconnectRelay", "ReconnectRelay"
URLS = {
    DISCONNECT: "/api/v1/management/disconnect-relay/",
    RECONNECT: "/api/v1/management/reconnect-relay/",
}
DISCONNECTED, CONNECTED = 0, 1


class Switch:
    """Notes how often meters are told to switch, and what is to happen ``before`` and ``after`` that."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.methods: list[int] = []
        self.before: Callable[[Meter], None] | None = None
        self.after: Callable[[Meter], None] | None = None
        invoke = Meter.invoke

        def noted(meter: Meter, descriptor: Any, *args: Any) -> Any:
            if descriptor.class_id != 70:
                return invoke(meter, descriptor, *args)
            self.methods.append(descriptor.method_id)
            if self.before:
                self.before(meter)
            outcome = invoke(meter, descriptor, *args)
            if self.after:
                self.after(meter)
            return outcome

        monkeypatch.setattr(Meter, "invoke", noted)


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Switch:
    return Switch(monkeypatch)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        yield simulator


@pytest.fixture
def device(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> Device:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=2),
        "CONNECT_DEADLINE": timedelta(seconds=2),
    }
    [device] = meters.add_meters(organisation, simulator).values()
    return device


@pytest.fixture
def simulated(simulator: SimulatorThread, device: Device) -> Meter:
    return simulator.meters[device.identification]


def lose_answer(meter: Meter) -> None:
    meter.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)


def hang_up(meter: Meter) -> None:
    raise HangUp


def post(api: APIClient, message: str, device: Device, **fields: Any) -> str:
    accepted = api.post(
        URLS[message], {"device_identification": device.identification, **fields}, format="json"
    )
    assert accepted.status_code == 202, accepted.content
    url: str = accepted.json()["url"]
    return url


def visit_again(device: Device) -> None:
    Request.objects.filter(state=RequestState.RETRYING).update(due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)


def test_the_answer_was_lost(api: APIClient, device: Device, simulated: Meter, switch: Switch) -> None:
    switch.after = lose_answer
    url = post(api, DISCONNECT, device)
    meters.visit(device)
    action = Action.objects.get()
    assert (action.state, action.request.state) == (ActionState.STARTED, RequestState.RETRYING)
    assert simulated.memory.control_state == DISCONNECTED
    device.refresh_from_db()
    assert device.relay_status == ""
    visit_again(device)
    answer = api.get(url).json()
    assert (answer["status"], answer["attempts"]) == ("SUCCEEDED", 2)
    assert (answer["result"]["before"], answer["result"]["after"]) == (None, "DISCONNECTED")
    assert switch.methods == [1]
    device.refresh_from_db()
    assert device.relay_status == "DISCONNECTED"
    assert device.relay_status_as_of is not None


def test_it_was_lost_before_the_meter_did_it(
    api: APIClient, device: Device, simulated: Meter, switch: Switch
) -> None:
    switch.before = hang_up
    url = post(api, DISCONNECT, device)
    meters.visit(device)
    switch.before = None
    visit_again(device)
    answer = api.get(url).json()
    assert (answer["status"], answer["fault"]["code"], answer["fault"]["retryable"]) == ("FAILED", 414, False)
    assert "CONNECTED now" in answer["fault"]["message"]
    assert "not repeated" in answer["fault"]["message"]
    assert switch.methods == [1]
    assert simulated.memory.control_state == CONNECTED
    assert Action.objects.get().state == ActionState.FAULT


def test_what_is_read_before_may_be_read_again(
    api: APIClient, device: Device, simulated: Meter, switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent yet, so this is an attempt like any other."""
    get = Meter.get

    def lose_once(meter: Meter, descriptor: Any, *args: Any, **options: Any) -> Any:
        if descriptor.class_id == 70:
            monkeypatch.setattr(Meter, "get", get)
            raise HangUp
        return get(meter, descriptor, *args, **options)

    monkeypatch.setattr(Meter, "get", lose_once)
    url = post(api, DISCONNECT, device)
    meters.visit(device)
    assert Action.objects.get().state == ActionState.PENDING
    assert switch.methods == []
    visit_again(device)
    answer = api.get(url).json()
    assert (answer["status"], answer["attempts"]) == ("SUCCEEDED", 2)
    assert (answer["result"]["before"], answer["result"]["after"]) == ("CONNECTED", "DISCONNECTED")
    assert switch.methods == [1]


def test_the_outcome_is_lost_again(api: APIClient, device: Device, simulated: Meter, switch: Switch) -> None:
    """The state can be asked for as often as it takes."""
    switch.after = lose_answer
    url = post(api, DISCONNECT, device)
    meters.visit(device)
    simulated.faults.switch_on(FaultKind.REFUSE_CONNECTION, 1)
    visit_again(device)
    assert Action.objects.get().state == ActionState.STARTED
    visit_again(device)
    assert api.get(url).json()["result"]["after"] == "DISCONNECTED"
    assert switch.methods == [1]


def test_without_another_attempt_it_is_unknown(
    api: APIClient, device: Device, simulated: Meter, switch: Switch
) -> None:
    switch.after = lose_answer
    url = post(api, DISCONNECT, device, bypass_retry=True)
    meters.visit(device)
    assert api.get(url).json()["status"] == "FAILED"
    assert Action.objects.get().state == ActionState.UNKNOWN
    assert switch.methods == [1]


def test_in_a_bundle(api: APIClient, device: Device, simulated: Meter, switch: Switch) -> None:
    switch.after = lose_answer
    accepted = api.post(
        "/api/v1/bundle/",
        {
            "device_identification": device.identification,
            "actions": [
                {"message": "ReadRelayStatus"},
                {"message": DISCONNECT},
                {"message": "ReadRelayStatus"},
            ],
        },
        format="json",
    )
    assert accepted.status_code == 202, accepted.content
    meters.visit(device)
    states = list(Action.objects.order_by("position").values_list("state", flat=True))
    assert states == [ActionState.DONE, ActionState.STARTED, ActionState.PENDING]
    visit_again(device)
    first, second, third = api.get(accepted.json()["url"]).json()["responses"]
    assert first["result"]["relay_status"] == "CONNECTED"
    assert (second["result"]["before"], second["result"]["after"]) == (None, "DISCONNECTED")
    assert third["result"]["relay_status"] == "DISCONNECTED"
    assert switch.methods == [1]
    device.refresh_from_db()
    assert device.relay_status == "DISCONNECTED"


def test_a_more_urgent_reconnection_waits_for_the_outcome(
    api: APIClient, device: Device, simulated: Meter, switch: Switch
) -> None:
    """Otherwise the state that is read would be that of the reconnection."""
    switch.after = lose_answer
    disconnected = post(api, DISCONNECT, device, priority=4)
    meters.visit(device)
    switch.after = None
    reconnected = post(api, RECONNECT, device, priority=9)
    visit_again(device)
    first, second = api.get(disconnected).json(), api.get(reconnected).json()
    assert (first["status"], first["result"]["after"]) == ("SUCCEEDED", "DISCONNECTED")
    assert (second["result"]["before"], second["result"]["after"]) == ("DISCONNECTED", "CONNECTED")
    assert switch.methods == [1, 2]
    device.refresh_from_db()
    assert device.relay_status == "CONNECTED"


def test_a_reconnection_in_a_visit_of_its_own_comes_first(
    api: APIClient, device: Device, simulated: Meter, switch: Switch
) -> None:
    """The disconnection is not due yet. It then tells what is, and does not take the power away again."""
    switch.after = lose_answer
    disconnected = post(api, DISCONNECT, device)
    meters.visit(device)
    switch.after = None
    reconnected = post(api, RECONNECT, device)
    meters.visit(device)
    assert api.get(reconnected).json()["result"]["after"] == "CONNECTED"
    visit_again(device)
    answer = api.get(disconnected).json()
    assert (answer["status"], answer["fault"]["code"]) == ("FAILED", 414)
    assert "CONNECTED now" in answer["fault"]["message"]
    assert switch.methods == [1, 2]


def test_both_in_one_visit(api: APIClient, device: Device, simulated: Meter, switch: Switch) -> None:
    first = post(api, DISCONNECT, device, priority=5)
    second = post(api, RECONNECT, device)
    meters.visit(device)
    assert api.get(first).json()["result"]["after"] == "DISCONNECTED"
    assert api.get(second).json()["result"]["after"] == "CONNECTED"
    device.refresh_from_db()
    assert device.relay_status == "CONNECTED"


@pytest.mark.parametrize("group", sorted(set(DeviceFunctionGroup) - {"OWNER", "RELAY"}))
def test_other_groups_may_not(
    api: APIClient, organisation: Organisation, device: Device, group: DeviceFunctionGroup
) -> None:
    DeviceAuthorisation.objects.all().delete()
    factories.grant(organisation, device, group)
    for url in URLS.values():
        refused = api.post(url, {"device_identification": device.identification}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (403, 301)
    assert not Request.objects.exists()


def test_the_group_of_its_own_may(
    api: APIClient, organisation: Organisation, device: Device, switch: Switch
) -> None:
    DeviceAuthorisation.objects.all().delete()
    factories.grant(organisation, device, DeviceFunctionGroup.RELAY)
    for message in URLS:
        post(api, message, device)
    # It has nothing to do with anything else, beside reading the status.
    refused = api.post(
        "/api/v1/management/get-gsm-diagnostic/",
        {"device_identification": device.identification},
        format="json",
    )
    assert refused.status_code == 403
