"""Recurring requests follow their schedules: crontabs and intervals are shared rows that people edit."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp.batches.models import RecurringRequest
from osgp.fleet import recurring


def connect() -> None:
    """Called at start-up."""
    post_save.connect(_schedule_saved, sender=CrontabSchedule, dispatch_uid="batches crontab")
    post_save.connect(_schedule_saved, sender=IntervalSchedule, dispatch_uid="batches interval")
    post_save.connect(_task_saved, sender=PeriodicTask, dispatch_uid="batches task")
    post_delete.connect(_recurring_deleted, sender=RecurringRequest, dispatch_uid="batches recurring")


def _schedule_saved(instance: CrontabSchedule | IntervalSchedule, created: bool, **_: Any) -> None:
    if created:
        return
    for row in recurring.by_schedule(instance):
        recurring.plan(row)


def _task_saved(instance: PeriodicTask, **_: Any) -> None:
    """Whoever switches beat's task off or on in beat's own pages means what it stands for."""
    recurring.follow_beat([instance.pk])


def _recurring_deleted(instance: RecurringRequest, **_: Any) -> None:
    PeriodicTask.objects.filter(pk=instance.periodic_task_id).delete()
