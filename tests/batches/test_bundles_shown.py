"""Batches and schedules of bundles as people meet them: answers, the command line, and the admin."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation, User
from osgp.batches.models import Batch, RecurringRequest
from osgp.batches.naming import name_content
from osgp.commands.management.commands import batch as command
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import schedules
from osgp.requests.models import Action
from tests.batches.conftest import create_all
from tests.batches.test_bundles import CLOCK, DAYS, INTERVALS, NIGHTLY, URL, post
from tests.batches.test_schedules import make_due
from tests.factories import make_token

SCHEDULES = "/api/v1/schedules/"
CONTENT = "Bundle: PeriodicMeterReads ×2, SynchronizeTime"
NEW_BATCH = "admin:batches_batch_add"
NEW_SCHEDULE = "admin:batches_recurringrequest_add"


def test_names() -> None:
    assert name_content("ActualMeterReads", {"actions": []}) == "ActualMeterReads"
    assert name_content("Bundle", {"actions": NIGHTLY}) == CONTENT
    assert name_content("Bundle", {"actions": [CLOCK, DAYS]}) == "Bundle: SynchronizeTime, PeriodicMeterReads"
    many = [{"message": name} for name in "ABCADEF"]
    assert name_content("Bundle", {"actions": many}) == "Bundle: A ×2, B, C, D, 2 more"


# --- REST ---


def test_a_batch_tells_what_it_sends(api: APIClient, group: DeviceGroup) -> None:
    accepted = post(api, device_group="north").json()
    assert (accepted["message"], accepted["content"]) == ("Bundle", CONTENT)
    shown = api.get(accepted["url"]).json()
    assert (shown["content"], shown["parameters"]) == (CONTENT, {"actions": NIGHTLY})
    [row] = api.get(f"{URL}?message=Bundle").json()["results"]
    assert row["content"] == CONTENT


def make(api: APIClient, **fields: Any) -> Any:
    body = {
        "name": "nightly",
        "message": "Bundle",
        "parameters": {"actions": NIGHTLY},
        "device_group": "north",
        "every": 1,
        "period": "hours",
        "spread_seconds": 600,
    }
    return api.post(SCHEDULES, body | fields, format="json")


def test_a_schedule_sends_bundles(api: APIClient, group: DeviceGroup) -> None:
    made = make(api)
    assert made.status_code == 201, made.json()
    assert (made.json()["content"], made.json()["parameters"]) == (CONTENT, {"actions": NIGHTLY})
    make_due(RecurringRequest.objects.get())
    assert schedules.create_due() == 1
    create_all()
    batch = Batch.objects.get()
    assert (batch.message, batch.parameters, batch.requests.count()) == ("Bundle", {"actions": NIGHTLY}, 5)
    assert Action.objects.count() == 15
    [occurrence] = api.get(f"{made.json()['url']}occurrences/").json()["results"]
    assert occurrence["content"] == CONTENT


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({}, "/parameters/actions"),
        ([], "/parameters"),
        ({"actions": []}, "/parameters/actions"),
        ({"actions": [CLOCK], "timezone": "UTC"}, "/parameters/timezone"),
        ({"actions": [CLOCK, DAYS | {"period_type": "X"}]}, "/parameters/actions/1/period_type"),
        (
            {"actions": [CLOCK | {"device_identification": "E1"}]},
            "/parameters/actions/0/device_identification",
        ),
    ],
)
def test_a_faulty_bundle_makes_no_schedule(
    api: APIClient, group: DeviceGroup, parameters: Any, pointer: str
) -> None:
    for path in (SCHEDULES, f"{SCHEDULES}preview/"):
        body = {
            "name": "x",
            "message": "Bundle",
            "parameters": parameters,
            "device_group": "north",
            "every": 5,
        }
        answer = api.post(path, body, format="json")
        assert answer.status_code == 400
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not RecurringRequest.objects.exists()


def test_the_scopes_of_all_actions_steer(
    api: APIClient, organisation: Organisation, group: DeviceGroup, client_of: Callable[[str], APIClient]
) -> None:
    schedule = make(api).json()["url"]
    batch = post(api, device_group="north").json()["url"]
    narrow = client_of(make_token(organisation, scopes=["bundle", "monitoring", "read"]))
    refused = make(narrow, name="another")
    assert (refused.status_code, refused.json()["code"]) == (403, 301)
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/parameters/actions/2/message"]
    for call in (
        lambda: narrow.delete(schedule),
        lambda: narrow.post(f"{schedule}pause/"),
        lambda: narrow.put(schedule, {}, format="json"),
        lambda: narrow.post(f"{batch}cancel/"),
        lambda: narrow.post(f"{batch}retry-failed/"),
    ):
        assert call().status_code == 403
    assert narrow.get(schedule).json()["content"] == CONTENT
    assert api.post(f"{batch}cancel/").status_code == 200


def test_the_document_describes_the_actions_that_are_accepted(api: APIClient) -> None:
    components = api.get("/api/v1/schema/", HTTP_ACCEPT="application/json").json()["components"]["schemas"]
    actions = components["BundleBatchRequest"]["properties"]["actions"]
    assert (actions["minItems"], actions["maxItems"]) == (1, 500)
    named = components["BatchActionRequest"]["discriminator"]["mapping"]
    assert "SynchronizeTime" in named
    assert not {"ActualMeterReadsGas", "AddDevice", "Bundle"} & set(named)
    one = components[named["SynchronizeTime"].rpartition("/")[2]]
    assert set(one["properties"]) == {"message", "timezone"}
    assert "device_identification" in components["SynchronizeTimeActionRequest"]["properties"]
    assert components["BatchRequestRequest"]["discriminator"]["mapping"]["Bundle"].endswith(
        "/BundleBatchRequest"
    )


# --- Command line ---


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, answer, and what was said instead of one."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command(*arguments, stdout=output, stderr=errors, no_color=True)
    answer = json.loads(output.getvalue()) if output.getvalue() else {}
    return int(info.value.code or 0), answer, errors.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with the actions."""
    (tmp_path / "nightly.json").write_text(json.dumps(NIGHTLY))
    return str(tmp_path / "nightly.json")


