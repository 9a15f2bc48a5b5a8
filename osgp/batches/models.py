"""Batches: one message to many devices; and schedules, which make a batch at each occurrence."""

import uuid
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from osgp.accounts.models import Organisation
from osgp.batches import naming
from osgp.device_groups.models import DeviceGroup, group_name_validator
from osgp.devices.models import Device
from osgp.events.models import LONGEST_URL
from osgp.messages.priorities import DEFAULT_PRIORITY, PRIORITY_VALIDATORS


class BatchState(models.TextChoices):
    """CREATING while its requests are being made, RUNNING or CANCELLING until all of them are final.

    docs/states.md shows what follows what.
    """

    CREATING = "CREATING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


OPEN_BATCH_STATES = frozenset({BatchState.CREATING, BatchState.RUNNING, BatchState.CANCELLING})


class BatchSource(models.TextChoices):
    """Where the devices of a batch come from."""

    LIST = "LIST", "a list of devices"
    GROUP = "GROUP", "a device group"
    RETRY = "RETRY", "the failed devices of another batch"
    RECURRING = "RECURRING", "a schedule"
    MISSING = "MISSING", "missing readings"


class Scheduling(models.Model):
    """How urgent the requests of a batch are, and over which time they are spread; and what it sends."""

    message: Any
    parameters: Any
    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY, validators=PRIORITY_VALIDATORS)
    bypass_retry = models.BooleanField(default=False, help_text="One attempt only.")
    spread = models.DurationField(
        default=timedelta(0),
        help_text="Devices start spread over this time, each at its own moment of it.",
    )

    class Meta:
        abstract = True

    @property
    def content(self) -> str:
        """The message, and those of a bundle, in a few words."""
        return naming.name_content(self.message, self.parameters)

    @property
    def messages(self) -> list[str]:
        """The names of the messages that each device gets: several if it is a bundle."""
        return naming.list_messages(self.message, self.parameters)


class Batch(Scheduling):
    """One message or bundle, sent to many devices; each has a request of its own."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="batches")
    application = models.CharField(max_length=40, blank=True)
    message = models.CharField(max_length=64)
    parameters = models.JSONField(default=dict)
    schedule_time = models.DateTimeField(null=True, blank=True)
    max_schedule_time = models.DateTimeField(null=True, blank=True)
    response_url = models.CharField(
        max_length=LONGEST_URL,
        blank=True,
        default="",
        db_default="",
        help_text="Notified of each of its requests that is final.",
    )

    source = models.CharField(max_length=9, choices=BatchSource.choices)
    group = models.ForeignKey(
        DeviceGroup, null=True, blank=True, on_delete=models.SET_NULL, related_name="batches"
    )
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries"
    )
    recurring = models.ForeignKey(
        "RecurringRequest", null=True, blank=True, on_delete=models.SET_NULL, related_name="batches"
    )
    occurrence = models.DateTimeField(
        null=True, blank=True, help_text="Which occurrence of its schedule it is."
    )
    target = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of missing readings: the filter that finds the devices.",
    )

    state = models.CharField(max_length=10, choices=BatchState.choices, default=BatchState.CREATING)
    cursor = models.BigIntegerField(
        default=0, editable=False, help_text="The device up to which requests were made."
    )
    total = models.PositiveIntegerField(default=0, help_text="Requests; while it is CREATING an estimate.")
    skipped = models.PositiveIntegerField(default=0, help_text="Devices that cannot do it.")
    fault = models.JSONField(
        null=True, blank=True, editable=False, help_text="Why no more requests could be made."
    )
    outcome = models.JSONField(
        null=True, blank=True, editable=False, help_text="The final counts by state and by fault code."
    )
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(
                fields=["recurring", "occurrence"],
                condition=Q(recurring__isnull=False),
                name="one_batch_per_occurrence",
            )
        ]
        indexes = [
            models.Index(fields=["organisation", "-created_at", "-id"], name="batch_by_organisation"),
            models.Index(
                fields=["state"],
                condition=Q(state__in=["CREATING", "RUNNING", "CANCELLING"]),
                name="batch_open",
            ),
            models.Index(
                fields=["completed_at"], condition=Q(completed_at__isnull=False), name="batch_retention"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.content} {self.uid}"

    @property
    def readings(self) -> str:
        """Which missing readings it fetches, in a few words; empty if it is not made for that."""
        return naming.name_readings(self.target) if self.target else ""

    @property
    def is_final(self) -> bool:
        """Whether it is over: nothing about it changes any more."""
        return self.state not in OPEN_BATCH_STATES


class SkippedDevice(models.Model):
    """A device that a batch skipped, and why."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="skipped_devices")
    position = models.PositiveIntegerField(null=True, help_text="In the list, if there was one.")
    device_identification = models.CharField(max_length=40)
    fault = models.JSONField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.device_identification


class RecurringRequest(Scheduling):
    """A schedule: a message or bundle for devices, again and again; each occurrence becomes one batch."""

    name = models.CharField(max_length=64, validators=[group_name_validator])
    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, related_name="recurring_requests"
    )
    application = models.CharField(max_length=40, blank=True, editable=False)
    message = models.CharField(max_length=64)
    parameters = models.JSONField(default=dict, blank=True)
    devices = models.ManyToManyField(Device, blank=True, related_name="+")
    group = models.ForeignKey(
        DeviceGroup,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="recurring_requests",
        help_text="Instead of single devices.",
    )

    crontab = models.ForeignKey(
        CrontabSchedule,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    interval = models.ForeignKey(
        IntervalSchedule,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Instead of a crontab.",
    )
    starts_at = models.DateTimeField(
        default=timezone.now,  # noqa: TID251 (for rows made by hand)
        help_text="No occurrence is before; intervals are counted from here.",
    )
    max_duration = models.DurationField(
        null=True, blank=True, help_text="What was not started this long after the occurrence is given up."
    )
    enabled = models.BooleanField(default=True)

    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_at = models.DateTimeField(null=True, blank=True, editable=False)
    missed = models.PositiveIntegerField(
        default=0, editable=False, help_text="Occurrences that passed while the platform was down."
    )
    periodic_task = models.OneToOneField(
        PeriodicTask,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="By which beat gives its hints.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organisation", "name"]
        verbose_name = "schedule"  # As operators call it.
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="one_recurring_request_per_name"),
            models.CheckConstraint(
                condition=Q(crontab__isnull=True) ^ Q(interval__isnull=True), name="crontab_or_interval"
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(enabled=True), name="recurring_due")]

    def __str__(self) -> str:
        return self.name
