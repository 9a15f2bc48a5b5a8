"""Requests, their actions, and the meter sessions of visits.

PostgreSQL holds requests, due times, leases and outcomes; the broker only delivers hints. Every change of a
state goes through osgp/requests/states/.
"""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import F, Q

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch
from osgp.devices.models import Device
from osgp.events.models import LONGEST_URL
from osgp.messages.naming import BUNDLE
from osgp.messages.priorities import DEFAULT_PRIORITY, PRIORITY_VALIDATORS
from osgp.requests.endpoints import LONGEST


class RequestState(models.TextChoices):
    """States of a request; their transitions are in osgp/requests/states/transitions.py."""

    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL_STATES = frozenset({RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED})
WAITING_STATES = frozenset({RequestState.SCHEDULED, RequestState.QUEUED, RequestState.RETRYING})


class ActionState(models.TextChoices):
    """States of an action. UNKNOWN: it was sent, and whether it took effect is unknown."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    DONE = "DONE"
    FAULT = "FAULT"
    UNKNOWN = "UNKNOWN"


class SessionState(models.TextChoices):
    """States of a meter session."""

    OPENED = "OPENED"
    CLAIMED = "CLAIMED"
    CLOSED = "CLOSED"
    LOST = "LOST"


class VisitLane(models.TextChoices):
    """Which slots a visit takes: see osgp/requests/slots.py."""

    URGENT = "URGENT"
    NORMAL = "NORMAL"
    SLOW = "SLOW"


LIVE_SESSION_STATES = frozenset({SessionState.OPENED, SessionState.CLAIMED})
NOT_OVER = ~Q(state__in=[SessionState.CLOSED, SessionState.LOST])
"""The same, in other words: the condition of the index that finds the live meter session of an endpoint.

In the same words as in the index by meter, PostgreSQL would at times read that one from end to end instead.
"""


OF_ANY_METER = Q(priority__gte=0)
"""True of every row, and part of the conditions of indexes that only dispatchers need.

PostgreSQL uses a partial index only for statements that say its condition, and visits do not say this one.
While nothing waits, such an index is empty; once PostgreSQL has analyzed the table then, reading all of it
looks as cheap as looking up one meter. With a backlog since, each visit would read all that wait.
"""

OF_AN_ORGANISATION = Q(organisation__gt=0)
"""Likewise true of every row, and said only by dispatchers that look for the work of one organisation.

It keeps PostgreSQL from reading the work of all of them instead, in the order of their priority.
"""


class MeterSession(models.Model):
    """A lease on a meter: the worker that claims it with its token may dial the meter until it expires.

    It belongs to the endpoint, so that two device rows of one meter are visited one after the other.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    meter = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="sessions")
    # NULL is not "": sessions that a former release opened do not say where they dial.
    endpoint = models.CharField(
        max_length=LONGEST,
        null=True,
        editable=False,
        help_text="Where the meter was to be dialled when this was opened (requests/endpoints.py).",
    )
    state = models.CharField(max_length=8, choices=SessionState.choices, default=SessionState.OPENED)
    token = models.UUIDField(default=uuid.uuid4, editable=False)
    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY)
    # NULL: opened by a former release. No constraint: it would cost each visit a look at the organisation.
    organisation = models.ForeignKey(
        Organisation, models.DO_NOTHING, related_name="+", null=True, db_constraint=False, db_index=False
    )
    lane = models.CharField(max_length=6, choices=VisitLane.choices, null=True, editable=False)
    worker = models.CharField(max_length=100, blank=True)

    opened_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    round_trips = models.PositiveIntegerField(default=0)
    bytes_sent = models.PositiveBigIntegerField(default=0)
    bytes_received = models.PositiveBigIntegerField(default=0)
    fault = models.JSONField(null=True, blank=True, help_text="Why the meter could not be reached, if so.")

    class Meta:
        ordering = ["-opened_at"]
        verbose_name = "visit"  # What operators call it: the lease is a matter of the platform.
        constraints = [
            models.UniqueConstraint(
                fields=["meter"],
                condition=Q(state__in=["OPENED", "CLAIMED"]),
                name="one_live_session_per_meter",
            ),
            models.UniqueConstraint(
                fields=["endpoint"],
                condition=~Q(state__in=["CLOSED", "LOST"]) & Q(endpoint__gt=""),  # NOT_OVER
                name="one_live_session_per_endpoint",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["OPENED", "CLAIMED"], priority__gte=0),  # OF_ANY_METER
                name="session_lease_end",
            ),
            models.Index(fields=["-opened_at"], name="session_opened_at"),
            models.Index(
                fields=["closed_at"], condition=Q(closed_at__isnull=False), name="session_retention"
            ),
        ]

    def __str__(self) -> str:
        return f"session {self.id} ({self.state})"


