"""Recurring requests: each occurrence of their schedule becomes exactly one batch.

What is due says the database: the row of a recurring request holds its next occurrence, and is locked while
the batch of that occurrence is made and the next one is computed from the schedule. Hints (of beat, and of
dispatchers, who look every second) only say that it is time to look, so that two of them, or one that comes
late, change nothing; that an occurrence has one batch is also a constraint of the database.
"""

import json
import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp.batches.models import Batch, BatchSource, RecurringRequest
from osgp.fleet import occurrences
from osgp.processes import wakeup

logger = logging.getLogger(__name__)

TASK = "osgp.batches.create_occurrences"
PUNCTUAL = timedelta(minutes=1)
"""An occurrence that is made no later than this was not missed."""
MOST_LOOKED_BACK = 10_000
"""Missed occurrences that are looked at; of more, the oldest are left out."""
MOST_CAUGHT_UP = 100
"""Missed occurrences that are made up for at a time, if all of them are."""


def schedule_of(recurring: RecurringRequest) -> CrontabSchedule | IntervalSchedule:
    """Its crontab or its interval: it has one of them."""
    schedule = recurring.crontab or recurring.interval
    assert schedule is not None
    return schedule


def plan(recurring: RecurringRequest) -> None:
    """Compute when it is due next, once it was made or changed, and tell beat. Raises NeverDue."""
    with transaction.atomic():
        now = RecurringRequest.objects.filter(pk=recurring.pk).values_list(Now(), flat=True).get()
        after = max(now, recurring.last_at or now)
        recurring.next_at = (
            occurrences.first_after(schedule_of(recurring), after, anchor=recurring.starts_at)
            if recurring.enabled
            else None
        )
        recurring.periodic_task = _periodic_task(recurring)
        recurring.save(update_fields=["next_at", "periodic_task"])


def by_schedule(schedule: CrontabSchedule | IntervalSchedule) -> QuerySet[RecurringRequest]:
    """Those that go by a row of django-celery-beat, which several may share."""
    is_crontab = isinstance(schedule, CrontabSchedule)
    uses_it = Q(crontab=schedule.pk) if is_crontab else Q(interval=schedule.pk)
    return RecurringRequest.objects.select_related("crontab", "interval", "periodic_task").filter(uses_it)


def follow_beat(task_ids: Collection[int]) -> None:
    """Pause and resume as beat's tasks were switched off and on; what passes meanwhile is not made up for."""
    differs = RecurringRequest.objects.select_related("crontab", "interval", "periodic_task").exclude(
        enabled=F("periodic_task__enabled")
    )
    for row in differs.filter(periodic_task__in=task_ids):
        assert row.periodic_task is not None
        row.enabled = row.periodic_task.enabled
        row.save(update_fields=["enabled"])
        plan(row)


def due_now() -> QuerySet[RecurringRequest]:
    """Those with an occurrence whose time has come, and an organisation that is not disabled."""
    return RecurringRequest.objects.filter(enabled=True, organisation__enabled=True, next_at__lte=Now())


def create_due() -> int:
    """Make the batches of all occurrences that are due; returns how many.

    One of which they cannot be made keeps no others from theirs; it is tried again at the next look.
    """
    created = 0
    for key in list(due_now().order_by("next_at", "pk").values_list("pk", flat=True)):
        try:
            created += _create_due(key)
        except (OperationalError, InterfaceError):
            raise  # The database is away, for all of them.
        except Exception:
            logger.exception("the occurrences of recurring request %d could not be made", key)
    return created


@transaction.atomic
def _create_due(key: int) -> int:
    """Nothing if somebody else is at it, or was."""
    recurring = (
        due_now()
        .filter(pk=key)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("crontab", "interval")
        .annotate(now=Now())
        .first()
    )
    if recurring is None or recurring.next_at is None:
        return 0
    now: datetime = recurring.now
    schedule = schedule_of(recurring)
    try:
        due = occurrences.between(
            schedule, recurring.next_at, now, anchor=recurring.starts_at, limit=MOST_LOOKED_BACK
        )
        next_at = occurrences.first_after(schedule, now, anchor=recurring.starts_at)
    except occurrences.NeverDue as error:
        logger.warning("recurring request %s is not due any more: %s", recurring.name, error)
        RecurringRequest.objects.filter(pk=key).update(next_at=None)
        return 0
    made = [occurrence for occurrence in _chosen(due, now) if _create_batch(recurring, occurrence, now)]
    RecurringRequest.objects.filter(pk=key).update(
        next_at=next_at, last_at=due[-1] if due else F("last_at"), missed=F("missed") + len(due) - len(made)
    )
    wakeup.notify()
    return len(made)


def _chosen(due: list[datetime], now: datetime) -> list[datetime]:
    """The punctual ones, and of the missed ones those that the setting says."""
    punctual = [occurrence for occurrence in due if occurrence >= now - PUNCTUAL]
    missed = due[: len(due) - len(punctual)]
    policy = settings.OSGP["MISSED_OCCURRENCES"]
    if policy == "all":
        return missed[-MOST_CAUGHT_UP:] + punctual
    if policy == "last" and not punctual:
        return missed[-1:]
    return punctual


def _create_batch(recurring: RecurringRequest, occurrence: datetime, now: datetime) -> bool:
    """False: its time is over, or there is one."""
    latest = occurrence + recurring.max_duration if recurring.max_duration is not None else None
    if latest is not None and latest <= now:
        return False
    members = recurring.group.memberships if recurring.group else recurring.devices
    _, created = Batch.objects.get_or_create(
        recurring=recurring,
        occurrence=occurrence,
        defaults={
            "organisation_id": recurring.organisation_id,
            "application": recurring.application,
            "message": recurring.message,
            "parameters": recurring.parameters,
            "priority": recurring.priority,
            "bypass_retry": recurring.bypass_retry,
            "spread": recurring.spread,
            "source": BatchSource.RECURRING,
            "group_id": recurring.group_id,
            "total": members.count(),
            # A window that has partly passed is not made up for in one rush: it begins now.
            "schedule_time": occurrence if occurrence >= now - PUNCTUAL else now,
            "max_schedule_time": latest,
            "created_at": now,
        },
    )
    return created


def _periodic_task(recurring: RecurringRequest) -> PeriodicTask:
    """Beat's row: by it the schedule is seen in its tools. It decides nothing."""
    task = recurring.periodic_task or PeriodicTask(task=TASK)
    task.name = f"schedule {recurring.pk}: {recurring.name}"
    task.queue = "system"
    task.crontab, task.interval = recurring.crontab, recurring.interval
    task.start_time = recurring.starts_at
    task.enabled = recurring.enabled
    task.kwargs = json.dumps({"recurring_id": recurring.pk})
    task.description = f"{recurring.message} for {recurring.organisation}"
    task.expire_seconds = 3600
    task.save()
    return task
