"""``manage.py probe_meter``: what it prints, what it applies, and how it ends."""

import io
import json
from collections.abc import Iterator

import pytest
from django.core.management import call_command

from osgp.accounts.models import Organisation
from osgp.commands.management.commands import probe_meter
from osgp.devices.models import Device
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.quirks import Quirk
from tests import meters

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.5")) as simulator:
        yield simulator


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A meter that takes lists of four; whoever waits for a request carries it out."""
    [device] = meters.add_meters(organisation, simulator).values()
    Device.objects.update(with_list_max=0)
    simulator.meters[device.identification].memory.quirks = frozenset({Quirk.LISTS_OF_FOUR})
    monkeypatch.setattr(probe_meter, "wait_until_final", lambda pk, seconds: meters.visit(device))
    monkeypatch.setenv("COLUMNS", "100")
    return device


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("probe_meter", *arguments, stdout=out, stderr=out, no_color=True)
    return int(end.value.code or 0), out.getvalue()


def test_a_table(device: Device) -> None:
    status, text = run(device.identification)
    assert status == 0
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    [heading] = [line for line in lines if line.startswith("SETTING")]
    [row] = [line for line in lines if line.startswith("with_list_max")]
    assert row[heading.index("NOW")] == "1"
    assert row[heading.index("PROPOSAL")] == "4"
    assert row[heading.index("SEEN") :].startswith("Lists of up to 4")
    assert "Proposed: with_list_max=4" in text
    device.refresh_from_db()
    assert device.with_list_max == 0


def test_applied(device: Device) -> None:
    status, text = run(device.identification, "--apply")
    assert status == 0
    assert "Applied: with_list_max=4" in text
    device.refresh_from_db()
    assert device.with_list_max == 4


def test_json(device: Device) -> None:
    status, text = run(device.identification, "--json")
    assert status == 0
    answer = json.loads(text)
    assert (answer["message"], answer["status"]) == ("ProbeMeter", "SUCCEEDED")
    assert {each["setting"] for each in answer["result"]["findings"]} >= {"with_list_max", "range_bounds"}


def test_a_meter_that_is_not_reached(device: Device, simulator: SimulatorThread) -> None:
    """What was found is applied all the same."""
    simulator.meters[device.identification].memory.quirks = frozenset({Quirk.PAUSE_NEEDED})
    status, text = run(device.identification, "--apply")
    assert status == 1
    assert f"No association with {device.identification}: " in text
    assert "Applied: pause_between_connections=5" in text
    device.refresh_from_db()
    assert device.own_settings == {"pause_between_connections": 5.0}


def test_still_pending(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_meter, "wait_until_final", lambda pk, seconds: None)
    status, text = run(device.identification)
    assert status == 3
    assert str(Request.objects.get().correlation_uid) in text


def test_refused(device: Device) -> None:
    status, text = run("SIME0000000009999")
    assert status == 2
    assert "UNKNOWN_DEVICE" in text
    assert not Request.objects.exists()