class KeyLock(models.Model):
    """The right to change the keys of a device, while the meter session lives (key_locks.py)."""

    device = models.OneToOneField(Device, primary_key=True, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(MeterSession, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"keys of {self.device_id}"


class Request(models.Model):
    """A message, or a bundle of messages, that an organisation sent for a device."""

    correlation_uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(
        Organisation,
        on_delete=models.PROTECT,
        related_name="requests",
        db_index=False,  # request_by_organisation serves it.
    )
    application = models.CharField(max_length=40, blank=True)
    message = models.CharField(max_length=64)
    device_identification = models.CharField(max_length=40)
    device = models.ForeignKey(
        Device,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="requests",
        help_text="Empty while the device does not exist yet (AddDevice).",
    )
    meter = models.ForeignKey(
        Device,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="visit_requests",
        help_text="The meter that is dialled: the device itself or its gateway. Empty: needs no meter.",
    )

    batch = models.ForeignKey(
        Batch,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="requests",
        db_index=False,  # The partial indexes below are enough.
        help_text="What it was sent with, if not alone.",
    )

    priority = models.PositiveSmallIntegerField(default=DEFAULT_PRIORITY, validators=PRIORITY_VALIDATORS)
    effective_priority = models.PositiveSmallIntegerField(
        default=DEFAULT_PRIORITY, help_text="Falls step by step with retries."
    )
    schedule_time = models.DateTimeField(null=True, blank=True)
    max_schedule_time = models.DateTimeField(null=True, blank=True)
    bypass_retry = models.BooleanField(default=False)
    # No boolean: SQLite takes "NOT in_slow_lane" for no condition of an index.
    in_slow_lane = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="1: it waits among those of slow meters, where dispatchers have put it.",
    )
    response_url = models.CharField(
        max_length=LONGEST_URL, blank=True, default="", db_default="", help_text="Notified when it is final."
    )

    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.QUEUED)
    due_at = models.DateTimeField(help_text="The next attempt is not made before.")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Times that the meter was dialled for it."
    )
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Times that the worker died on it.")
    session = models.ForeignKey(
        MeterSession,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="requests",
        help_text="The visit that carries or carried it out.",
    )
    fault = models.JSONField(null=True, blank=True, help_text="The final fault, or that of the last attempt.")

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            # For dispatchers: due requests, most urgent first, oldest first. See OF_ANY_METER.
            models.Index(
                F("effective_priority").desc(),
                "due_at",
                "id",
                condition=Q(state__in=["QUEUED", "RETRYING"], priority__gte=0),
                name="request_to_dispatch",
            ),
            # Likewise the work of one organisation, that of slow meters apart. See OF_AN_ORGANISATION.
            models.Index(
                F("organisation"),
                F("in_slow_lane"),
                F("effective_priority").desc(),
                "due_at",
                "id",
                condition=Q(state__in=["QUEUED", "RETRYING"], organisation__gt=0),
                name="request_of_organisation_due",
            ),
            # Likewise those that need no meter, which no visit finds and which are few among the others.
            models.Index(
                F("effective_priority").desc(),
                "due_at",
                "id",
                condition=Q(state__in=["QUEUED", "RETRYING"], meter__isnull=True),
                name="request_of_platform",
            ),
            models.Index(fields=["due_at"], condition=Q(state="SCHEDULED"), name="request_scheduled"),
            models.Index(
                fields=["max_schedule_time"],
                condition=Q(state__in=["SCHEDULED", "QUEUED", "RETRYING"], max_schedule_time__isnull=False),
                name="request_overdue",
            ),
            # For visits: the waiting requests of one meter. It says that there is a meter, so that whoever
            # looks for a request by its key cannot choose to read the whole index instead.
            models.Index(
                fields=["meter"],
                condition=Q(state__in=["QUEUED", "RETRYING"], meter__isnull=False),
                name="request_waits_for_meter",
            ),
            models.Index(fields=["session"], condition=Q(state="RUNNING"), name="request_running"),
            models.Index(
                fields=["completed_at"], condition=Q(completed_at__isnull=False), name="request_retention"
            ),
            models.Index(fields=["organisation", "-created_at", "-id"], name="request_by_organisation"),
            models.Index(fields=["device_identification", "-created_at"], name="request_by_device"),
            # For batches: their progress, and their requests, latest first.
            models.Index(
                fields=["batch", "state"], condition=Q(batch__isnull=False), name="request_batch_progress"
            ),
            models.Index(
                fields=["batch", "-created_at", "-id"],
                condition=Q(batch__isnull=False),
                name="request_of_batch",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "device"],
                condition=Q(batch__isnull=False),
                name="one_request_per_batch_and_device",
            )
        ]

    def __str__(self) -> str:
        return f"{self.message} {self.correlation_uid}"

    @property
    def is_bundle(self) -> bool:
        """Whether its actions have outcomes of their own; otherwise its only action has the same outcome."""
        return self.message == BUNDLE

    @property
    def is_final(self) -> bool:
        """Whether the outcome is known and will not change."""
        return self.state in FINAL_STATES


class Action(models.Model):
    """One message within a request, in order; a request that is not a bundle has exactly one."""

    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="actions")
    position = models.PositiveSmallIntegerField(default=0)
    message = models.CharField(max_length=64)
    device = models.ForeignKey(
        Device,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="What it is about; in a bundle it may be an M-Bus device of the meter.",
    )
    parameters = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=ActionState.choices, default=ActionState.PENDING)
    result = models.JSONField(null=True, blank=True)
    partial_result = models.JSONField(
        null=True,
        blank=True,
        help_text="What came before the meter was lost, of all attempts; empty once there is a result.",
    )
    fault = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["request", "position"]
        constraints = [
            models.UniqueConstraint(fields=["request", "position"], name="one_action_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.message} ({self.state})"


IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=24)


class IdempotencyKey(models.Model):
    """The key of a POST, so that a repeated call is not carried out twice (api/idempotency.py)."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    request = models.ForeignKey(
        Request,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="What came of it, if not a batch.",
    )
    batch = models.ForeignKey(
        Batch, null=True, on_delete=models.CASCADE, related_name="+", help_text="What came of it otherwise."
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "key"], name="one_row_per_idempotency_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key


class DispatcherHeartbeat(models.Model):
    """The latest heartbeat of a dispatcher (osgp/requests/liveness.py)."""

    name = models.CharField(max_length=100, unique=True, help_text="Host and process id.")
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