def test_batches_on_the_command_line(
    group: DeviceGroup, fleet: list[Device], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Bundle" in command.Command().create_parser("manage.py", "batch").format_help()
    status, answer, _ = run("batch", "Bundle", "--group", "north", "--actions", file)
    assert (status, answer["content"], answer["total"]) == (3, CONTENT, 5)
    monkeypatch.setattr("sys.stdin", io.StringIO(fleet[0].identification))
    status, answer, _ = run("batch", "Bundle", "--devices", "-", "--actions", file, "--wait", "0")
    assert (status, answer["parameters"]) == (3, {"actions": NIGHTLY})
    status, _, said = run("batch", "ActualMeterReads", "--group", "north", "--actions", file)
    assert (status, json.loads(said)["errors"][0]["pointer"]) == (2, "/actions")


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "holds no JSON"), ("{}", "/actions"), ('[{"message": "NoSuch"}]', "/actions/0/message")],
)
def test_bad_actions_on_the_command_line(group: DeviceGroup, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    for arguments in (
        ("batch", "Bundle", "--group", "north"),
        ("schedule", "make", "x", "Bundle", "--group", "north", "--every", "5"),
    ):
        status, _, told = run(*arguments, "--actions", str(tmp_path / "bad.json"))
        assert status == 2
        assert said in told
    assert [model.objects.exists() for model in (Batch, RecurringRequest)] == [False, False]


def test_schedules_on_the_command_line(group: DeviceGroup, file: str, tmp_path: Path) -> None:
    new = ("nightly", "Bundle", "--group", "north", "--every", "1", "--period", "days", "--actions", file)
    assert len(run("schedule", "preview", *new)[1]["next_occurrences"]) == 10
    status, made, _ = run("schedule", "make", *new)
    assert (status, made["content"]) == (0, CONTENT)
    [row] = run("schedule", "list", "--message", "Bundle")[1]["results"]
    assert row["content"] == CONTENT
    assert run("schedule", "change", "nightly", "--spread", "60")[1]["parameters"] == {"actions": NIGHTLY}
    (tmp_path / "fewer.json").write_text(json.dumps([INTERVALS]))
    changed = run("schedule", "change", "nightly", "--actions", str(tmp_path / "fewer.json"))[1]
    assert (changed["content"], changed["spread_seconds"]) == ("Bundle: PeriodicMeterReads", 60)


# --- Admin ---


@pytest.fixture
def operator(organisation: Organisation) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("marijke"))
    return client


