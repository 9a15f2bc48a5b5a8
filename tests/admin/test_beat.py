"""Beat's own pages: what is changed there holds for schedules as well."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp.accounts.models import Organisation
from osgp.device_groups.models import DeviceGroup
from tests.batches.conftest import make_fleet, make_group
from tests.batches.test_schedules import make_schedule

TASKS = "admin:django_celery_beat_periodictask_changelist"
NO_INLINES = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}


@pytest.fixture
def group(organisation: Organisation) -> DeviceGroup:
    return make_group(organisation, make_fleet(organisation, 2))


def test_tasks_switched_off_on_the_list_pause_what_they_stand_for(
    superuser: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group)
    other = make_schedule(organisation, group, name="other")
    for action, enabled in (
        ("disable_tasks", False),
        ("enable_tasks", True),
        ("toggle_tasks", False),
        ("toggle_tasks", True),
    ):
        body = {"action": action, "_selected_action": [row.periodic_task_id]}
        assert superuser.post(reverse(TASKS), body).status_code == 302
        row.refresh_from_db()
        assert PeriodicTask.objects.get(pk=row.periodic_task_id).enabled == enabled
        assert (row.enabled, row.next_at is not None) == (enabled, enabled)
    other.refresh_from_db()
    assert other.enabled


def test_a_filtered_list_is_switched_off_all_the_same(
    superuser: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group)
    body = {"action": "disable_tasks", "_selected_action": [row.periodic_task_id]}
    superuser.post(f"{reverse(TASKS)}?enabled__exact=1", body)
    row.refresh_from_db()
    assert not row.enabled


def test_an_interval_in_use_does_not_become_too_short(
    superuser: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group)
    url = reverse("admin:django_celery_beat_intervalschedule_change", args=[row.interval_id])
    answer = superuser.post(url, NO_INLINES | {"every": "5", "period": "seconds"})
    assert answer.status_code == 200
    assert "An interval is at least 10 seconds." in answer.content.decode()
    assert IntervalSchedule.objects.get(pk=row.interval_id).period == "hours"
    assert superuser.post(url, NO_INLINES | {"every": "20", "period": "seconds"}).status_code == 302
    before = row.next_at
    row.refresh_from_db()
    assert row.next_at != before


def test_an_interval_in_use_stays_longer_than_what_is_spread_over_it(
    superuser: Client, organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group, spread=timedelta(minutes=30))
    url = reverse("admin:django_celery_beat_intervalschedule_change", args=[row.interval_id])
    answer = superuser.post(url, NO_INLINES | {"every": "29", "period": "minutes"})
    assert "its spread would be longer" in answer.content.decode()
    assert superuser.post(url, NO_INLINES | {"every": "30", "period": "minutes"}).status_code == 302


def test_intervals_that_nobody_goes_by_are_beat_s_alone(superuser: Client) -> None:
    interval = IntervalSchedule.objects.create(every=1, period="days")
    url = reverse("admin:django_celery_beat_intervalschedule_change", args=[interval.pk])
    assert superuser.post(url, NO_INLINES | {"every": "1", "period": "seconds"}).status_code == 302
    add = reverse("admin:django_celery_beat_intervalschedule_add")
    assert superuser.post(add, NO_INLINES | {"every": "2", "period": "seconds"}).status_code == 302


@pytest.mark.parametrize("days", [("31", "2"), ("*/-1", "*"), (",", "*")])
def test_a_crontab_in_use_keeps_having_occurrences(
    superuser: Client, organisation: Organisation, group: DeviceGroup, days: tuple[str, str]
) -> None:
    crontab = CrontabSchedule.objects.create(minute="0", hour="3", timezone="Europe/Amsterdam")
    make_schedule(organisation, group, crontab=crontab)
    url = reverse("admin:django_celery_beat_crontabschedule_change", args=[crontab.pk])
    fields = NO_INLINES | {"minute": "0", "hour": "3", "day_of_week": "*", "timezone": "Europe/Amsterdam"}
    answer = superuser.post(url, {**fields, "day_of_month": days[0], "month_of_year": days[1]})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors
    crontab.refresh_from_db()
    assert crontab.day_of_month == "*"
    assert superuser.post(url, {**fields, "day_of_month": "1", "month_of_year": "2"}).status_code == 302
