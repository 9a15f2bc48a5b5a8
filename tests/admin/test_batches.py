"""Operators' pages about batches, schedules, groups and networks."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchState, RecurringRequest
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import schedules, steering
from osgp.fleet.schedule_submission import submit_schedule
from osgp.fleet.submission import submit
from osgp.networks.models import Cell, CommunicationNetwork
from osgp.pages.batches import schedule_text
from osgp.requests.models import Request, RequestState
from osgp.requests.submission import make_organisation_caller
from tests.admin.conftest import make_user, signed_in
from tests.admin.test_lists import queries_of
from tests.admin.test_pages import FAULT, make_session
from tests.admin.test_steering import told
from tests.batches.conftest import create_all, make_fleet, make_group
from tests.batches.test_schedules import make_due
from tests.factories import make_device, make_organisation, make_request
from tests.state_check import states_by_hand

PERMISSIONS = tuple(
    f"{verb}_{model}"
    for model in ("batch", "recurringrequest", "devicegroup", "request", "device")
    for verb in ("view", "add", "change", "delete")
)
BATCHES = "admin:batches_batch_changelist"
SCHEDULES = "admin:batches_recurringrequest_changelist"
NEW_SCHEDULE = "admin:batches_recurringrequest_add"
HOURLY = {"name": "hourly", "message": "ActualMeterReads", "every": 1, "period": "hours"}


@pytest.fixture
def operator(organisation: Organisation) -> Client:
    """Somebody of ``organisation`` who may do all of it."""
    return signed_in(make_user("joost", organisation, *PERMISSIONS))


@pytest.fixture
def stranger(other_organisation: Organisation) -> Client:
    return signed_in(make_user("frits", other_organisation, *PERMISSIONS))


@pytest.fixture
def fleet(organisation: Organisation) -> list[Device]:
    return make_fleet(organisation, 5)


@pytest.fixture
def group(organisation: Organisation, fleet: list[Device]) -> DeviceGroup:
    return make_group(organisation, fleet)


def send(organisation: Organisation, group: DeviceGroup) -> Batch:
    body = {"message": "ActualMeterReads", "device_group": group.name}
    batch = submit(make_organisation_caller(organisation, "portal"), body)
    create_all()
    return batch


def schedule(organisation: Organisation, group: DeviceGroup, **fields: Any) -> RecurringRequest:
    body = {**HOURLY, "device_group": group.name, **fields}
    return submit_schedule(make_organisation_caller(organisation, "portal"), body)


@pytest.fixture
def batch(organisation: Organisation, group: DeviceGroup) -> Batch:
    """Five requests that wait."""
    return send(organisation, group)


def end(batch: Batch, failed: int) -> None:
    """All of its requests are over; so many failed."""
    rows = Request.objects.filter(batch=batch)
    chosen = list(rows.order_by("pk").values_list("pk", flat=True)[:failed])
    with states_by_hand():
        rows.update(state=RequestState.SUCCEEDED)
        Request.objects.filter(pk__in=chosen).update(state=RequestState.FAILED, fault=FAULT)
    assert steering.settle() == 1


def add_rows(start: int, count: int) -> None:
    """Rows of every list, each with an organisation, a group and a network of its own."""
    for number in range(start, start + count):
        organisation = make_organisation(f"ORG{number}")
        device = make_device(f"E{number:04}", owner=organisation)
        group = make_group(organisation, [device])
        row = schedule(organisation, group)
        make_due(row)
        send(organisation, group)
        network = CommunicationNetwork.objects.create(name=f"N{number}", max_open_sessions=2)
        cell = Cell.objects.create(network=network, base_station="B1", cell="1")
        Device.objects.filter(pk=device.pk).update(network=network, cell=cell)
        make_session(device, state="OPENED")
    schedules.create_due()
    create_all()


MOST_QUERIES = {
    "batches_batch": 8,
    "batches_recurringrequest": 9,
    "devices_devicegroup": 7,
    "networks_communicationnetwork": 10,
    "networks_cell": 10,
}


def test_forty_rows_cost_as_many_queries_as_two(superuser: Client) -> None:
    def queries() -> dict[str, int]:
        return {name: queries_of(superuser, reverse(f"admin:{name}_changelist")) for name in MOST_QUERIES}

    add_rows(0, 2)
    few = queries()
    assert {name: most for name, most in MOST_QUERIES.items() if few[name] > most} == {}
    add_rows(2, 38)
    assert queries() == few


# --- Batches ---


def test_a_list_shows_how_far_each_batch_is(operator: Client, batch: Batch, group: DeviceGroup) -> None:
    end(batch, failed=1)
    send(batch.organisation, group)
    page = operator.get(reverse(BATCHES)).content.decode()
    assert "80.0 %" in page
    assert page.count('class="bar progress"') == 2
    assert f"batch={batch.uid}&amp;state__exact=FAILED" in page


@pytest.mark.parametrize("term", ["north", "NOR", "uid"])
def test_batches_are_found(operator: Client, batch: Batch, term: str) -> None:
    term = str(batch.uid) if term == "uid" else term
    page = operator.get(reverse(BATCHES), {"q": term}).content.decode()
    assert reverse("admin:batches_batch_change", args=[batch.pk]) in page
    page = operator.get(reverse(BATCHES), {"q": "south"}).content.decode()
    assert reverse("admin:batches_batch_change", args=[batch.pk]) not in page


def test_the_page_of_a_batch_leads_to_its_requests(operator: Client, batch: Batch) -> None:
    make_request(batch.organisation, Device.objects.all()[0])
    end(batch, failed=2)
    page = operator.get(reverse("admin:batches_batch_change", args=[batch.pk])).content.decode()
    assert "60.0 %" in page
    assert FAULT["name"].replace("_", " ").capitalize() in page
    rows = reverse("admin:requests_request_changelist")
    of_batch = operator.get(rows, {"batch": str(batch.uid)}).content.decode()
    failed = operator.get(rows, {"batch": str(batch.uid), "state__exact": "FAILED"}).content.decode()
    assert (of_batch.count("field-state_badge"), failed.count("field-state_badge")) == (5, 2)
    assert operator.get(rows, {"batch": "nonsense"}).content.decode().count("field-state_badge") == 0


def test_cancelling_a_batch_is_asked_about_first(operator: Client, batch: Batch) -> None:
    body = {"action": "cancel_selected", "_selected_action": [batch.pk], "back": batch.pk}
    asked = operator.post(reverse(BATCHES), body)
    assert "Cancel batches?" in asked.content.decode()
    assert Request.objects.filter(state=RequestState.QUEUED).count() == 5
    done = operator.post(reverse(BATCHES), body | {"confirmed": "yes"})
    assert done.headers["Location"] == reverse("admin:batches_batch_change", args=[batch.pk])
    batch.refresh_from_db()
    assert batch.state == BatchState.CANCELLED
    assert LogEntry.objects.filter(change_message="Cancelled.", object_id=str(batch.pk)).exists()
    again = operator.post(reverse(BATCHES), body | {"confirmed": "yes"})
    assert "could not be cancelled" in told(again)


def test_the_failed_devices_get_another_batch(operator: Client, batch: Batch) -> None:
    body = {"action": "retry_failed_selected", "_selected_action": [batch.pk], "confirmed": "yes"}
    assert "not over yet" in told(operator.post(reverse(BATCHES), body))
    end(batch, failed=2)
    answer = operator.post(reverse(BATCHES), body)
    again = Batch.objects.get(retry_of=batch)
    assert answer.headers["Location"] == reverse("admin:batches_batch_change", args=[again.pk])
    assert (again.total, again.application) == (2, "admin/joost")


def test_a_batch_is_sent_to_a_group(operator: Client, organisation: Organisation, group: DeviceGroup) -> None:
    url = f"{reverse('admin:batches_batch_add')}?message=SynchronizeTime&group={group.pk}"
    page = operator.get(url).content.decode()
    assert f'<option value="{group.pk}" selected>' in page
    body = {"group": group.pk, "devices": "", "parameter-timezone": "Nowhere", "spread_seconds": "300"}
    assert "IANA" in operator.post(url, body).content.decode()
    assert not Batch.objects.exists()
    answer = operator.post(url, body | {"parameter-timezone": "Europe/Paris", "priority": "7"})
    sent = Batch.objects.get()
    assert answer.headers["Location"] == reverse("admin:batches_batch_change", args=[sent.pk])
    assert (sent.organisation, sent.parameters) == (organisation, {"timezone": "Europe/Paris"})
    assert (sent.spread, sent.priority) == (timedelta(minutes=5), 7)


def test_a_batch_is_sent_to_a_list(operator: Client, fleet: list[Device]) -> None:
    url = f"{reverse('admin:batches_batch_add')}?message=ActualMeterReads"
    lines = "\n".join([fleet[0].identification, "E9", fleet[1].identification])
    refused = operator.post(url, {"devices": lines, "spread_seconds": "0"}).content.decode()
    assert "No. 2, E9: There is no device E9." in refused
    assert "Give either" not in refused
    operator.post(url, {"devices": lines, "skip_invalid": "on", "spread_seconds": "0"})
    sent = Batch.objects.get()
    assert (sent.total, sent.skipped) == (2, 1)
    page = operator.get(reverse("admin:batches_batch_change", args=[sent.pk])).content.decode()
    assert "There is no device E9." in page


def test_refused_devices_are_named_and_the_rest_is_counted(operator: Client, fleet: list[Device]) -> None:
    url = f"{reverse('admin:batches_batch_add')}?message=ActualMeterReads"
    first = fleet[0].identification
    words = [first, first, "E-9", *(f"E9{number}" for number in range(30))]
    page = operator.post(url, {"devices": "\n".join(words), "priority": "12"}).content.decode()
    assert f"No. 2, {first}: Listed before." in page
    assert "No. 3, E-9: Must be 1 to 40 of A-Z, a-z and 0-9." in page
    assert "less than or equal to 9" in page
    page = operator.post(url, {"devices": "\n".join(words[3:])}).content.decode()
    assert page.count("There is no device") == 20
    assert "… 30 in all." in page
    page = operator.post(
        url, {"devices": "\n".join(f"E{number}" for number in range(10_001))}
    ).content.decode()
    assert "Must be 1 to 10000 device identifications, not 10001." in page
    assert not Batch.objects.exists()


def test_a_batch_that_ends_before_its_last_device_starts_is_refused(
    operator: Client, group: DeviceGroup
) -> None:
    url = f"{reverse('admin:batches_batch_add')}?message=ActualMeterReads"
    latest = f"{timezone.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    body = {"group": group.pk, "spread_seconds": "86400", "max_schedule_time": latest}
    page = operator.post(url, body).content.decode()
    assert "Must be after the end of “Spread over”." in page
    assert not Batch.objects.exists()
    operator.post(url, body | {"spread_seconds": "1800"})
    assert Batch.objects.count() == 1


def test_skipped_devices_are_shown_in_pages(operator: Client, fleet: list[Device]) -> None:
    url = f"{reverse('admin:batches_batch_add')}?message=ActualMeterReads"
    Device.objects.filter(pk=fleet[1].pk).update(device_type="SMART_METER_G")
    words = [fleet[0].identification, fleet[1].identification, *(f"E9{number}" for number in range(30))]
    operator.post(url, {"devices": "\n".join(words), "skip_invalid": "on", "spread_seconds": "0"})
    page = reverse("admin:batches_batch_change", args=[Batch.objects.get().pk])
    first, second = (operator.get(page, {"p": number}).content.decode() for number in (1, 2))
    assert (first.count("There is no device"), second.count("There is no device")) == (19, 11)
    assert f'{reverse("admin:devices_device_change", args=[fleet[1].pk])}">' in first
    assert "list of</span> 32" in first


def test_a_request_leads_to_its_batch_and_schedule(
    operator: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = schedule(organisation, group, max_duration_seconds=7200)
    make_due(row)
    schedules.create_due()
    create_all()
    item = Request.objects.select_related("batch").order_by("pk")[0]
    assert item.batch is not None
    page = operator.get(reverse("admin:requests_request_change", args=[item.pk])).content.decode()
    assert reverse("admin:batches_batch_change", args=[item.batch.pk]) in page
    assert reverse("admin:batches_recurringrequest_change", args=[row.pk]) in page
    assert "Not after" in page


def test_the_confirmation_of_a_retry_tells_how_many_failed(operator: Client, batch: Batch) -> None:
    end(batch, failed=2)
    body = {"action": "retry_failed_selected", "_selected_action": [batch.pk], "back": "1/../../evil"}
    page = operator.post(reverse(BATCHES), body).content.decode()
    assert '<td class="number">2</td>' in page
    assert "evil" not in page


def test_the_overview_counts_batches_under_way(operator: Client, stranger: Client, batch: Batch) -> None:
    page = operator.get(reverse("admin:index")).content.decode()
    assert "batches under way" in page
    query = operator.get(reverse("admin:index")).context["overview"]["batches_query"]
    listed = operator.get(f"{reverse(BATCHES)}?{query}")
    assert list(listed.context["cl"].result_list) == [batch]
    assert stranger.get(reverse("admin:index")).context["overview"]["batches"].number == 0


# --- Schedules ---


def filled_in(group: DeviceGroup, /, **fields: Any) -> dict[str, Any]:
    return {
        "name": "clocks",
        "enabled": "on",
        "group": group.pk,
        "devices": "",
        "kind": "cron",
        "cron": "30 2 * * *",
        "time_zone": "Europe/Amsterdam",
        "every": "15",
        "period": "minutes",
        "starts_at": "",
        "spread_seconds": "1800",
        "max_duration_seconds": "7200",
        "priority": "2",
        **fields,
    }


def test_a_schedule_is_made_looked_at_and_changed(operator: Client, group: DeviceGroup) -> None:
    url = f"{reverse(NEW_SCHEDULE)}?message=SynchronizeTime"
    preview = operator.post(url, filled_in(group, preview="yes")).content.decode()
    assert len(re.findall("<li><time", preview)) == 5
    assert not RecurringRequest.objects.exists()
    operator.post(url, filled_in(group))
    row = RecurringRequest.objects.get()
    assert row.crontab is not None
    assert (row.crontab.minute, row.crontab.hour, str(row.crontab.timezone)) == (
        "30",
        "2",
        "Europe/Amsterdam",
    )
    assert (row.spread, row.max_duration, row.priority) == (timedelta(minutes=30), timedelta(hours=2), 2)
    assert row.next_at is not None
    assert row.periodic_task is not None
    page = operator.get(reverse("admin:batches_recurringrequest_change", args=[row.pk])).content.decode()
    assert len(re.findall("<li><time", page)) == 5
    edit = reverse("admin:batches_recurringrequest_edit", args=[row.pk])
    form = operator.get(edit).content.decode()
    assert 'value="30 2 * * *"' in form
    operator.post(
        edit, filled_in(group, kind="every", spread_seconds="900", **{"parameter-timezone": "Europe/Paris"})
    )
    row.refresh_from_db()
    assert row.interval is not None
    assert (row.interval.every, row.interval.period, row.crontab) == (15, "minutes", None)
    assert row.parameters == {"timezone": "Europe/Paris"}
    assert 'value="Europe/Paris"' in operator.get(edit).content.decode()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"cron": "30 2 * *"}, "five fields"),
        ({"cron": "61 2 * * *"}, "Minute cannot be 61"),
        ({"cron": "5, 2 * * *"}, "Minute cannot be 5,"),
        ({"cron": "0 -2 * * *"}, "Hour cannot be -2"),
        ({"cron": "0 2 * * someday"}, "Day of week cannot be someday"),
        ({"cron": "0 0 31 2 *"}, "never occurs"),
        ({"kind": "every", "every": "1", "period": "seconds"}, "at least 10 seconds"),
        ({"kind": "every", "every": ""}, "Give either cron or every."),
        ({"group": ""}, "Choose a group, or name devices."),
        ({"devices": "E1"}, "Leave it empty, or choose no group."),
        ({"priority": "-4"}, "greater than or equal to 0"),
        ({"max_duration_seconds": "", "spread_seconds": "604800"}, "86400 seconds at the least"),
        (
            {"kind": "every", "every": "5", "max_duration_seconds": "", "spread_seconds": "900"},
            "Must not be longer than the time between two occurrences, 300 seconds at the least.",
        ),
        ({"name": ""}, "may not be blank"),
        ({"parameter-timezone": "Nowhere"}, "IANA"),
        ({"spread_seconds": "14400"}, "Must be longer than “Spread over”."),
        ({"name": "taken"}, "of this name already"),
        ({"cron": "*/-1 * * * *"}, "Minute cannot be */-1"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told(
    operator: Client, organisation: Organisation, group: DeviceGroup, fields: dict[str, str], text: str
) -> None:
    schedule(organisation, group, name="taken")
    url = f"{reverse(NEW_SCHEDULE)}?message=SynchronizeTime"
    answer = operator.post(url, filled_in(group, **fields))
    assert text in answer.content.decode()
    assert RecurringRequest.objects.count() == 1


def test_the_page_of_a_schedule_tells_its_devices_and_the_time_of_its_zone(
    operator: Client, organisation: Organisation, fleet: list[Device]
) -> None:
    names = [device.identification for device in fleet]
    body = {"name": "clocks", "message": "ActualMeterReads", "device_identifications": names}
    row = submit_schedule(
        make_organisation_caller(organisation, "portal"),
        body | {"cron": "0 15 * * *", "time_zone": "Asia/Kolkata"},
    )
    page = operator.get(reverse("admin:batches_recurringrequest_change", args=[row.pk])).content.decode()
    assert "At 15:00" in page
    assert len(re.findall("09:30:00</time> UTC", page)) == 5
    assert page.count("15:00 Asia/Kolkata") == 5
    assert all(reverse("admin:devices_device_change", args=[device.pk]) in page for device in fleet)
    listed = operator.get(reverse(SCHEDULES)).content.decode()
    assert "list of</span> 5" in listed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("At 12:05 AM", "At 00:05"),
        ("At 12:00 PM", "At 12:00"),
        ("Between 08:00 AM and 06:59 PM", "Between 08:00 and 18:59"),
    ],
)
def test_hours_are_those_of_a_day(text: str, shown: str) -> None:
    assert schedule_text.use_24_hours(text) == shown


def test_a_schedule_for_an_empty_group_is_warned_of(operator: Client, organisation: Organisation) -> None:
    empty = DeviceGroup.objects.create(organisation=organisation, name="nobody")
    answer = operator.post(f"{reverse(NEW_SCHEDULE)}?message=SynchronizeTime", filled_in(empty))
    assert "The schedule “clocks” was saved." in told(answer)
    assert "The group nobody is empty" in told(answer)


def test_schedules_are_filtered_by_state_and_group(
    operator: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    active, paused = schedule(organisation, group), schedule(organisation, group, name="off", enabled=False)
    other = schedule(organisation, make_group(organisation, [], "south"), name="other")

    def listed(**query: Any) -> set[RecurringRequest]:
        return set(operator.get(reverse(SCHEDULES), query).context["cl"].result_list)

    assert listed(state="active") == {active, other}
    assert listed(state="paused") == {paused}
    assert listed(group__exact=group.pk) == {active, paused}


def test_a_schedule_is_paused_and_resumed(
    operator: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = schedule(organisation, group)
    body = {"action": "pause_selected", "_selected_action": [row.pk], "back": row.pk}
    answer = operator.post(reverse(SCHEDULES), body)
    assert answer.headers["Location"] == reverse("admin:batches_recurringrequest_change", args=[row.pk])
    row.refresh_from_db()
    assert (row.enabled, row.next_at) == (False, None)
    assert schedules.create_due() == 0
    operator.post(reverse(SCHEDULES), body | {"action": "resume_selected"})
    row.refresh_from_db()
    assert row.enabled
    assert row.next_at is not None
    assert row.next_at > timezone.now()


def test_the_last_occurrences_tell_how_they_went(
    operator: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = schedule(organisation, group)
    make_due(row)
    schedules.create_due()
    create_all()
    end(Batch.objects.get(), failed=1)
    for url in (reverse(SCHEDULES), reverse("admin:batches_recurringrequest_change", args=[row.pk])):
        assert "80.0 %" in operator.get(url).content.decode()


def test_a_deleted_schedule_leaves_its_batches(
    operator: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = schedule(organisation, group)
    make_due(row)
    schedules.create_due()
    operator.post(reverse("admin:batches_recurringrequest_delete", args=[row.pk]), {"post": "yes"})
    assert not RecurringRequest.objects.exists()
    assert Batch.objects.get().recurring is None


# --- Groups ---


def test_devices_are_added_and_removed(
    operator: Client, organisation: Organisation, fleet: list[Device]
) -> None:
    make_device("E9")
    lines = f"{fleet[0].identification}\n{fleet[1].identification}\nE9"
    answer = operator.post(reverse("admin:devices_devicegroup_add"), {"name": "south", "add_devices": lines})
    group = DeviceGroup.objects.get()
    assert group.organisation == organisation
    assert "no such device: E9" in told(answer)
    url = reverse("admin:devices_devicegroup_change", args=[group.pk])
    page = operator.get(url).content.decode()
    assert "2 devices" in page
    found = operator.get(url, {"member": fleet[1].identification}).content.decode()
    assert fleet[0].identification not in found
    operator.post(url, {"name": "south", "remove_devices": fleet[0].identification})
    assert set(groups.list_members(group)) == {fleet[1]}
    operator.post(url, {"name": "all", "add_all": "on"})
    group.refresh_from_db()
    assert (group.name, group.memberships.count()) == ("all", 5)


def test_names_of_groups_are_taken_once(
    operator: Client, organisation: Organisation, group: DeviceGroup, other_organisation: Organisation
) -> None:
    """Within one organisation, though the form does not ask for it."""
    add = reverse("admin:devices_devicegroup_add")
    assert "There is a group of this name." in operator.post(add, {"name": group.name}).content.decode()
    second = DeviceGroup.objects.create(organisation=organisation, name="second")
    change = reverse("admin:devices_devicegroup_change", args=[second.pk])
    assert "There is a group of this name." in operator.post(change, {"name": group.name}).content.decode()
    assert operator.post(change, {"name": "second"}).status_code == 302
    DeviceGroup.objects.create(organisation=other_organisation, name="south")
    assert operator.post(add, {"name": "south"}).status_code == 302


def test_a_group_that_a_schedule_needs_stays(
    operator: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = schedule(organisation, group)
    url = reverse("admin:devices_devicegroup_delete", args=[group.pk])
    assert "hourly" in operator.get(url).content.decode()
    operator.post(url, {"post": "yes"})
    assert DeviceGroup.objects.exists()
    row.delete()
    operator.post(url, {"post": "yes"})
    assert not DeviceGroup.objects.exists()


# --- Who may what ---


def test_strangers_see_and_steer_nothing(
    stranger: Client, organisation: Organisation, batch: Batch, group: DeviceGroup
) -> None:
    row = schedule(organisation, group)
    for name, key in (("batches_batch", batch.pk), ("batches_recurringrequest", row.pk)):
        assert f"/{key}/change/" not in stranger.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert stranger.get(reverse(f"admin:{name}_change", args=[key])).status_code == 302
    assert stranger.get(reverse("admin:batches_recurringrequest_edit", args=[row.pk])).status_code == 302
    assert stranger.get(reverse("admin:devices_devicegroup_change", args=[group.pk])).status_code == 302
    for name, action, key in (
        (BATCHES, "cancel_selected", batch.pk),
        (SCHEDULES, "pause_selected", row.pk),
    ):
        body = {"action": action, "_selected_action": [key], "confirmed": "yes"}
        stranger.post(reverse(name), body)
    batch.refresh_from_db()
    row.refresh_from_db()
    assert (batch.state, row.enabled) == (BatchState.RUNNING, True)
    url = f"{reverse('admin:batches_batch_add')}?message=ActualMeterReads&organisation={organisation.pk}"
    stranger.post(url, {"group": group.pk, "spread_seconds": "0"})
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("name", ["batches_batch", "batches_recurringrequest", "devices_devicegroup"])
def test_onlookers_do_not_get_in(onlooker: Client, name: str) -> None:
    assert onlooker.get(reverse(f"admin:{name}_changelist")).status_code == 403
    assert onlooker.get(reverse(f"admin:{name}_add")).status_code == 403


def test_who_may_only_look_cannot_steer(organisation: Organisation, batch: Batch, group: DeviceGroup) -> None:
    row = schedule(organisation, group)
    viewer = signed_in(make_user("els", organisation, "view_batch", "view_recurringrequest"))
    page = viewer.get(reverse("admin:batches_batch_change", args=[batch.pk])).content.decode()
    assert "Cancel…" not in page
    body = {"action": "cancel_selected", "_selected_action": [batch.pk], "confirmed": "yes"}
    viewer.post(reverse(BATCHES), body)
    assert viewer.get(reverse("admin:batches_recurringrequest_edit", args=[row.pk])).status_code == 403
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING
