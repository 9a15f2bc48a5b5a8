"""Changes in django-celery-beat's rows, which people edit in beat's own pages, reach the schedules."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp.batches.models import RecurringRequest
from osgp.fleet import schedules
from osgp.fleet.occurrences import Recurrence


def connect() -> None:
    """Connect the signals; called at start-up."""
    post_save.connect(_on_recurrence_saved, sender=CrontabSchedule, dispatch_uid="batches crontab")
    post_save.connect(_on_recurrence_saved, sender=IntervalSchedule, dispatch_uid="batches interval")
    post_save.connect(_on_periodic_task_saved, sender=PeriodicTask, dispatch_uid="batches task")
    post_delete.connect(_on_schedule_deleted, sender=RecurringRequest, dispatch_uid="batches recurring")


def _on_recurrence_saved(instance: Recurrence, created: bool, **_: Any) -> None:
    if created:
        return
    for row in schedules.find_by_recurrence(instance):
        schedules.plan(row)


def _on_periodic_task_saved(instance: PeriodicTask, **_: Any) -> None:
    """Switching beat's periodic task off or on pauses or resumes its schedule."""
    schedules.follow_beat([instance.pk])


def _on_schedule_deleted(instance: RecurringRequest, **_: Any) -> None:
    PeriodicTask.objects.filter(pk=instance.periodic_task_id).delete()
