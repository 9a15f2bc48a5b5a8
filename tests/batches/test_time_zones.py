"""Whatever stands in the place of a time zone and is none: refused at its field, wherever zones are taken."""

import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation, User
from osgp.batches.models import Batch, RecurringRequest
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import occurrences
from osgp.fleet.schedule_submission import build_recurrence
from osgp.messages.serializers import list_time_zones
from osgp.requests.models import Request
from tests.batches.conftest import make_group

NAMES = [
    "Mars", "Europe", "../etc/passwd", "", "posixrules", "localtime", "Factory", "europe/amsterdam", "A" * 65
]  # fmt: skip
ODDER_NAMES = [
    "Europe/", "/Europe/Amsterdam", "/etc/passwd", "Europe/../Europe/Amsterdam", " ", ".", "..", "right/UTC",
    "posix/Europe/Amsterdam", "zone.tab", "leapseconds", "Europe/Amsterdam\n", " Europe/Amsterdam",
    "Europe/Amsterdam\0", "\0", "EUROPE/AMSTERDAM", "utc", "Utc", "America/Argentina", "+02:00", "UTC+2",
    "Éire", "\ud800", "A" * 64, "Europe/" * 10_000,
]  # fmt: skip
NO_TEXT: list[Any] = [None, 5, 1.5, True, [], ["UTC"], {}, {"UTC": "UTC"}]
SCHEDULE = {"name": "nightly", "message": "ActualMeterReads", "device_group": "north"}
CLOCKS = {"message": "SynchronizeTime", "device_group": "north"}

odd_names = pytest.mark.parametrize("zone", NAMES)


def list_calls(zone: Any, device: Device) -> list[tuple[str, dict[str, Any], str]]:
    """Each path that takes a zone, with a body that is valid but for the zone, and where that stands."""
    of_device = {"device_identification": device.identification}
    action = {"message": "SynchronizeTime", "timezone": zone}
    new = {
        "device_identification": "E77", "device_type": "SMART_METER_E", "protocol_name": "SMR",
        "protocol_version": "5.1", "communication_method": "LTE", "network_address": "192.0.2.1",
    }  # fmt: skip
    bundle = {"message": "Bundle", "parameters": {"actions": [action]}}
    return [
        ("adhoc/synchronize-time/", of_device | {"timezone": zone}, "/timezone"),
        ("bundle/", of_device | {"actions": [action]}, "/actions/0/timezone"),
        ("installation/add-device/", new | {"timezone": zone}, "/timezone"),
        ("requests/batch/", CLOCKS | {"timezone": zone}, "/timezone"),
        (
            "requests/batch/",
            {"message": "Bundle", "device_group": "north", "actions": [action]},
            "/actions/0/timezone",
        ),
        ("schedules/", SCHEDULE | {"cron": "0 3 * * *", "time_zone": zone}, "/time_zone"),
        ("schedules/", SCHEDULE | {"every": 1, "time_zone": zone}, "/time_zone"),
        (
            "schedules/",
            SCHEDULE | {"every": 1, "message": "SynchronizeTime", "parameters": {"timezone": zone}},
            "/parameters/timezone",
        ),
        ("schedules/", SCHEDULE | {"every": 1} | bundle, "/parameters/actions/0/timezone"),
        ("schedules/preview/", SCHEDULE | {"cron": "0 3 * * *", "time_zone": zone}, "/time_zone"),
    ]


@pytest.mark.parametrize("zone", [*NAMES, *ODDER_NAMES, *NO_TEXT], ids=lambda zone: repr(zone)[:30])
def test_over_rest(api: APIClient, device: Device, group: DeviceGroup, zone: Any) -> None:
    for path, body, pointer in list_calls(zone, device):
        answer = api.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
        assert answer.status_code == 400, path
        problem = answer.json()
        assert [error["pointer"] for error in problem["errors"]] in ([pointer], [""]), path
        if "\ud800" not in str(zone):  # No UTF-8 text has it: that body is refused as a whole.
            assert [error["pointer"] for error in problem["errors"]] == [pointer], path
    assert [model.objects.exists() for model in (Request, Batch, RecurringRequest)] == [False] * 3


