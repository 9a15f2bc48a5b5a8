"""The audit trail: who did what. Rows are added, never changed, and deleted only past their retention."""

from typing import Any, NoReturn

from django.db import models
from django.db.models.functions import Now


class AuditEvent(models.TextChoices):
    """What entries tell of."""

    REQUEST_SENT = "REQUEST_SENT", "Request sent"
    BATCH_SENT = "BATCH_SENT", "Batch sent"
    REQUEST_CANCELLED = "REQUEST_CANCELLED", "Request cancelled"
    RESPONSE_DELETED = "RESPONSE_DELETED", "Response deleted"
    RESPONSE_FETCHED = "RESPONSE_FETCHED", "Response fetched"
    EXPORTED = "EXPORTED", "Exported"
    ADDED = "ADDED", "Added"
    CHANGED = "CHANGED", "Changed"
    DELETED = "DELETED", "Deleted"
    TOKEN_ISSUED = "TOKEN_ISSUED", "Token issued"
    TOKEN_REVOKED = "TOKEN_REVOKED", "Token revoked"
    PAGE_POSTED = "PAGE_POSTED", "Button of a page"
    COMMAND_RUN = "COMMAND_RUN", "Command"
    LOGGED_IN = "LOGGED_IN", "Logged in"
    LOGIN_FAILED = "LOGIN_FAILED", "Login failed"
    LOGGED_OUT = "LOGGED_OUT", "Logged out"
    APPLICATION_KEY_REGISTERED = "APPLICATION_KEY_REGISTERED", "Application key registered"
    APPLICATION_KEY_REMOVED = "APPLICATION_KEY_REMOVED", "Application key removed"
    KEYS_HANDED_OUT = "KEYS_HANDED_OUT", "Keys handed out"
    KEYS_REPLACED = "KEYS_REPLACED", "Keys replaced"
    KEYS_RECOVERED = "KEYS_RECOVERED", "Keys recovered from the second place"
    INVOCATION_COUNTER_SET = "INVOCATION_COUNTER_SET", "Invocation counter set"
    WEBHOOK_SECRET_ISSUED = "WEBHOOK_SECRET_ISSUED", "Webhook secret issued"
    READINGS_ERASED = "READINGS_ERASED", "Readings erased"
    RESTORED = "RESTORED", "Database restored"
    CUT = "CUT", "Entries past their retention deleted"


class AppendOnly(TypeError):
    """An entry was to be changed or deleted."""

    def __init__(self) -> None:
        super().__init__("audit entries are neither changed nor deleted")


class AuditEntries(models.QuerySet["AuditEntry"]):
    """Entries to read; a trigger of the database refuses what gets around this class."""

    def update(self, **changes: Any) -> NoReturn:
        """Raises AppendOnly."""
        raise AppendOnly

    def delete(self) -> NoReturn:
        """Raises AppendOnly."""
        raise AppendOnly


class AuditEntry(models.Model):
    """One event. It refers to nothing by key, so that it outlives what it tells of."""

    # Of the database: the clocks of processes differ.
    at = models.DateTimeField(db_default=Now(), editable=False)
    # No choices: a new event needs no migration.
    event = models.CharField(max_length=40, help_text="One of AuditEvent.")
    organisation_identification = models.CharField(max_length=40)
    actor = models.CharField(
        max_length=160, help_text="The application; of people admin/ and their name, or command line."
    )
    device_identification = models.CharField(max_length=40, blank=True, help_text="Empty: of no device.")
    correlation_uid = models.UUIDField(
        null=True, help_text="Of the request, which may be forgotten by now; null: there was none."
    )
    address = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the client; empty: no call."
    )
    request_id = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the call, X-Request-ID."
    )
    details = models.JSONField(default=dict, help_text="What else is to be known; never a secret.")

    objects = AuditEntries.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["device_identification", "-id"], name="audit_by_device"),
            models.Index(fields=["organisation_identification", "-id"], name="audit_by_organisation"),
            models.Index(fields=["event", "-id"], name="audit_by_event"),
            models.Index(fields=["-at"], name="audit_by_time"),
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(
                fields=["correlation_uid"],
                condition=models.Q(correlation_uid__isnull=False),
                name="audit_by_request",
            ),
            models.Index(
                fields=["request_id"], condition=~models.Q(request_id=""), name="audit_by_request_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.organisation_identification}/{self.actor}"

    @property
    def event_label(self) -> str:
        """The event in words; an event of a later release by its name."""
        return AuditEvent(self.event).label if self.event in AuditEvent.values else self.event

    def save(self, **options: Any) -> None:
        """Store a new entry. Raises AppendOnly for a stored one."""
        if not self._state.adding:
            raise AppendOnly
        super().save(**{**options, "force_insert": True})

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Raises AppendOnly."""
        raise AppendOnly


class AuditSeal(models.Model):
    """A link of the hash chain: it seals a run of entries (chain.py). Never changed, as entries."""

    position = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 and so on.")
    sealed_at = models.DateTimeField()
    count = models.PositiveIntegerField(help_text="Entries of the run.")
    runs = models.TextField(help_text="Their ids: 7-9 12 14-15.")
    marks = models.BinaryField(help_text="The first 8 octets of the digest of each, in the order of ids.")
    top = models.BigIntegerField(help_text="The highest id that is sealed by now.")
    missing = models.JSONField(
        default=list,
        help_text="Ids below it that may still come, of transactions that have not ended (sealing.py).",
    )
    key_id = models.CharField(max_length=16, blank=True, help_text="Of the key of the hash; empty: none.")
    hash = models.CharField(max_length=64, help_text="Over the former hash, this row and the entries.")

    class Meta:
        ordering = ["position"]
        verbose_name = "audit seal"
        indexes = [models.Index(fields=["sealed_at"], name="audit_seal_by_time")]

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


class AuditSealing(models.Model):
    """Who seals, and how far sealed entries were sent on; one row."""

    attendant = models.UUIDField(null=True, editable=False)
    attended_until = models.DateTimeField(null=True, editable=False)
    forwarded = models.BigIntegerField(default=0, help_text="The last position that was sent on.")

    def __str__(self) -> str:
        return str(self.forwarded)
