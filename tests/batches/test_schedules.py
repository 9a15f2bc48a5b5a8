"""Schedules: one batch for each occurrence, whichever process looks, how often, and when."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchState, RecurringRequest
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.fleet import duties, occurrences, schedules, tasks
from osgp.requests.models import Request, RequestState
from tests.batches.conftest import create_all


def make_schedule(
    organisation: Organisation, group: DeviceGroup | None = None, **fields: Any
) -> RecurringRequest:
    """Hourly, due next in half an hour."""
    interval, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    row = RecurringRequest.objects.create(
        organisation=organisation,
        group=group,
        **{
            "name": "hourly reads",
            "message": "ActualMeterReads",
            "interval": None if "crontab" in fields else interval,
            "starts_at": timezone.now() - timedelta(minutes=150),
        }
        | fields,
    )
    schedules.plan(row)
    return row


def make_due(row: RecurringRequest, ago: timedelta = timedelta(seconds=1)) -> None:
    """Let its latest occurrence be so long ago."""
    now = timezone.now()
    RecurringRequest.objects.filter(pk=row.pk).update(
        starts_at=now - ago - timedelta(hours=24), next_at=now - ago
    )


def test_nothing_happens_before_its_time(organisation: Organisation, group: DeviceGroup) -> None:
    row = make_schedule(organisation, group)
    assert row.next_at is not None
    assert timedelta(0) < row.next_at - timezone.now() <= timedelta(hours=1)
    assert schedules.create_due() == 0
    assert not duties.is_due()


def test_an_occurrence_becomes_one_batch_for_all_members(
    organisation: Organisation, group: DeviceGroup, fleet: list[Device]
) -> None:
    row = make_schedule(organisation, group, priority=2, max_duration=timedelta(hours=3))
    make_due(row)
    row.refresh_from_db()
    due = row.next_at
    assert due is not None
    assert duties.is_due()
    assert schedules.create_due() == 1
    assert schedules.create_due() == 0
    create_all()
    batch = Batch.objects.get()
    assert (batch.recurring, batch.occurrence, batch.total) == (row, due, 5)
    assert batch.max_schedule_time == due + timedelta(hours=3)
    assert {request.priority for request in batch.requests.all()} == {2}
    row.refresh_from_db()
    assert (row.last_at, row.next_at, row.missed) == (due, due + timedelta(hours=1), 0)


def test_single_devices_instead_of_a_group(organisation: Organisation, fleet: list[Device]) -> None:
    row = make_schedule(organisation)
    row.devices.set(fleet[:2])
    make_due(row)
    schedules.create_due()
    create_all()
    assert set(Request.objects.values_list("device_id", flat=True)) == {fleet[0].pk, fleet[1].pk}
    assert Batch.objects.get().state == BatchState.RUNNING


def test_devices_are_spread_each_always_at_the_same_moment(
    organisation: Organisation, group: DeviceGroup
) -> None:
    # The moments of these five meters are more than a minute after the occurrence.
    row = make_schedule(organisation, group, spread=timedelta(minutes=30))
    offsets = []
    for ago in (timedelta(seconds=30), timedelta(seconds=1)):
        make_due(row, ago)
        schedules.create_due()
        create_all()
        batch = Batch.objects.latest("pk")
        assert batch.occurrence is not None
        offsets.append(
            {request.device_id: request.due_at - batch.occurrence for request in batch.requests.all()}
        )
        assert {request.state for request in batch.requests.all()} == {RequestState.SCHEDULED}
    assert offsets[0] == offsets[1]
    assert len(set(offsets[0].values())) == 5
    assert all(timedelta(0) <= offset < timedelta(minutes=30) for offset in offsets[0].values())


@pytest.mark.parametrize(("policy", "made", "missed"), [("last", 1, 4), ("all", 5, 0), ("none", 0, 5)])
def test_what_was_missed_is_made_up_for_as_the_setting_says(
    organisation: Organisation, group: DeviceGroup, settings: Any, policy: str, made: int, missed: int
) -> None:
    settings.OSGP = {**settings.OSGP, "MISSED_OCCURRENCES": policy}
    row = make_schedule(organisation, group)
    make_due(row, timedelta(hours=4, minutes=30))
    assert schedules.create_due() == made
    row.refresh_from_db()
    assert row.missed == missed
    assert row.next_at is not None
    assert row.next_at > timezone.now()


def test_a_late_occurrence_keeps_its_spread(organisation: Organisation, group: DeviceGroup) -> None:
    row = make_schedule(organisation, group, spread=timedelta(minutes=10))
    make_due(row, timedelta(minutes=30))
    before = timezone.now() - timedelta(seconds=5)
    schedules.create_due()
    create_all()
    assert all(request.due_at > before for request in Request.objects.all())


def test_an_occurrence_whose_time_is_over_is_not_made_up_for(
    organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group, max_duration=timedelta(minutes=10))
    make_due(row, timedelta(minutes=30))
    assert schedules.create_due() == 0
    row.refresh_from_db()
    assert row.missed == 1


def test_nothing_is_sent_for_a_disabled_organisation(organisation: Organisation, group: DeviceGroup) -> None:
    """Once it is enabled again, what passed meanwhile was missed."""
    row = make_schedule(organisation, group)
    make_due(row, timedelta(hours=2, minutes=30))
    Organisation.objects.update(enabled=False)
    assert (schedules.create_due(), duties.is_due()) == (0, False)
    Organisation.objects.update(enabled=True)
    assert duties.is_due()
    assert schedules.create_due() == 1
    row.refresh_from_db()
    assert row.missed == 2


def test_a_disabled_one_is_not_due(organisation: Organisation, group: DeviceGroup) -> None:
    row = make_schedule(organisation, group)
    row.enabled = False
    row.save()
    schedules.plan(row)
    assert row.next_at is None
    assert row.periodic_task is not None
    assert not row.periodic_task.enabled
    assert schedules.create_due() == 0


def test_an_occurrence_that_has_its_batch_gets_no_second_one_after_a_change_of_plan(
    organisation: Organisation, group: DeviceGroup
) -> None:
    row = make_schedule(organisation, group)
    make_due(row)
    assert schedules.create_due() == 1
    occurrence = Batch.objects.get().occurrence
    # As if the row had been set back, by hand or by a restored backup.
    RecurringRequest.objects.filter(pk=row.pk).update(next_at=occurrence)
    assert schedules.create_due() == 0
    assert Batch.objects.count() == 1


def test_beat_shows_it_and_its_task_is_only_a_hint(organisation: Organisation, group: DeviceGroup) -> None:
    row = make_schedule(organisation, group)
    task = row.periodic_task
    assert task is not None
    assert (task.task, task.queue, task.interval) == (schedules.TASK, "system", row.interval)
    assert task.enabled
    row.name = "renamed"
    row.save()
    schedules.plan(row)
    assert PeriodicTask.objects.get(pk=task.pk).name.endswith("renamed")
    row.delete()
    assert not PeriodicTask.objects.filter(pk=task.pk).exists()


def test_switching_beat_s_task_off_pauses_it(organisation: Organisation, group: DeviceGroup) -> None:
    row = make_schedule(organisation, group)
    task = row.periodic_task
    assert task is not None
    for enabled in (False, True):
        task.enabled = enabled
        task.save()
        row.refresh_from_db()
        assert (row.enabled, row.next_at is not None) == (enabled, enabled)


def test_a_changed_crontab_changes_what_is_planned(organisation: Organisation, group: DeviceGroup) -> None:
    schedule = CrontabSchedule.objects.create(minute="0", hour="3", timezone="Europe/Amsterdam")
    row = make_schedule(organisation, group, crontab=schedule)
    before = row.next_at
    schedule.hour = "4"
    schedule.save()
    row.refresh_from_db()
    assert row.next_at != before


def test_one_that_cannot_be_made_keeps_no_other_from_its_occurrence(
    organisation: Organisation, group: DeviceGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = make_schedule(organisation, group, name="broken")
    make_due(broken, timedelta(seconds=2))
    sound = make_schedule(organisation, group, name="sound")
    make_due(sound)
    between = occurrences.list_between

    def bad_luck(schedule: Any, begin: Any, *args: Any, **options: Any) -> Any:
        if begin == RecurringRequest.objects.get(pk=broken.pk).next_at:
            raise LookupError("a time zone that this host does not know")
        return between(schedule, begin, *args, **options)

    monkeypatch.setattr(occurrences, "list_between", bad_luck)
    assert schedules.create_due() == 1
    assert [batch.recurring for batch in Batch.objects.all()] == [sound]
    monkeypatch.undo()
    assert schedules.create_due() == 1


@pytest.mark.django_db(transaction=True)
def test_two_beats_and_doubled_hints_make_one_batch(transactional_db: None) -> None:
    """Eight tasks at once, each with a database connection of its own."""
    from tests.batches.conftest import make_fleet, make_group
    from tests.factories import make_organisation

    organisation = make_organisation()
    group = make_group(organisation, make_fleet(organisation, 3))
    row = make_schedule(organisation, group)
    make_due(row)
    together = threading.Barrier(8)
    errors: list[BaseException] = []

    def hint() -> None:
        together.wait()
        try:
            tasks.create_occurrences.run(recurring_id=row.pk, newer_argument=True)
        except BaseException as error:  # noqa: BLE001 (shown by the assertion below)
            errors.append(error)

    threads = [threading.Thread(target=hint) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    assert errors == []
    assert Batch.objects.count() == 1
    tasks.attend()
    assert Batch.objects.get().requests.count() == 3
    tasks.attend()
    assert Batch.objects.get().requests.count() == 3
