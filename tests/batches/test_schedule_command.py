"""manage.py schedule: the same rules and answers as over HTTP."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import CrontabSchedule
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, RecurringRequest
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import schedule_submission, schedules
from tests.batches.test_schedules import make_due, make_schedule
from tests.factories import make_organisation

NIGHTLY = ("nightly", "ActualMeterReads", "--group", "north", "--cron", "30 2 * * *")
AMSTERDAM = ("--time-zone", "Europe/Amsterdam")


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, answer, and what was said instead of one."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command("schedule", *arguments, stdout=output, stderr=errors, no_color=True)
    answer = json.loads(output.getvalue()) if output.getvalue() else {}
    return int(info.value.code or 0), answer, errors.getvalue()


def test_what_is_made_is_told_as_the_api_tells_it(api: APIClient, group: DeviceGroup) -> None:
    status, made, _ = run(
        "make", *NIGHTLY, *AMSTERDAM, "--spread", "600", "--give-up-after", "3600", "--priority", "2",
        "--bypass-retry",
    )  # fmt: skip
    assert status == 0
    assert made == api.get(made["url"]).json()
    row = RecurringRequest.objects.get()
    assert (row.application, row.priority, row.bypass_retry) == ("command line", 2, True)
    assert (made["spread_seconds"], made["max_duration_seconds"]) == (600, 3600)
    assert run("list")[1] == api.get("/api/v1/schedules/").json()


def test_a_list_of_devices_with_parameters(fleet: list[Device], tmp_path: Path) -> None:
    file = tmp_path / "devices.txt"
    wanted = [device.identification for device in fleet]
    file.write_text("\n".join(wanted))
    status, made, _ = run(
        "make", "clocks", "SynchronizeTime", "--devices", str(file), "--every", "2", "--period", "hours",
        "--starts-at", "2090-01-01T00:00:00Z", "--parameter", "timezone=Europe/Amsterdam", "--paused",
    )  # fmt: skip
    assert status == 0
    assert (made["device_identifications"], made["every"], made["period"]) == (wanted, 2, "hours")
    assert (made["enabled"], made["parameters"]) == (False, {"timezone": "Europe/Amsterdam"})


def test_what_is_not_given_stays_in_a_change(
    organisation: Organisation, group: DeviceGroup, fleet: list[Device], tmp_path: Path
) -> None:
    made = run("make", *NIGHTLY, *AMSTERDAM, "--give-up-after", "3600")[1]
    assert run("change", "nightly") == (0, made, "")
    changed = run("change", "nightly", "--cron", "0 6 * * *", "--rename", "daily", "--no-give-up")[1]
    assert (changed["id"], changed["name"], changed["cron"]) == (made["id"], "daily", "0 6 * * *")
    assert (changed["time_zone"], changed["max_duration_seconds"]) == ("Europe/Amsterdam", None)
    file = tmp_path / "devices.txt"
    file.write_text(fleet[0].identification)
    changed = run("change", "daily", "--every", "15", "--devices", str(file))[1]
    assert (changed["cron"], changed["every"], changed["period"]) == (None, 15, "minutes")
    assert (changed["device_group"], changed["number_of_devices"]) == (None, 1)
    zone = ("--parameter", "timezone=Europe/Amsterdam")
    assert run("change", "daily", "--message", "SynchronizeTime", *zone)[1]["message"] == "SynchronizeTime"
    assert run("change", "daily", "--message", "ActualMeterReads")[1]["parameters"] == {}
    status, _, said = run("change", "daily", "--spread", "1000")
    assert (status, json.loads(said)["errors"][0]["pointer"]) == (2, "/spread_seconds")


def test_it_is_paused_resumed_and_deleted(group: DeviceGroup) -> None:
    run("make", *NIGHTLY)
    for _ in range(2):
        assert run("pause", "nightly")[1]["next_at"] is None
    assert [row["name"] for row in run("list", "--paused")[1]["results"]] == ["nightly"]
    assert run("list", "--enabled")[1]["results"] == []
    CrontabSchedule.objects.update(day_of_month="31", month_of_year="2")
    assert run("resume", "nightly")[0] == 2
    CrontabSchedule.objects.update(day_of_month="*", month_of_year="*")
    for _ in range(2):
        assert run("resume", "nightly")[1]["next_at"] is not None
    assert run("list", "--enabled", "--message", "SynchronizeTime")[1]["results"] == []
    assert run("delete", "nightly") == (0, {"deleted": "nightly"}, "")
    assert not RecurringRequest.objects.exists()


def test_next_and_past_occurrences_are_shown(organisation: Organisation, group: DeviceGroup) -> None:
    row = make_schedule(organisation, group)
    make_due(row)
    assert schedules.create_due() == 1
    status, shown, _ = run("show", row.name)
    assert status == 0
    assert len(shown["next_occurrences"]) == 5
    assert [past["uid"] for past in shown["past_occurrences"]] == [str(Batch.objects.get().uid)]


@pytest.mark.parametrize(
    ("starts_at", "expected"),
    [
        ("2027-03-27T12:00:00Z", ["2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"]),
        ("2027-10-30T12:00:00Z", ["2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"]),
    ],
)
def test_a_preview_follows_the_clocks(
    group: DeviceGroup, monkeypatch: pytest.MonkeyPatch, starts_at: str, expected: list[str]
) -> None:
    before = SimpleNamespace(now=lambda: datetime(2027, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(schedule_submission, "platform_time", before)
    status, answer, _ = run("preview", *NIGHTLY, *AMSTERDAM, "--starts-at", starts_at, "--number", "2")
    assert status == 0
    assert [moment["local_time"] for moment in answer["next_occurrences"]] == expected
    assert not RecurringRequest.objects.exists()


def test_what_is_refused_is_told_as_the_api_tells_it(group: DeviceGroup) -> None:
    status, _, said = run("make", *NIGHTLY[:-1], "61 * * * *")
    assert (status, json.loads(said)["errors"][0]["pointer"]) == (2, "/cron")
    assert run("make", "nightly", "Nonsense", *NIGHTLY[2:])[0] == 2
    assert run("preview", *NIGHTLY, "--number", "101")[0] == 2
    assert run("list", "--message", "Nonsense")[0] == 2
    make_organisation("STRANGER")
    run("make", *NIGHTLY, "--organisation", "STRANGER")
    run("make", *NIGHTLY, "--organisation", "UTILITY")
    for verb in ("show", "change", "pause", "resume", "delete"):
        assert run(verb, "nightly", "--organisation", "STRANGER")[0] == 2
        assert run(verb, "nightly")[0] == 2
    assert RecurringRequest.objects.get().enabled
    with pytest.raises(CommandError):
        call_command("schedule", "make", *NIGHTLY, "--every", "5")
