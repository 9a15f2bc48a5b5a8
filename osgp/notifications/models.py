"""Where notifications go, what they are signed with, and each delivery with its attempts."""

import uuid

from django.db import models
from django.db.models import Q

from osgp.accounts.models import Organisation
from osgp.events.models import LONGEST_URL, EventKind, make_message_id

TEST_KIND = "webhook.test"
"""The ``type`` of a notification that only tries an endpoint."""


class Endpoint(models.Model):
    """A URL to which an organisation has notifications sent; deliveries to it share a circuit and a runner.

    The URLs of requests (``response_url``) have *implicit* endpoints, one per organisation and origin, which
    make no deliveries on their own and are not shown as endpoints.
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="webhook_endpoints")
    origin = models.CharField(
        max_length=300,
        blank=True,
        default="",
        editable=False,
        help_text="Of implicit endpoints: scheme, host and port. Empty: it was registered.",
    )
    url = models.CharField(max_length=LONGEST_URL, blank=True)
    description = models.CharField(max_length=255, blank=True)
    kinds = models.JSONField(default=list, blank=True, help_text="Kinds of events; empty: all.")
    messages = models.JSONField(
        default=list, blank=True, help_text="Of completed requests, the messages; empty: all."
    )
    statuses = models.JSONField(
        default=list, blank=True, help_text="Of completed requests, the final states; empty: all."
    )
    created_at = models.DateTimeField()
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when nothing is sent to it; deliveries wait."
    )
    pause_reason = models.CharField(max_length=200, blank=True, default="")
    deleted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The row goes when its deliveries are gone."
    )

    # The circuit (sending.py): what became of the last attempts, whichever deliveries they were for.
    consecutive_failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is sent before; then one delivery is tried."
    )
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="HTTP status of the last answer, empty if there was none."
    )
    last_error = models.CharField(max_length=200, blank=True, default="")

    # The run (runs.py): one task at a time sends to an endpoint.
    wake_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the next of its deliveries is due."
    )
    runner = models.UUIDField(null=True, blank=True, editable=False)
    runner_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name = "webhook endpoint"
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "origin"],
                condition=~Q(origin=""),
                name="one_implicit_endpoint_per_origin",
            )
        ]
        indexes = [
            models.Index(
                fields=["wake_at"],
                condition=Q(wake_at__isnull=False, paused_at__isnull=True, deleted_at__isnull=True),
                name="webhook_to_wake",
            ),
            models.Index(
                fields=["runner_until"], condition=Q(runner_until__isnull=False), name="webhook_running"
            ),
            models.Index(
                fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="webhook_deleted"
            ),
        ]

    def __str__(self) -> str:
        return self.url or self.origin

    @property
    def is_implicit(self) -> bool:
        """Whether it stands for the URLs of requests."""
        return bool(self.origin)


class Secret(models.Model):
    """What notifications are signed with, sealed (secrets.py); several are valid while one is rotated."""

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    endpoint = models.ForeignKey(
        Endpoint,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="secrets",
        help_text="Empty: for the URLs of the organisation's requests.",
    )
    key_encryption_key_id = models.CharField(max_length=32, editable=False)
    wrapped_data_key = models.BinaryField(editable=False)
    ciphertext = models.BinaryField(editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is signed with it afterwards. Empty: the present one."
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "webhook secret"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(expires_at__isnull=True), name="one_present_webhook_secret"
            ),
            models.UniqueConstraint(
                fields=["organisation"],
                condition=Q(expires_at__isnull=True, endpoint__isnull=True),
                name="one_present_response_url_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"webhook secret {self.uid}"


class DeliveryState(models.TextChoices):
    """States of a delivery; their transitions are in osgp/notifications/states.py."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    FETCHED = "FETCHED"
    CANCELLED = "CANCELLED"


class Delivery(models.Model):
    """One notification to one endpoint: what it says, what has to be done, and what came of each attempt."""

    endpoint = models.ForeignKey(
        Endpoint,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,  # delivery_of_endpoint serves it.
    )
    url = models.CharField(
        max_length=LONGEST_URL, blank=True, default="", help_text="Of the request. Empty: the endpoint's."
    )
    # No relation: the delivery outlives the event.
    event = models.BigIntegerField(null=True, editable=False, help_text="Empty for tests of an endpoint.")
    # No choices: a new kind needs no migration.
    kind = models.CharField(max_length=24, help_text=f"One of EventKind, or {TEST_KIND}.")
    subject = models.UUIDField(help_text="The correlation UID, the alarm or the system event it tells of.")
    device_identification = models.CharField(max_length=40, blank=True)
    data = models.JSONField(default=dict)

    state = models.CharField(
        max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING, editable=False
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since the schedule began.")
    begun_at = models.DateTimeField(help_text="When the schedule of attempts began.")
    due_at = models.DateTimeField(help_text="The next attempt is not made before.")
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    log = models.JSONField(
        default=list, blank=True, help_text="The last attempts: at, status_code, error, seconds, response."
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["endpoint", "due_at", "id"], condition=Q(state="PENDING"), name="delivery_due"
            ),
            models.Index(fields=["subject", "id"], name="delivery_by_subject"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_of_endpoint"),
            models.Index(fields=["-created_at"], condition=Q(state="FAILED"), name="delivery_failed"),
            models.Index(fields=["created_at"], name="delivery_retention"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def message_id(self) -> str:
        """The ``webhook-id`` of Standard Webhooks: the same in each attempt, and after a replay."""
        return make_message_id(self.subject)


class FanOut(models.Model):
    """How far events have become deliveries, and who looks after deliveries; one row."""

    position = models.BigIntegerField(default=0, help_text="Of the last event that was looked at.")
    attendant = models.UUIDField(null=True, editable=False)
    attended_until = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return str(self.position)


KINDS = (*EventKind.values, TEST_KIND)
"""Of deliveries, for filters."""
