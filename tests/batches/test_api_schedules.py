"""Schedules over REST: made, shown, changed, paused and deleted, previewed, and refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.batches.models import Batch, RecurringRequest
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import schedule_submission, schedules
from tests import json_schemas
from tests.batches.conftest import make_fleet, make_group
from tests.batches.test_schedules import make_due, make_schedule
from tests.factories import make_token
from tests.requests.test_api_schema import answer_schema

URL = "/api/v1/schedules/"
NIGHTLY: dict[str, Any] = {
    "name": "nightly reads",
    "message": "ActualMeterReads",
    "device_group": "north",
    "cron": "30 2 * * *",
    "time_zone": "Europe/Amsterdam",
}


def post(api: APIClient, path: str = "", **body: Any) -> Any:
    """A nightly schedule with other fields; None leaves one out."""
    given = {name: value for name, value in (NIGHTLY | body).items() if value is not None}
    return api.post(f"{URL}{path}", given, format="json")


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.fixture
def made(api: APIClient, group: DeviceGroup) -> dict[str, Any]:
    """The nightly schedule, as it was answered."""
    answer: dict[str, Any] = post(api).json()
    return answer


def test_one_is_made_and_found_where_the_answer_says(
    api: APIClient, group: DeviceGroup, organisation: Organisation
) -> None:
    answer = post(
        api, message="SynchronizeTime", parameters={"timezone": "Europe/Amsterdam"}, spread_seconds=600,
        max_duration_seconds=3600, priority=7,
    )  # fmt: skip
    assert answer.status_code == 201
    body = answer.json()
    row = RecurringRequest.objects.get()
    assert answer["Location"] == body["url"] == f"{URL}{row.pk}/"
    assert (row.organisation, row.group, row.application) == (organisation, group, "portal")
    assert (row.spread, row.max_duration) == (timedelta(minutes=10), timedelta(hours=1))
    assert api.get(body["url"]).json() == body
    told = {name: body[name] for name in ("cron", "time_zone", "every", "period", "parameters", "priority")}
    assert told == {
        "cron": "30 2 * * *", "time_zone": "Europe/Amsterdam", "every": None, "period": None,
        "parameters": {"timezone": "Europe/Amsterdam"}, "priority": 7,
    }  # fmt: skip
    assert (body["number_of_devices"], body["device_identifications"]) == (5, None)
    assert body["next_occurrences"][0]["time"] == body["next_at"]
    assert len(body["next_occurrences"]) == 5
    # Its name is taken now: a call that is repeated makes no second one.
    assert pointers(post(api)) == ["/name"]


def test_a_list_of_devices_at_an_interval(api: APIClient, fleet: list[Device]) -> None:
    wanted = [device.identification for device in fleet[:2]]
    nightly = {"device_group": None, "cron": None, "time_zone": None}
    starts = "2090-01-01T00:00:00Z"
    body = post(
        api, device_identifications=wanted, every=6, period="hours", starts_at=starts, **nightly
    ).json()
    assert (body["device_identifications"], body["device_group"]) == (wanted, None)
    assert (body["every"], body["period"], body["cron"], body["time_zone"]) == (6, "hours", None, None)
    assert body["next_at"] == body["starts_at"] == starts
    assert body["number_of_devices"] == 2
    assert [row["number_of_devices"] for row in api.get(URL).json()["results"]] == [2]


@pytest.mark.parametrize("path", ["", "preview/"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"device_group": None}, ""),
        ({"device_identifications": ["E1"]}, ""),
        ({"every": 5}, ""),
        ({"device_group": "nowhere"}, "/device_group"),
        ({"device_group": None, "device_identifications": ["E1", "E 2"]}, "/device_identifications/1"),
        ({"cron": "61 * * * *"}, "/cron"),
        ({"cron": "0 0 31 2 *"}, "/cron"),
        ({"cron": None, "every": 5, "period": "seconds"}, "/every"),
        ({"time_zone": "Mars"}, "/time_zone"),
        ({"name": None}, "/name"),
        ({"name": " "}, "/name"),
        ({"message": None}, "/message"),
        ({"message": 7}, "/message"),
        ({"message": "AddDevice"}, "/message"),
        ({"message": "Nonsense"}, "/message"),
        ({"message": "SynchronizeTime", "parameters": {"timezone": "Mars"}}, "/parameters/timezone"),
        ({"parameters": {"colour": "red"}}, "/parameters/colour"),
        ({"parameters": []}, "/parameters"),
        ({"priority": 10}, "/priority"),
        ({"spread_seconds": 90_000}, "/spread_seconds"),
        ({"spread_seconds": 60, "max_duration_seconds": 60}, "/max_duration_seconds"),
        ({"starts_at": "tomorrow"}, "/starts_at"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_faulty_bodies_are_refused_by_field(
    api: APIClient, group: DeviceGroup, body: dict[str, Any], pointer: str, path: str
) -> None:
    answer = post(api, path, **body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert pointer in pointers(answer)
    assert not RecurringRequest.objects.exists()


def test_a_body_that_is_no_object_is_refused(api: APIClient) -> None:
    assert api.post(URL, ["ActualMeterReads"], format="json").status_code == 400


def test_missing_rights_alone_are_403(api: APIClient, fleet: list[Device]) -> None:
    DeviceAuthorisation.objects.filter(device=fleet[1]).update(function_group=DeviceFunctionGroup.FIRMWARE)
    wanted = [device.identification for device in fleet]
    answer = post(api, device_group=None, device_identifications=wanted)
    assert answer.status_code == 403
    assert pointers(answer) == ["/device_identifications/1"]


def test_it_is_changed_as_a_whole(api: APIClient, made: dict[str, Any], fleet: list[Device]) -> None:
    body = NIGHTLY | {"name": "daily", "cron": "0 6 * * *", "enabled": False}
    changed = api.put(made["url"], body, format="json")
    assert changed.status_code == 200
    assert changed.json() == api.get(made["url"]).json()
    told = changed.json()
    assert (told["id"], told["name"], told["cron"]) == (made["id"], "daily", "0 6 * * *")
    assert (told["enabled"], told["next_at"], told["next_occurrences"]) == (False, None, [])
    assert told["starts_at"] == made["starts_at"]
    refused = api.put(made["url"], {"name": "weekly", "message": "ActualMeterReads"}, format="json")
    assert refused.status_code == 400
    post(api)
    assert pointers(api.put(made["url"], NIGHTLY, format="json")) == ["/name"]
    assert api.get(made["url"]).json() == told


def test_it_is_paused_and_resumed(api: APIClient, made: dict[str, Any]) -> None:
    for _ in range(2):
        paused = api.post(f"{made['url']}pause/")
        assert (paused.status_code, paused.json()["enabled"], paused.json()["next_at"]) == (200, False, None)
    for _ in range(2):
        resumed = api.post(f"{made['url']}resume/")
        assert (resumed.status_code, resumed.json()) == (200, made)


def test_one_without_occurrences_is_not_resumed(api: APIClient, made: dict[str, Any]) -> None:
    api.post(f"{made['url']}pause/")
    CrontabSchedule.objects.update(day_of_month="31", month_of_year="2")
    assert api.post(f"{made['url']}resume/").status_code == 409
    assert api.get(made["url"]).json()["enabled"] is False


def test_its_batches_stay_when_it_is_deleted(
    api: APIClient, organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group)
    make_due(row)
    assert schedules.create_due() == 1
    assert api.delete(f"{URL}{row.pk}/").status_code == 204
    assert not RecurringRequest.objects.exists()
    assert not PeriodicTask.objects.filter(task=schedules.TASK).exists()
    assert Batch.objects.get().recurring is None
    assert api.delete(f"{URL}{row.pk}/").status_code == 404


def test_past_occurrences_lead_to_their_batches(
    api: APIClient, organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group)
    due = []
    for ago in (3, 2, 1):
        make_due(row, timedelta(seconds=ago))
        assert schedules.create_due() == 1
        row.refresh_from_db()
        due.append(row.last_at)
    RecurringRequest.objects.update(missed=4)
    answer = api.get(f"{URL}{row.pk}/occurrences/?page_size=2")
    assert answer.json()["missed"] == 4
    rest = api.get(answer["Link"].partition(">")[0].removeprefix("<"))
    assert "Link" not in rest
    rows = answer.json()["results"] + rest.json()["results"]
    assert [found["uid"] for found in rows] == [
        str(Batch.objects.get(occurrence=moment).uid) for moment in reversed(due)
    ]
    progress = api.get(rows[0]["url"]).json()
    assert (progress["schedule"], progress["total"]) == (row.name, 5)


def test_the_list_is_filtered_and_comes_in_pages(
    api: APIClient, organisation: Organisation, group: DeviceGroup
) -> None:
    make_schedule(organisation, group, name="a")
    make_schedule(organisation, group, name="b", enabled=False)
    make_schedule(organisation, group, name="c", message="SynchronizeTime")

    def names(query: str) -> list[str]:
        return [row["name"] for row in api.get(f"{URL}{query}").json()["results"]]

    assert names("") == ["c", "b", "a"]
    assert names("?enabled=true") == ["c", "a"]
    assert names("?enabled=false") == ["b"]
    assert names("?message=SynchronizeTime") == ["c"]
    assert names("?name=a&message=ActualMeterReads") == ["a"]
    first = api.get(f"{URL}?page_size=2")
    assert [row["name"] for row in first.json()["results"]] == ["c", "b"]
    rest = api.get(first["Link"].partition(">")[0].removeprefix("<"))
    assert [row["name"] for row in rest.json()["results"]] == ["a"]
    for query in ("?enabled=yes", "?message=Nonsense", "?colour=red", "?cursor=x"):
        assert api.get(f"{URL}{query}").status_code == 400


def test_a_list_costs_the_same_however_long_it_is(api: APIClient, organisation: Organisation) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api.get(URL).status_code == 200
        return len(queries)

    def fill(prefix: str) -> None:
        fleet = make_fleet(organisation, 2, prefix=prefix)
        make_schedule(organisation, make_group(organisation, fleet, prefix), name=f"group {prefix}")
        make_schedule(organisation, name=f"list {prefix}").devices.set(fleet)
        zone = CrontabSchedule.objects.create(hour="3", timezone="Europe/Amsterdam")
        make_schedule(organisation, name=f"crontab {prefix}", crontab=zone).devices.set(fleet)

    fill("E")
    count()  # The first call notes that the token is in use.
    few = count()
    for prefix in "FGH":
        fill(prefix)
    assert count() == few
    assert len(api.get(URL).json()["results"]) == 12


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ""),
        ("put", ""),
        ("delete", ""),
        ("post", "pause/"),
        ("post", "resume/"),
        ("get", "occurrences/"),
    ],
)
def test_another_organisation_s_schedule_is_not_there(
    api: APIClient, other_organisation: Organisation, client_of: Callable[[str], APIClient],
    made: dict[str, Any], method: str, path: str,
) -> None:  # fmt: skip
    stranger = client_of(make_token(other_organisation))
    foreign = getattr(stranger, method)(
        f"{made['url']}{path}", NIGHTLY if method == "put" else None, format="json"
    )
    assert foreign.status_code == 404
    assert stranger.get(URL).json()["results"] == []
    for unknown in ("0", "9" * 19, "x", "%00", NIGHTLY["name"]):
        answer = getattr(api, method)(f"{URL}{unknown}/{path}", format="json")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert api.get(made["url"]).json() == made


def test_scopes(
    organisation: Organisation, client_of: Callable[[str], APIClient], made: dict[str, Any]
) -> None:
    """Reading needs ``read``; all else the scope of its message, before and after a change."""
    reader = client_of(make_token(organisation, scopes=["read", "adhoc"]))
    assert reader.get(made["url"]).status_code == 200
    assert post(reader, name="other").status_code == 403
    assert post(reader, "preview/").status_code == 403
    assert reader.put(made["url"], NIGHTLY | {"message": "SynchronizeTime"}, format="json").status_code == 403
    assert reader.delete(made["url"]).status_code == 403
    for path in ("pause/", "resume/"):
        assert reader.post(f"{made['url']}{path}").status_code == 403
    sender = client_of(make_token(organisation, scopes=["monitoring"]))
    for path in ("", made["url"].removeprefix(URL), f"{made['url'].removeprefix(URL)}occurrences/"):
        assert sender.get(f"{URL}{path}").status_code == 403
    assert sender.put(made["url"], NIGHTLY | {"message": "SynchronizeTime"}, format="json").status_code == 403
    assert sender.post(f"{made['url']}pause/").status_code == 200
    assert APIClient().get(URL).status_code == 401


@pytest.mark.parametrize(
    ("starts_at", "expected"),
    [
        (
            "2027-03-27T00:00:00+01:00",
            [
                ("2027-03-27T01:30:00Z", "2027-03-27T02:30:00+01:00"),
                ("2027-03-28T01:30:00Z", "2027-03-28T03:30:00+02:00"),  # There is no 02:30.
                ("2027-03-29T00:30:00Z", "2027-03-29T02:30:00+02:00"),
            ],
        ),
        (
            "2027-10-30T00:00:00+02:00",
            [
                ("2027-10-30T00:30:00Z", "2027-10-30T02:30:00+02:00"),
                ("2027-10-31T00:30:00Z", "2027-10-31T02:30:00+02:00"),  # 02:30 comes twice.
                ("2027-11-01T01:30:00Z", "2027-11-01T02:30:00+01:00"),
            ],
        ),
    ],
)
def test_a_preview_tells_both_clocks_when_they_change(
    api: APIClient, group: DeviceGroup, monkeypatch: pytest.MonkeyPatch, starts_at: str,
    expected: list[tuple[str, str]],
) -> None:  # fmt: skip
    before = SimpleNamespace(now=lambda: datetime(2027, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(schedule_submission, "platform_time", before)
    answer = post(api, "preview/?number=3", starts_at=starts_at)
    assert answer.status_code == 200
    found = [(moment["time"], moment["local_time"]) for moment in answer.json()["next_occurrences"]]
    assert found == expected
    assert answer.json()["time_zone"] == "Europe/Amsterdam"
    assert not RecurringRequest.objects.exists()
    assert not CrontabSchedule.objects.filter(hour="2").exists()


def test_a_preview_is_bounded(api: APIClient, made: dict[str, Any]) -> None:
    assert len(post(api, "preview/").json()["next_occurrences"]) == 10
    assert len(post(api, "preview/?number=100").json()["next_occurrences"]) == 100
    leap_mondays = post(api, "preview/?number=100", cron="0 12 29 2 1").json()["next_occurrences"]
    assert 1 < len(leap_mondays) < 100
    for number in ("0", "101", "x", ""):
        assert pointers(post(api, f"preview/?number={number}")) == ["/number"]
    assert post(api, "preview/?colour=red").status_code == 400


def test_answers_are_what_the_document_says(
    api: APIClient, organisation: Organisation, group: DeviceGroup, fleet: list[Device]
) -> None:
    document: Any = SchemaGenerator().get_schema(request=None, public=True)

    def check(answer: Any, path: str, method: str) -> None:
        schema = answer_schema(document, f"{URL}{path}", method, answer.status_code)
        json_schemas.validate(answer.json(), schema | {"additionalProperties": False})

    body = document["components"]["schemas"]["ScheduleBodyRequest"]
    assert set(body["required"]) == {"name", "message"}
    one = "{schedule_id}/"
    check(made := post(api, cron=None, every=1, period="hours"), "", "post")
    url = made.json()["url"]
    make_due(RecurringRequest.objects.get())
    assert schedules.create_due() == 1
    check(api.get(url), one, "get")
    check(api.put(url, NIGHTLY, format="json"), one, "put")
    check(api.post(f"{url}pause/"), f"{one}pause/", "post")
    check(api.post(f"{url}resume/"), f"{one}resume/", "post")
    check(api.get(URL), "", "get")
    check(past := api.get(f"{url}occurrences/"), f"{one}occurrences/", "get")
    assert len(past.json()["results"]) == 1
    check(post(api, "preview/"), "preview/", "post")
    check(post(api, colour="red"), "", "post")
    listed = post(
        api, name="list", device_group=None, device_identifications=[fleet[0].identification],
        starts_at=f"{timezone.now():%Y}-01-01T00:00:00Z",
    )  # fmt: skip
    check(listed, "", "post")
