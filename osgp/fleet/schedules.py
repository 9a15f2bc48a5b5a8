"""Schedules: each occurrence becomes exactly one batch.

The database decides what is due. A schedule's row holds its next occurrence, and is locked while the batch
of that occurrence is made and the next one is computed from the recurrence. Hints, from beat and from
dispatchers that look every second, only say that it is time to look: a doubled or late hint changes nothing.
A unique constraint allows one batch per occurrence.
"""

import json
import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, BatchSource, RecurringRequest
from osgp.fleet import occurrences
from osgp.fleet.occurrences import CRON_FIELDS, Recurrence
from osgp.processes import wakeup

logger = logging.getLogger(__name__)

TASK = "osgp.batches.create_occurrences"
PUNCTUAL = timedelta(minutes=1)
"""An occurrence is missed if its batch is made later than this."""
MOST_LOOKED_BACK = 10_000
"""Occurrences looked at per schedule and round; the latest ones are left out."""
MOST_CAUGHT_UP = 100
"""Missed occurrences made up for per round under the policy "all"."""


def get_recurrence(schedule: RecurringRequest) -> Recurrence:
    """Return the crontab or the interval of a schedule; it has one of them."""
    recurrence = schedule.crontab or schedule.interval
    assert recurrence is not None
    return recurrence


def format_cron(schedule: RecurringRequest) -> str:
    """Return the five fields of its crontab; empty for an interval."""
    if schedule.crontab is None:
        return ""
    return " ".join(getattr(schedule.crontab, name) for name in CRON_FIELDS)


def list_schedules(organisation: Organisation) -> QuerySet[RecurringRequest]:
    """Return the organisation's own schedules, each with its group and its recurrence."""
    rows = RecurringRequest.objects.filter(organisation=organisation)
    return rows.select_related("organisation", "group", "crontab", "interval", "periodic_task")


def lock(rows: QuerySet[RecurringRequest]) -> QuerySet[RecurringRequest]:
    """Keep others from changing or deleting these rows, and from making their batches, until the commit."""
    return rows.select_for_update(of=("self",))


def list_upcoming(schedule: RecurringRequest, number: int) -> list[datetime]:
    """Return the next ``number`` occurrences; none while it is paused."""
    if schedule.next_at is None:
        return []
    just_before = schedule.next_at - timedelta(microseconds=1)
    try:
        return occurrences.list_next(
            get_recurrence(schedule), just_before, anchor=schedule.starts_at, number=number
        )
    except occurrences.NeverDue:
        return [schedule.next_at]


def list_past(schedule: RecurringRequest) -> QuerySet[Batch]:
    """Return the batches of its past occurrences, each with its group, latest first."""
    rows = Batch.objects.filter(recurring=schedule, occurrence__isnull=False)
    return rows.select_related("group").order_by("-occurrence", "-pk")


def plan(schedule: RecurringRequest) -> None:
    """Compute when a new or changed schedule is due next, and update beat's row. Raises NeverDue."""
    with transaction.atomic():
        now = RecurringRequest.objects.filter(pk=schedule.pk).values_list(Now(), flat=True).get()
        after = max(now, schedule.last_at or now)
        schedule.next_at = (
            occurrences.find_next(get_recurrence(schedule), after, anchor=schedule.starts_at)
            if schedule.enabled
            else None
        )
        schedule.periodic_task = _save_periodic_task(schedule)
        schedule.save(update_fields=["next_at", "periodic_task"])


def find_by_recurrence(recurrence: Recurrence) -> QuerySet[RecurringRequest]:
    """Return the schedules that use a row of django-celery-beat; several may share it."""
    is_crontab = isinstance(recurrence, CrontabSchedule)
    uses_it = Q(crontab=recurrence.pk) if is_crontab else Q(interval=recurrence.pk)
    return RecurringRequest.objects.select_related("crontab", "interval", "periodic_task").filter(uses_it)


def follow_beat(task_ids: Collection[int]) -> None:
    """Pause and resume schedules as their periodic tasks were switched off and on.

    Occurrences that passed meanwhile are not made up for.
    """
    differs = RecurringRequest.objects.select_related("crontab", "interval", "periodic_task").exclude(
        enabled=F("periodic_task__enabled")
    )
    for row in differs.filter(periodic_task__in=task_ids):
        assert row.periodic_task is not None
        row.enabled = row.periodic_task.enabled
        row.save(update_fields=["enabled"])
        plan(row)


