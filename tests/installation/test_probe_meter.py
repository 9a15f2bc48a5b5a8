"""ProbeMeter against simulated meters that differ: what it proposes, applies, and what that is good for."""

from collections.abc import Iterator
from typing import Any

import pytest

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import Action, MeterSession, Request, RequestState
from osgp.simulator import Fleet, Framing, SimulatorThread
from osgp.simulator.quirks import Quirk
from tests import factories, meters

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    fleet = Fleet.build(2, "SMR-5.5", framing=[Framing.WRAPPER, Framing.HDLC])
    with SimulatorThread(fleet) as simulator:
        yield simulator


@pytest.fixture
def devices(organisation: Organisation, simulator: SimulatorThread) -> list[Device]:
    """One with the wrapper and one with HDLC, of which nobody has told how to talk to them."""
    found = list(meters.add_meters(organisation, simulator).values())
    Device.objects.update(with_list_max=0, own_settings=None)
    for meter in simulator.meters.values():
        meter.memory.quirks = frozenset()
        meter.memory.rests_until = 0.0
    return found


def probe(organisation: Organisation, device: Device, **parameters: Any) -> Action:
    request = factories.make_request(organisation, device, "ProbeMeter", parameters=parameters)
    meters.visit(device)
    return Action.objects.select_related("request").get(request=request)


def succeed(action: Action) -> dict[str, dict[str, Any]]:
    """The findings of a probe that succeeded, by setting."""
    assert action.request.state == RequestState.SUCCEEDED, action.request.fault
    assert action.result is not None
    return {each["setting"]: each for each in action.result["findings"]}


def proposals(findings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: each["proposed"] for name, each in findings.items() if each["proposed"] is not None}


def give_quirks(simulator: SimulatorThread, device: Device, *quirks: Quirk) -> None:
    simulator.meters[device.identification].memory.quirks = frozenset(quirks)


def test_a_meter_like_the_books(organisation: Organisation, devices: list[Device]) -> None:
    for device in devices:
        action = probe(organisation, device)
        import json; print(json.dumps(action.result, indent=1), action.request.fault)
        findings = succeed(action)
        assert proposals(findings) == {"with_list_max": 32}
