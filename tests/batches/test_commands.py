"""manage.py batch and device_group: the same rules and answers as over HTTP."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchState
from osgp.commands import watching
from osgp.commands.management.commands import batch as command
from osgp.commands.management.commands import request as sending
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.requests.models import Request, RequestState
from tests.batches.conftest import create_all
from tests.factories import make_device
from tests.state_check import states_by_hand


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, answer, and what was said instead of one."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command("batch", *arguments, stdout=output, stderr=errors, no_color=True)
    answer = json.loads(output.getvalue()) if output.getvalue() else {}
    return int(info.value.code or 0), answer, errors.getvalue()


@pytest.fixture
def listed(fleet: list[Device], tmp_path: Path) -> str:
    file = tmp_path / "devices.txt"
    file.write_text("\n".join(device.identification for device in fleet) + "\n")
    return str(file)


def test_help_names_the_messages_that_may_be_sent_to_many() -> None:
    text = command.Command().create_parser("manage.py", "batch").format_help()
    assert "ActualMeterReads" in text
    assert "AddDevice" not in text
    assert "AddDevice" in sending.Command().create_parser("manage.py", "request").format_help()


def test_a_list_is_sent(listed: str, fleet: list[Device]) -> None:
    status, answer, _ = run("ActualMeterReads", "--devices", listed, "--priority", "6")
    assert (status, answer["total"]) == (3, 5)
    assert {request.priority for request in Request.objects.all()} == {6}


def test_it_may_be_for_later_and_spread(group: DeviceGroup) -> None:
    later = ("--schedule-time", "2090-01-01T00:00:00Z", "--max-schedule-time", "2090-01-02T00:00:00Z")
    status, _, _ = run("ActualMeterReads", "--group", "north", "--spread", "3600", *later)
    create_all()
    assert status == 3
    assert {request.state for request in Request.objects.all()} == {RequestState.SCHEDULED}
    assert len({request.due_at for request in Request.objects.all()}) == 5
    assert {f"{request.max_schedule_time:%d}" for request in Request.objects.all()} == {"02"}


@pytest.mark.parametrize(("outcome", "expected"), [(RequestState.SUCCEEDED, 0), (RequestState.FAILED, 1)])
def test_it_waits_until_all_is_over(
    group: DeviceGroup, monkeypatch: pytest.MonkeyPatch, outcome: RequestState, expected: int
) -> None:
    def sleep(seconds: float) -> None:
        create_all()
        with states_by_hand():
            Request.objects.update(state=outcome)

    monkeypatch.setattr(watching.time, "sleep", sleep)
    status, answer, _ = run("ActualMeterReads", "--group", "north", "--wait")
    assert (status, answer["status"], answer["requests"][outcome]) == (expected, "COMPLETED", 5)
    assert Batch.objects.get().state == BatchState.COMPLETED


def test_it_does_not_wait_for_ever(group: DeviceGroup) -> None:
    status, answer, _ = run("ActualMeterReads", "--group", "north", "--wait", "0")
    assert (status, answer["status"]) == (3, "CREATING")


def test_what_is_refused_is_told_as_the_api_tells_it(group: DeviceGroup, tmp_path: Path) -> None:
    file = tmp_path / "devices.txt"
    file.write_text("E9")
    status, _, said = run("ActualMeterReads", "--devices", str(file))
    assert status == 2
    assert json.loads(said)["errors"][0]["pointer"] == "/device_identifications/0"
    assert run("ActualMeterReads", "--devices", str(tmp_path / "missing"))[0] == 2
    assert run("Nonsense", "--group", "north")[0] == 2


def group_command(*arguments: str) -> tuple[str, str]:
    output, errors = io.StringIO(), io.StringIO()
    call_command("device_group", *arguments, stdout=output, stderr=errors, no_color=True)
    return output.getvalue(), errors.getvalue()


def test_a_group_that_was_mistyped_is_not_made(organisation: Organisation, fleet: list[Device]) -> None:
    with pytest.raises(CommandError, match="UTILITY has no group sotuh; --make makes it"):
        group_command("sotuh", "--organisation", "UTILITY", "--add-all")
    assert not DeviceGroup.objects.exists()


def test_groups_are_made_and_changed(organisation: Organisation, listed: str, fleet: list[Device]) -> None:
    stranger = make_device("E9")
    Path(listed).write_text(f"{Path(listed).read_text()}E9\n")
    said, unknown = group_command("south", "--make", "--organisation", "UTILITY", "--add", listed)
    assert "5 put in" in said
    assert "south: 5 devices" in said
    assert "unknown: E9" in unknown
    assert "0 put in" in group_command("south", "--organisation", "UTILITY", "--add-all")[0]
    group = groups.find_group(organisation, "south")
    assert group is not None
    assert set(groups.list_members(group)) == set(fleet)
    assert stranger not in groups.list_members(group)
    assert "south: 0 devices" in group_command("south", "--organisation", "UTILITY", "--remove", listed)[0]


def test_bad_names_and_organisations_are_refused(organisation: Organisation) -> None:
    with pytest.raises(CommandError):
        group_command("south", "--organisation", "NOBODY")
    with pytest.raises(CommandError):
        group_command(" ", "--organisation", "UTILITY")
