"""manage.py fetch_missing: the same rules and answers as over HTTP."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.commands import watching
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.requests.models import Request, RequestState
from tests.batches.conftest import create_all, make_fleet
from tests.state_check import states_by_hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("next_morning")]

DAYS = ("--from", "2026-10-14", "--until", "2026-10-15")


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, answer, and what was said instead of one."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command("fetch_missing", *DAYS, *arguments, stdout=output, stderr=errors, no_color=True)
    answer = json.loads(output.getvalue()) if output.getvalue() else {}
    return int(info.value.code or 0), answer, errors.getvalue()


@pytest.fixture
def fleet(organisation: Organisation) -> list[Device]:
    return make_fleet(organisation, 5)


def test_it_asks_all_that_the_filters_find(organisation: Organisation, fleet: list[Device]) -> None:
    group = DeviceGroup.objects.create(organisation=organisation, name="north")
    groups.add(group, [fleet[0].identification, fleet[1].identification])
    filters = ("--group", "north", "--reason", "NEVER_ASKED", "--reason", "UNREACHABLE")
    status, answer, _ = run("--period", "INTERVAL", *filters, "--device", fleet[1].identification)
    assert (status, answer["devices"]) == (3, 1)
    [batch] = answer["batches"]
    assert batch["target"] == {
        "period": "INTERVAL",
        "from": "2026-10-14",
        "until": "2026-10-15",
        "device": [fleet[1].identification],
        "group": "north",
        "network": None,
        "device_type": None,
        "reason": ["NEVER_ASKED", "UNREACHABLE"],
    }
    create_all()
    request = Request.objects.get()
    assert (request.device, request.application) == (fleet[1], "command line")


@pytest.mark.parametrize(("outcome", "expected"), [(RequestState.SUCCEEDED, 0), (RequestState.FAILED, 1)])
def test_it_waits_until_all_is_over(
    fleet: list[Device],
    gas_meter: Device,
    monkeypatch: pytest.MonkeyPatch,
    outcome: RequestState,
    expected: int,
) -> None:
    def sleep(seconds: float) -> None:
        create_all()
        with states_by_hand():
            Request.objects.update(state=outcome)

    monkeypatch.setattr(watching.time, "sleep", sleep)
    status, answer, _ = run("--wait")
    assert status == expected
    assert [batch["status"] for batch in answer["batches"]] == ["COMPLETED"] * 2
    assert [batch["requests"][outcome] for batch in answer["batches"]] == [6, 1]


def test_it_does_not_wait_for_ever(fleet: list[Device]) -> None:
    status, answer, _ = run("--wait", "0")
    assert (status, answer["batches"][0]["status"]) == (3, "CREATING")


def test_nothing_is_missing(organisation: Organisation) -> None:
    assert run()[:2] == (
        0,
        {"batches": [], "devices": 0, "requests": 0, "pending": 0, "settled": 0, "cursor": None},
    )


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [(("--group", "none"), "/group"), (("--device", "E9"), "/device/0"), (("--from", "x"), "/from")],
)
def test_what_is_refused_is_told_as_the_api_tells_it(
    organisation: Organisation, arguments: tuple[str, ...], pointer: str
) -> None:
    status, _, said = run(*arguments)
    assert (status, json.loads(said)["errors"][0]["pointer"]) == (2, pointer)
    assert not Batch.objects.exists()
