"""Bundles from the command line and from the admin."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation, User
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.requests import waiting
from osgp.requests.models import Action, ActionState, Request, RequestState
from tests.state_check import states_by_hand

ACTIONS = [{"message": "SynchronizeTime", "timezone": "Europe/Lisbon"}, {"message": "ActualMeterReads"}]
FAULT = Fault(FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE, "Refused.").as_dict()


# --- Command line ---------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, Any, str]:
    """Exit status, answer, and what was said instead of one."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command("request", "Bundle", *arguments, stdout=output, stderr=errors, no_color=True)
    return int(info.value.code or 0), json.loads(output.getvalue() or "null"), errors.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    """Writes a file; returns its name."""

    def write(text: str) -> str:
        (tmp_path / "actions.json").write_text(text)
        return str(tmp_path / "actions.json")

    return write


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the bundle become final, with these outcomes, while the command waits for it."""

    def prepare(*states: ActionState) -> None:
        def sleep(seconds: float) -> None:
            with states_by_hand():
                for position, state in enumerate(states):
                    fault = None if state == ActionState.DONE else FAULT
                    Action.objects.filter(position=position).update(state=state, fault=fault, result={})
                Request.objects.update(state=RequestState.SUCCEEDED, completed_at=timezone.now())

        monkeypatch.setattr(waiting.time, "sleep", sleep)

    return prepare


def test_actions_from_a_file(device: Device, file: Callable[[str], str]) -> None:
    status, answer, _ = run("--device", device.identification, "--actions", file(json.dumps(ACTIONS)))
    assert (status, answer["message"], answer["status"]) == (3, "Bundle", "QUEUED")
    assert list(Action.objects.order_by("position").values_list("message", "parameters")) == [
        ("SynchronizeTime", {"timezone": "Europe/Lisbon"}),
        ("ActualMeterReads", {}),
    ]


def test_actions_from_standard_input(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(ACTIONS)))
    assert run("--device", device.identification, "--actions", "-", "--priority", "8")[0] == 3
    assert Request.objects.get().priority == 8


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((ActionState.DONE, ActionState.DONE), 0),
        ((ActionState.DONE, ActionState.FAULT), 1),
        ((ActionState.UNKNOWN, ActionState.DONE), 1),
    ],
)
def test_the_exit_status_tells_of_the_actions(
    device: Device,
    file: Callable[[str], str],
    finish: Callable[..., None],
    states: tuple[ActionState, ...],
    expected: int,
) -> None:
    finish(*states)
    name = file(json.dumps(ACTIONS))
    status, answer, _ = run("--device", device.identification, "--actions", name, "--wait")
    assert (status, answer["status"], len(answer["responses"])) == (expected, "SUCCEEDED", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("{}", "/actions"),
        ('[{"message": "ActualMeterReads"}, {"message": "NoSuch"}]', "/actions/1/message"),
    ],
)
def test_bad_actions_are_refused(device: Device, file: Callable[[str], str], text: str, said: str) -> None:
    status, answer, errors = run("--device", device.identification, "--actions", file(text))
    assert (status, answer) == (2, None)
    assert said in errors
    assert not Request.objects.exists()


def test_a_file_that_is_not_there(device: Device, tmp_path: Path) -> None:
    status, _, errors = run("--device", device.identification, "--actions", str(tmp_path / "none.json"))
    assert status == 2
    assert "No such file" in errors


# --- Admin ----------------------------------------------------------------------------------------------


@pytest.fixture
def operator(organisation: Organisation) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("marijke"))
    return client


def new_url(device: Device) -> str:
    return f"{reverse('admin:requests_request_add')}?device={device.pk}&message=Bundle"


def test_a_bundle_is_written_as_json(operator: Client, organisation: Organisation, device: Device) -> None:
    page = operator.get(new_url(device))
    assert "SynchronizeTime" in page.context["form"].fields["actions"].help_text
    answer = operator.post(
        new_url(device), {"on_behalf_of": organisation.pk, "actions": json.dumps(ACTIONS), "priority": "2"}
    )
    request = Request.objects.get()
    assert answer["Location"] == reverse("admin:requests_request_change", args=[request.pk])
    assert (request.message, request.priority, request.actions.count()) == ("Bundle", 2, 2)
    shown = operator.get(answer["Location"]).content.decode()
    assert "SynchronizeTime" in shown
    assert "Europe/Lisbon" in shown


def test_what_is_wrong_is_told_action_by_action(
    operator: Client, organisation: Organisation, device: Device
) -> None:
    faulty = json.dumps([*ACTIONS, {"message": "NoSuch"}, {"message": "SynchronizeTime", "timezone": "Mars"}])
    answer = operator.post(new_url(device), {"on_behalf_of": organisation.pk, "actions": faulty})
    assert answer.status_code == 200
    told = answer.context["form"].errors["actions"]
    assert [text.partition(":")[0] for text in told] == ["2/message", "3/timezone"]
    assert not Request.objects.exists()


def test_bundles_are_offered_for_meters_that_are_dialled(
    operator: Client, device: Device, gas_meter: Device
) -> None:
    def offered(item: Device) -> str:
        page = operator.get(reverse("admin:requests_request_add"), {"device": item.pk})
        return str(page.context["choose"].fields["message"].choices)

    assert "'Bundle'" in offered(device)
    assert "'Bundle'" not in offered(gas_meter)