def test_a_schedule_keeps_its_zone_when_a_change_is_refused(api: APIClient, group: DeviceGroup) -> None:
    body = SCHEDULE | {"cron": "0 3 * * *", "time_zone": "Europe/Amsterdam"}
    url = api.post("/api/v1/schedules/", body, format="json").json()["url"]
    answer = api.put(url, body | {"time_zone": "Europe"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/time_zone")
    assert api.get(url).json()["time_zone"] == "Europe/Amsterdam"


def run(*arguments: str) -> tuple[int, str]:
    """Exit status, and what was said instead of an answer."""
    errors = io.StringIO()
    with pytest.raises(SystemExit) as info:
        call_command(*arguments, stdout=io.StringIO(), stderr=errors, no_color=True)
    return int(info.value.code or 0), errors.getvalue()


@odd_names
def test_on_the_command_line(device: Device, group: DeviceGroup, zone: str) -> None:
    new = ("nightly", "ActualMeterReads", "--group", "north", "--cron", "0 3 * * *", "--time-zone", zone)
    parameter = ("--parameter", f"timezone={zone}")
    for arguments, field in (
        (("schedule", "make", *new), "/time_zone"),
        (("schedule", "preview", *new), "/time_zone"),
        (("batch", "SynchronizeTime", "--group", "north", *parameter), "/timezone"),
        (("request", "SynchronizeTime", "--device", device.identification, *parameter), "/timezone"),
    ):
        status, said = run(*arguments)
        assert status == 2, arguments
        assert f'"pointer": "{field}"' in said, arguments
    status, _ = run("schedule", "make", *new[:-1], "Europe/Amsterdam")
    assert status == 0
    status, said = run("schedule", "change", "nightly", "--time-zone", zone)
    assert (status, '"pointer": "/time_zone"' in said) == (2, True)


@pytest.fixture
def operator(organisation: Organisation) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("marijke"))
    return client


@odd_names
def test_in_the_admin(operator: Client, device: Device, organisation: Organisation, zone: str) -> None:
    group = make_group(organisation, [device])
    new = f"{reverse('admin:batches_recurringrequest_add')}?organisation={organisation.pk}&message="
    body = {"name": "nightly", "group": group.pk, "spread_seconds": "0", "kind": "cron", "cron": "0 3 * * *"}
    actions = json.dumps([{"message": "SynchronizeTime", "timezone": zone}])
    for message, entered, field in (
        ("ActualMeterReads", {"time_zone": zone}, "time_zone"),
        ("ActualMeterReads", {"time_zone": zone, "preview": "yes"}, "time_zone"),
        ("SynchronizeTime", {"parameter-timezone": zone}, "parameter-timezone"),
        ("Bundle", {"parameter-actions": actions}, "parameter-actions"),
    ):
        if zone == "" and message != "Bundle":
            continue  # A field that is left empty: the default.
        answer = operator.post(new + message, body | entered)
        assert answer.status_code == 200, message
        assert field in answer.context["form"].errors, message
    crontab = CrontabSchedule.objects.create(minute="0", hour="3", timezone="Europe/Amsterdam")
    for url in (
        reverse("admin:django_celery_beat_crontabschedule_change", args=[crontab.pk]),
        reverse("admin:django_celery_beat_crontabschedule_add"),
    ):
        fields = {"minute": "0", "hour": "3", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*"}
        answer = operator.post(url, fields | {"timezone": zone} | NO_INLINES)
        assert answer.status_code == 200
        assert "timezone" in answer.context["adminform"].form.errors
    assert not RecurringRequest.objects.exists()


NO_INLINES = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}


@pytest.mark.django_db
def test_every_zone_on_offer_can_be_stored_and_is_followed() -> None:
    """What is accepted as a name is one to beat's tables and to the clocks as well."""
    zones = sorted(list_time_zones())
    assert {"UTC", "Europe/Amsterdam", "Asia/Kolkata"} <= set(zones)
    recurrences = [build_recurrence({"cron": "0 3 * * *", "time_zone": zone}) for zone in zones]
    CrontabSchedule.objects.bulk_create(recurrences)  # type: ignore[arg-type]
    stored = list(CrontabSchedule.objects.order_by("pk"))
    assert [str(row.timezone) for row in stored] == zones
    now = datetime(2026, 7, 1, tzinfo=UTC)
    for zone, row in zip(zones, stored, strict=True):
        assert occurrences.find_next(row, now, anchor=now).astimezone(ZoneInfo(zone)).hour == 3, zone