def read(client: Client, name: str, *arguments: Any) -> str:
    """The text of a page, without its tags."""
    page = client.get(reverse(name, args=arguments)).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<wbr>|<[^>]*>", "", page))


def test_a_batch_in_the_admin(operator: Client, organisation: Organisation, group: DeviceGroup) -> None:
    assert "'Bundle'" in str(operator.get(reverse(NEW_BATCH)).context["choose"].fields["message"].choices)
    url = f"{reverse(NEW_BATCH)}?message=Bundle&organisation={organisation.pk}"
    form = operator.get(url).context["form"]
    assert "SynchronizeTime" in form.fields["parameter-actions"].help_text
    assert "none names a device" in form.fields["parameter-actions"].help_text
    faulty = json.dumps([CLOCK, {"message": "NoSuch"}, DAYS | {"device_identification": "E1"}])
    body = {"group": group.pk, "devices": "", "spread_seconds": "0", "priority": "7"}
    answer = operator.post(url, body | {"parameter-actions": faulty})
    told = answer.context["form"].errors["parameter-actions"]
    assert [text.partition(":")[0] for text in told] == ["1/message", "2/device_identification"]
    answer = operator.post(url, body | {"parameter-actions": json.dumps(NIGHTLY)})
    batch = Batch.objects.get()
    assert answer.headers["Location"] == reverse("admin:batches_batch_change", args=[batch.pk])
    assert (batch.message, batch.parameters) == ("Bundle", {"actions": NIGHTLY})
    page = read(operator, "admin:batches_batch_change", batch.pk)
    assert f"{CONTENT} to 5 devices was accepted" in page
    assert f"{CONTENT} to many devices" in page
    assert "PREVIOUS_DAY" in page
    assert CONTENT in read(operator, "admin:batches_batch_changelist")
    body = {"action": "cancel_selected", "_selected_action": [batch.pk]}
    asked = operator.post(reverse("admin:batches_batch_changelist"), body)
    assert CONTENT in asked.content.decode()


def test_a_schedule_in_the_admin(operator: Client, organisation: Organisation, group: DeviceGroup) -> None:
    url = f"{reverse(NEW_SCHEDULE)}?message=Bundle&organisation={organisation.pk}"
    body = {
        "name": "nightly", "enabled": "on", "group": group.pk, "devices": "", "kind": "every",
        "every": "15", "period": "minutes", "spread_seconds": "0",
        "parameter-actions": json.dumps([CLOCK, {"message": "X"}]),
    }  # fmt: skip
    told = operator.post(url, body).context["form"].errors["parameter-actions"]
    assert [text.partition(":")[0] for text in told] == ["1/message"]
    operator.post(url, body | {"parameter-actions": json.dumps(NIGHTLY)})
    row = RecurringRequest.objects.get()
    assert row.parameters == {"actions": NIGHTLY}
    assert CONTENT in read(operator, "admin:batches_recurringrequest_change", row.pk)
    assert CONTENT in read(operator, "admin:batches_recurringrequest_changelist")
    assert row.periodic_task is not None
    assert row.periodic_task.description.startswith(CONTENT)
    edit = reverse("admin:batches_recurringrequest_edit", args=[row.pk])
    entered = operator.get(edit).context["form"]["parameter-actions"].value()
    assert entered.count("\n") == 2
    assert json.loads(entered) == NIGHTLY
    operator.post(edit, body | {"parameter-actions": json.dumps([CLOCK])})
    row.refresh_from_db()
    assert row.content == "Bundle: SynchronizeTime"
