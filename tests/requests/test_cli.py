"""manage.py request: the same messages, rules and answers as over HTTP."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import Operation
from osgp.requests import waiting
from osgp.requests.models import Action, Request, RequestState
from tests.state_check import states_by_hand


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, answer, and what was said instead of one."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command("request", *arguments, stdout=output, stderr=errors, no_color=True)
    answer = json.loads(output.getvalue()) if output.getvalue() else {}
    return int(info.value.code or 0), answer, errors.getvalue()


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch) -> Callable[[RequestState], None]:
    """Lets the request become final, with that state, while the command waits for it."""

    def prepare(state: RequestState, fault: Any = None) -> None:
        def sleep(seconds: float) -> None:
            with states_by_hand():
                Request.objects.update(state=state, fault=fault, completed_at=timezone.now())
            Action.objects.update(result={"timezone": "Europe/Amsterdam"})

        monkeypatch.setattr(waiting.time, "sleep", sleep)

    return prepare


def test_a_request_is_sent_and_left_pending(device: Device) -> None:
    status, answer, _ = run("SynchronizeTime", "--device", device.identification, "--priority", "8")
    request = Request.objects.get()
    assert status == 3
    assert (answer["correlation_uid"], answer["status"]) == (str(request.correlation_uid), "QUEUED")
    assert (request.priority, request.application) == (8, "command line")


def test_parameters_are_json_or_text(device: Device) -> None:
    status, *_ = run(
        "GetSpecificConfigurationObject",
        *("--device", device.identification, "--parameter", "class_id=8"),
        *("--parameter", "obis_code=0-0:1.0.0.255", "--parameter", "attribute=2"),
        *("--parameter", "bypass_retry=true"),
    )
    assert status == 3
    assert Request.objects.get().bypass_retry
    assert Action.objects.get().parameters == {"class_id": 8, "obis_code": "0-0:1.0.0.255", "attribute": 2}


def test_a_success_is_waited_for(device: Device, finish: Callable[..., None]) -> None:
    finish(RequestState.SUCCEEDED)
    status, answer, _ = run("SynchronizeTime", "--device", device.identification, "--wait")
    assert (status, answer["status"], answer["result"]) == (0, "SUCCEEDED", {"timezone": "Europe/Amsterdam"})


@pytest.mark.parametrize("state", [RequestState.FAILED, RequestState.CANCELLED])
def test_a_failure_is_waited_for(device: Device, finish: Callable[..., None], state: RequestState) -> None:
    finish(state, Fault(FaultCode.CONNECTION_REFUSED, "Refused.").as_dict())
    status, answer, _ = run("SynchronizeTime", "--device", device.identification, "--wait", "5")
    assert (status, answer["status"]) == (1, state)


def test_waiting_ends_when_the_time_is_up(device: Device) -> None:
    status, answer, _ = run("SynchronizeTime", "--device", device.identification, "--wait", "0.1")
    assert (status, answer["status"], answer["result"]) == (3, "QUEUED", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["SynchronizeTime", "--device", "UNKNOWN"], "UNKNOWN_DEVICE"),
        (["NoSuchMessage", "--device", "E0000000000000001"], "There is no message"),
        (["SynchronizeTime", "--device", "E0000000000000001", "--priority", "10"], "/priority"),
        (["SynchronizeTime", "--device", "E0000000000000001", "--parameter", "colour=red"], "/colour"),
        (["SynchronizeTime", "--device", "E0000000000000001", "--parameter", "timezone=1"], "/timezone"),
        (["SynchronizeTime", "--device", "E0000000000000001", "--parameter", "timezone"], "NAME=VALUE"),
        (["SynchronizeTime", "--device", "E0000000000000001", "--organisation", "NOBODY"], "NOBODY"),
    ],
)
def test_bad_input_is_refused(device: Device, arguments: list[str], said: str) -> None:
    status, answer, errors = run(*arguments)
    assert (status, answer) == (2, {})
    assert said in errors
    assert not Request.objects.exists()


def test_the_organisation_must_be_clear(device: Device, other_organisation: Organisation) -> None:
    status, _, errors = run("SynchronizeTime", "--device", device.identification)
    assert status == 2
    assert "--organisation" in errors
    status, *_ = run("SynchronizeTime", "--device", device.identification, "--organisation", "UTILITY")
    assert status == 3
    status, _, errors = run(
        "SynchronizeTime", "--device", device.identification, "--organisation", "STRANGER"
    )
    assert status == 2
    assert "UNKNOWN_DEVICE" in errors


def test_a_disabled_organisation_sends_nothing(device: Device, organisation: Organisation) -> None:
    Organisation.objects.update(enabled=False)
    assert run("SynchronizeTime", "--device", device.identification, "--organisation", "UTILITY")[0] == 2
    assert not Request.objects.exists()


@pytest.mark.parametrize("task", list(registry.list_operations()), ids=lambda task: task.message)
def test_every_message_can_be_sent(device: Device, task: Operation) -> None:
    """A field that no message has is refused by the message itself, so it was found."""
    status, _, errors = run(task.message, "--device", device.identification, "--parameter", "no=1")
    assert status == 2
    assert "/no" in errors