def list_due() -> QuerySet[RecurringRequest]:
    """Return the enabled schedules of enabled organisations whose next occurrence has come."""
    return RecurringRequest.objects.filter(enabled=True, organisation__enabled=True, next_at__lte=Now())


def create_due() -> int:
    """Make the batches of all due occurrences; returns how many.

    A schedule that fails does not hold up the others; it is tried again at the next look.
    """
    created = 0
    for key in list(list_due().order_by("next_at", "pk").values_list("pk", flat=True)):
        try:
            created += _create_due(key)
        except (OperationalError, InterfaceError):
            raise  # The database is away: the others would fail as well.
        except Exception:
            logger.exception("the occurrences of schedule %d could not be made", key)
    return created


@transaction.atomic
def _create_due(key: int) -> int:
    """Make what is due of one schedule; nothing if another process is doing that, or has done it."""
    schedule = (
        list_due()
        .filter(pk=key)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("crontab", "interval")
        .annotate(now=Now())
        .first()
    )
    if schedule is None or schedule.next_at is None:
        return 0
    now: datetime = schedule.now
    recurrence = get_recurrence(schedule)
    try:
        due = occurrences.list_between(
            recurrence, schedule.next_at, now, anchor=schedule.starts_at, limit=MOST_LOOKED_BACK
        )
        next_at = occurrences.find_next(recurrence, now, anchor=schedule.starts_at)
    except occurrences.NeverDue as error:
        logger.warning("schedule %s is not due any more: %s", schedule.name, error)
        RecurringRequest.objects.filter(pk=key).update(next_at=None)
        return 0
    made = [
        occurrence for occurrence in _choose_occurrences(due, now) if _create_batch(schedule, occurrence, now)
    ]
    RecurringRequest.objects.filter(pk=key).update(
        next_at=next_at, last_at=due[-1] if due else F("last_at"), missed=F("missed") + len(due) - len(made)
    )
    wakeup.notify()
    return len(made)


def _choose_occurrences(due: list[datetime], now: datetime) -> list[datetime]:
    """Return the punctual occurrences, and those missed ones that MISSED_OCCURRENCES asks for."""
    punctual = [occurrence for occurrence in due if occurrence >= now - PUNCTUAL]
    missed = due[: len(due) - len(punctual)]
    policy = settings.OSGP["MISSED_OCCURRENCES"]
    if policy == "all":
        return missed[-MOST_CAUGHT_UP:] + punctual
    if policy == "last" and not punctual:
        return missed[-1:]
    return punctual


def _create_batch(schedule: RecurringRequest, occurrence: datetime, now: datetime) -> bool:
    """Return whether a batch was made: not if its time is over, or if it exists."""
    latest = occurrence + schedule.max_duration if schedule.max_duration is not None else None
    if latest is not None and latest <= now:
        return False
    members = schedule.group.memberships if schedule.group else schedule.devices
    _, created = Batch.objects.get_or_create(
        recurring=schedule,
        occurrence=occurrence,
        defaults={
            "organisation_id": schedule.organisation_id,
            "application": schedule.application,
            "message": schedule.message,
            "parameters": schedule.parameters,
            "priority": schedule.priority,
            "bypass_retry": schedule.bypass_retry,
            "spread": schedule.spread,
            "source": BatchSource.RECURRING,
            "group_id": schedule.group_id,
            "total": members.count(),
            # A window that has partly passed is not made up for in one rush: it begins now.
            "schedule_time": occurrence if occurrence >= now - PUNCTUAL else now,
            "max_schedule_time": latest,
            "created_at": now,
        },
    )
    return created


def _save_periodic_task(schedule: RecurringRequest) -> PeriodicTask:
    """Save beat's row, which shows the schedule in beat's tools. It decides nothing."""
    task = schedule.periodic_task or PeriodicTask(task=TASK)
    task.name = f"schedule {schedule.pk}: {schedule.name}"
    task.queue = "system"
    task.crontab, task.interval = schedule.crontab, schedule.interval
    task.start_time = schedule.starts_at
    task.enabled = schedule.enabled
    task.kwargs = json.dumps({"recurring_id": schedule.pk})
    task.description = f"{schedule.content} for {schedule.organisation}"
    task.expire_seconds = 3600
    task.save()
    return task
